//! What the requests of one lookup share: credentials, and how long they may wait for a busy registry.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use pullgate_net::backoff::Backoff;
use pullgate_net::memory::Share;
use tokio::time::Instant;

use super::concurrency_limit::Permit;
use super::credentials::Credentials;
use super::hosts::Capability;
use super::keychain::Printed;
use super::limits::Limits;

/// Delays between retries of one request; the retry budget ends them.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::MAX);

/// Cheap to clone; the clones share the retry budget.
#[derive(Clone, Debug)]
pub(super) struct RequestContext {
    pub(super) credentials: Credentials,
    /// Whether its requests are sent without any credentials: neither those of the operator, nor a grant of another request.
    pub(super) is_unauthenticated: bool,
    /// Whether it is for a write, and so for the host that is written to.
    pub(super) push: bool,
    /// The memory for what the requests of the lookup read.
    pub(super) share: Share,
    /// The operator's credentials that programs printed for the lookup.
    pub(super) printed: Printed,
    /// The permit for this lookup.
    turn: Arc<Mutex<Option<Permit>>>,
    patience: Arc<RetryBudget>,
}

#[derive(Debug)]
struct RetryBudget {
    /// Retries per request.
    tries: usize,
    /// Total wait, measured from the first retry.
    wait: Duration,
    until: Mutex<Option<Instant>>,
    /// Until when a registry asked for a pause.
    not_before: Mutex<Option<Instant>>,
}

impl RequestContext {
    pub(super) fn new(credentials: Credentials, limits: &Limits, share: Share) -> Self {
        let patience = RetryBudget {
            tries: limits.retries,
            wait: limits.retry_wait,
            until: Mutex::default(),
            not_before: Mutex::default(),
        };
        Self {
            credentials,
            is_unauthenticated: false,
            push: false,
            share,
            printed: Printed::default(),
            turn: Arc::default(),
            patience: Arc::new(patience),
        }
    }

    /// The context of a write.
    pub(super) fn pushing(credentials: Credentials, limits: &Limits, share: Share) -> Self {
        Self { push: true, ..Self::new(credentials, limits, share) }
    }

    /// The context of the same lookup at another registry, for which the operator may have credentials.
    pub(super) fn without_credentials(&self, limits: &Limits) -> Self {
        let turn = Arc::clone(&self.turn);
        Self { turn, ..Self::new(Credentials::anonymous(), limits, self.share.clone()) }
    }

    /// The context of the same lookup at a server that is no registry, and never gets credentials.
    pub(super) fn unauthenticated(&self, limits: &Limits) -> Self {
        Self { is_unauthenticated: true, ..self.without_credentials(limits) }
    }

    /// Holds the permit for this lookup until [`RequestContext::end_turn`], or until the context is dropped.
    pub(super) fn begin_turn(&self, permit: Permit) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
    }

    /// Releases the permit.
    pub(super) fn end_turn(&self) {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The capability that a host needs: `need` for a pull, push for a write.
    pub(super) fn need(&self, need: Capability) -> Capability {
        if self.push { Capability::Push } else { need }
    }

    /// Records the header Retry-After of a response, seconds or a date, and returns the delay.
    pub(super) fn note(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = text.and_then(|text| retry_after(text, Timestamp::now()))?;
        // A time that cannot be represented ends the retries.
        let moment =
            Instant::now().checked_add(wait).unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30));
        self.not_before(moment);
        Some(wait)
    }

    /// Records that a host must not be contacted before `moment`.
    pub(super) fn not_before(&self, moment: Instant) {
        let mut not_before = self.patience.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(Some(moment));
    }

    /// Waits before retry number `tried` (from 0). False if it must not be sent: the retries are used up, or the wait would
    /// exceed the rest of the budget.
    pub(super) async fn wait_for_retry(&self, tried: usize) -> bool {
        if tried >= self.patience.tries {
            return false;
        }
        let now = Instant::now();
        let until = {
            let mut until = self.patience.until.lock().unwrap_or_else(PoisonError::into_inner);
            *until.get_or_insert(now + self.patience.wait)
        };
        let not_before = *self.patience.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let wake = (now + retry_delay(tried)).max(not_before.unwrap_or(now));
        if wake > until {
            return false;
        }
        tokio::time::sleep_until(wake).await;
        true
    }
}

/// The delay before a retry, by its number from 0.
#[must_use]
pub fn retry_delay(retry: usize) -> Duration {
    BACKOFF.jittered(u32::try_from(retry).unwrap_or(u32::MAX))
}

/// RFC 9110, 10.2.3. `None` for what is neither a number of seconds nor a date; a date in the past is zero.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Thu, 01 Jan 2026 00:00:30 GMT", Some(30)),
            ("Thu, 01 Jan 1970 00:00:30 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    fn share() -> Share {
        pullgate_net::memory::MemoryBudget::new(1 << 20).share("app")
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_retry_after_within_the_retry_budget() {
        let limits = Limits { retries: 3, retry_wait: Duration::from_secs(10), ..Limits::default() };
        let header = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        for (value, expected) in [("4", true), ("11", false), ("86400000000000000", false), ("-1", true)] {
            let context = RequestContext::new(Credentials::anonymous(), &limits, share());
            assert_eq!(context.note(&header(value)).is_some(), value != "-1");
            let begin = Instant::now();
            assert_eq!(context.wait_for_retry(0).await, expected, "{value}");
            if value == "4" {
                assert_eq!(begin.elapsed().as_secs(), 4);
            }
            assert!(begin.elapsed() <= Duration::from_secs(10), "{value}");
        }
        let context = RequestContext::new(Credentials::anonymous(), &limits, share());
        assert!(context.wait_for_retry(2).await && !context.wait_for_retry(3).await);
        let all = Limits { retries: usize::MAX, ..limits };
        let context = RequestContext::new(Credentials::anonymous(), &all, share());
        let begin = Instant::now();
        let mut tried = 0;
        while context.wait_for_retry(tried).await {
            tried += 1;
        }
        assert!((4..=7).contains(&tried) && begin.elapsed() <= all.retry_wait, "{tried}");
    }
}
