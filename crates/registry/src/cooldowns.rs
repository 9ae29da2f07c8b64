//! Hosts that asked for a pause, by Retry-After with 429 or 503, and until when.

use std::time::Duration;

use tokio::time::Instant;

use super::error::RegistryError;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Hosts in memory.
const REMEMBERED: usize = 256;

#[derive(Clone, Debug)]
struct Cooldown {
    until: Instant,
    status: u16,
    reason: String,
}

#[derive(Debug)]
pub(super) struct Cooldowns {
    /// The longest cooldown, whatever a host asks for.
    longest: Duration,
    hosts: TtlCache<String, Cooldown>,
}

impl Cooldowns {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, hosts: TtlCache::of_entries(REMEMBERED) }
    }

    /// Records that `host` answered `status` and asked for a pause of `wait`.
    pub(super) fn note(&self, host: &str, wait: Duration, status: u16, reason: &str) {
        let expiry = Expiry::after(wait.min(self.longest));
        let until = expiry.monotonic;
        // The longest of concurrent answers counts.
        if self.hosts.live(host).is_none_or(|known| known.until < until) {
            let cooldown = Cooldown { until, status, reason: reason.to_owned() };
            self.hosts.put(host.to_owned(), cooldown, 0, expiry);
        }
    }

    /// Until when `host` cools down, and its last answer as an error about `what`: a request fails with the same text
    /// whether it is sent or not.
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
    async fn a_cooldown_is_as_long_as_requested_up_to_the_limit() {
        let cooldowns = Cooldowns::new(Duration::from_secs(60));
        for (requested, cooldown) in [(0, 0), (7, 7), (60, 60), (86_400, 60)] {
            cooldowns.note("busy", Duration::from_secs(requested), 429, "TOOMANYREQUESTS");
            let until = Instant::now() + Duration::from_secs(cooldown);
            let found = cooldowns.active("busy", "manifest of a:1");
            assert_eq!(
                found.as_ref().map(|(until, _)| *until),
                (cooldown > 0).then_some(until),
                "{requested}"
            );
            if let Some((_, error)) = found {
                let line = "registry busy answered 429 to the request for manifest of a:1 (TOOMANYREQUESTS)";
                assert_eq!(error.to_string(), line);
                assert!(error.is_transient());
            }
            assert!(cooldowns.active("other", "x").is_none());
            tokio::time::advance(Duration::from_secs(cooldown)).await;
            assert!(cooldowns.active("busy", "x").is_none(), "{requested}");
        }
        cooldowns.note("busy", Duration::from_secs(9), 503, "");
        cooldowns.note("busy", Duration::from_secs(3), 503, "");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(cooldowns.active("busy", "x").is_some(), "the longer time counts");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_hosts_is_limited() {
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
