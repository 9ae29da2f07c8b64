//! `grpc-timeout`: the caller's deadline, which runs while a call is decided and while the runtime works for it.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Timeout": at most 8 digits and a unit.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Code;

use super::status;
use crate::containerd::Body;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// When the caller stops waiting for an intercepted call; it is in the extensions of the request that goes to the
/// runtime. A forwarded call has none: its deadline is between the caller and the runtime.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// The deadline in `headers` of a call that arrives now. `None` without one, and for one that cannot be read or
    /// that lies beyond the clock.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Instant::now().checked_add(timeout(headers)?).map(Self)
    }

    /// The deadline of a call that is sent to the runtime, if it is an intercepted one.
    pub(super) fn within<B>(request: &Request<B>) -> Option<Self> {
        request.extensions().get().copied()
    }

    pub(super) fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }

    async fn bound<T>(self, call: impl Future<Output = T>) -> Result<T, Response<Body>> {
        // A timeout polls its future at least once: that would send a late call to the runtime.
        if self.has_passed() {
            return Err(exceeded());
        }
        tokio::time::timeout_at(self.0, call).await.map_err(|_| exceeded())
    }
}

/// The answer of an intercepted call, if it comes within the deadline in `request`. Otherwise the call is dropped, which
/// stops its work here and resets its stream to the runtime.
///
/// # Errors
/// The answer for a call whose deadline has passed.
pub(super) async fn bounded<B, C: Future>(
    mut request: Request<B>,
    call: impl FnOnce(Request<B>) -> C,
) -> Result<C::Output, Response<Body>> {
    let Some(deadline) = Deadline::of(request.headers()) else { return Ok(call(request).await) };
    request.extensions_mut().insert(deadline);
    deadline.bound(call(request)).await
}

/// The answer for a call whose deadline has passed, on whichever side it was noticed first: code 4 "the deadline
/// expired before the operation could complete" (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).
pub(super) fn exceeded() -> Response<Body> {
    status::answer(Code::DeadlineExceeded, "pullgate: the caller's deadline has passed")
}

/// Lowers the deadline in `headers` by what was `spent`. A deadline that we cannot read crosses as it is.
pub(super) fn reduce(headers: &mut HeaderMap, spent: Duration) {
    let Some(limit) = timeout(headers) else { return };
    if let Ok(value) = HeaderValue::from_str(&format(limit.saturating_sub(spent))) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

fn timeout(headers: &HeaderMap) -> Option<Duration> {
    headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?))
}

pub(super) fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// `limit` in the finest unit that has room for it, rounded up, as grpc-go does (`internal/grpcutil/encode_duration.go`):
/// so the runtime's deadline is never before the caller's.
fn format(limit: Duration) -> String {
    [("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("H", 3_600_000_000_000)]
        .into_iter()
        .map(|(unit, nanoseconds)| (unit, limit.as_nanos().div_ceil(nanoseconds)))
        .find(|(_, count)| *count < 100_000_000)
        .map_or_else(|| "99999999H".to_owned(), |(unit, count)| format!("{count}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_taken_off() {
        for (given, spent, expected) in [
            ("5S", Duration::from_millis(1500), "3500000u"),
            ("2H", Duration::from_secs(3600), "3600000m"),
            ("100m", Duration::from_secs(1), "0u"),
            ("99999999S", Duration::from_secs(1), "99999998S"),
            ("99999999H", Duration::ZERO, "99999999H"),
            // Rounded up, so that the runtime does not end first.
            ("1S", Duration::from_nanos(1), "1000000u"),
            ("200S", Duration::from_micros(1), "200000m"),
            ("99999999H", Duration::from_secs(1), "99999999H"),
            // Not deadlines: left to the runtime to make something of.
            ("soon", Duration::from_secs(1), "soon"),
            ("123456789S", Duration::from_secs(1), "123456789S"),
            ("S", Duration::from_secs(1), "S"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, given.parse().unwrap());
            reduce(&mut headers, spent);
            assert_eq!(headers[GRPC_TIMEOUT], expected, "{given} less {spent:?}");
        }
    }

    #[test]
    fn no_deadline_stays_none() {
        let mut headers = HeaderMap::new();
        reduce(&mut headers, Duration::from_secs(1));
        assert!(headers.is_empty());
        assert!(Deadline::of(&headers).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_deadline_has_passed_is_not_begun() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, "1S".parse().unwrap());
        let deadline = Deadline::of(&headers).unwrap();
        assert!(!deadline.has_passed());
        assert_eq!(deadline.bound(async { 1 }).await.unwrap(), 1);
        let late = deadline.bound(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(late.headers()["grpc-status"], "4");
        let begun = deadline.bound(async { panic!("it was begun") }).await;
        assert!(begun.map(|()| 1).is_err());
    }
}
