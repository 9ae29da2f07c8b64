//! Questions that were answered by "there is none", for a few seconds: an unsigned image that many pods want must not
//! become a storm at its registry, and a signature must be seen soon after it is made.

use std::time::Duration;

use pullgate_net::single_flight::Key;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Answers that are remembered at a time.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct NegativeCache {
    life: Duration,
    answers: TtlCache<Key, ()>,
}

impl NegativeCache {
    /// `life` of zero remembers nothing.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, answers: TtlCache::of_entries(REMEMBERED) }
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        self.answers.live(key).is_some()
    }

    /// Forgets all of them.
    pub(super) fn forget(&self) {
        self.answers.clear();
    }

    pub(super) fn remember(&self, key: Key) {
        self.answers.put(key, (), 0, Expiry::after(self.life));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn holds_for_its_key_and_time_and_is_bounded() {
        let negative_cache = NegativeCache::new(Duration::from_secs(5));
        negative_cache.remember([1; 32]);
        assert!(negative_cache.holds(&[1; 32]) && !negative_cache.holds(&[2; 32]));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!negative_cache.holds(&[1; 32]));
        negative_cache.remember([1; 32]);
        negative_cache.forget();
        assert!(!negative_cache.holds(&[1; 32]));
        let key = |number: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            key
        };
        (0..10_000).for_each(|number| negative_cache.remember(key(number)));
        assert_eq!((0..10_000).filter(|number| negative_cache.holds(&key(*number))).count(), REMEMBERED);
        let never = NegativeCache::new(Duration::ZERO);
        never.remember([1; 32]);
        assert!(!never.holds(&[1; 32]));
    }
}
