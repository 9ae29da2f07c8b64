//! Hosts that asked to be left alone, and until when: by Retry-After with 429 or 503.

use std::time::Duration;

use tokio::time::Instant;

use super::error::RegistryError;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Hosts that are remembered at a time.
const REMEMBERED: usize = 256;

/// What is remembered of one host.
#[derive(Clone, Debug)]
struct Cooldown {
    until: Instant,
    status: u16,
    reason: String,
}

#[derive(Debug)]
pub(super) struct Cooldowns {
    /// The longest that a host is left alone, whatever it asks for.
    longest: Duration,
    hosts: TtlCache<String, Cooldown>,
}

impl Cooldowns {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, hosts: TtlCache::of_entries(REMEMBERED) }
    }

    /// Remembers that `host` answered `status`, and is not to be asked for `wait`.
    pub(super) fn note(&self, host: &str, wait: Duration, status: u16, reason: &str) {
        let expiry = Expiry::after(wait.min(self.longest));
        let until = expiry.monotonic;
        // Of answers that cross each other the one that asks for more time counts.
        if self.hosts.live(host).is_none_or(|known| known.until < until) {
            let rest = Cooldown { until, status, reason: reason.to_owned() };
            self.hosts.put(host.to_owned(), rest, 0, expiry);
        }
    }

    /// Until when `host` is left alone, and the answer it gave last, put as the one to the question `what`: the same
    /// question has the same answer whether it is asked or not.
    pub(super) fn active(&self, host: &str, what: &str) -> Option<(Instant, RegistryError)> {
        let Cooldown { until, status, reason } = self.hosts.live(host)?;
        let (host, what) = (host.to_owned(), what.to_owned());
        Some((until, RegistryError::Status { host, what, status, reason }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_rests_as_long_as_it_asked_and_no_longer_than_the_bound() {
        let cooldowns = Cooldowns::new(Duration::from_secs(60));
        for (asked, rests) in [(0, 0), (7, 7), (60, 60), (86_400, 60)] {
            cooldowns.note("busy", Duration::from_secs(asked), 429, "TOOMANYREQUESTS");
            let until = Instant::now() + Duration::from_secs(rests);
            let found = cooldowns.active("busy", "manifest of a:1");
            assert_eq!(found.as_ref().map(|(until, _)| *until), (rests > 0).then_some(until), "{asked}");
            if let Some((_, error)) = found {
                let line = "registry busy answered 429 to the manifest of a:1 (TOOMANYREQUESTS)";
                assert_eq!(error.to_string(), line);
                assert!(error.is_passing());
            }
            assert!(cooldowns.active("other", "x").is_none());
            tokio::time::advance(Duration::from_secs(rests)).await;
            assert!(cooldowns.active("busy", "x").is_none(), "{asked}");
        }
        cooldowns.note("busy", Duration::from_secs(9), 503, "");
        cooldowns.note("busy", Duration::from_secs(3), 503, "");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(cooldowns.active("busy", "x").is_some(), "the longer time counts");
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_are_remembered_within_a_bound() {
        let cooldowns = Cooldowns::new(Duration::from_secs(60));
        for number in 0..10_000 {
            cooldowns.note(&number.to_string(), Duration::from_secs(60), 429, "");
        }
        let resting = (0..10_000).filter(|number| cooldowns.active(&number.to_string(), "x").is_some());
        assert_eq!(resting.count(), REMEMBERED);
        tokio::time::advance(Duration::from_secs(61)).await;
        cooldowns.note("new", Duration::from_secs(60), 429, "");
        assert!(cooldowns.active("new", "x").is_some());
    }
}
