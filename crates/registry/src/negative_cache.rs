//! A cache of "not found" answers for a few seconds: many pods with an unsigned image must not flood its registry, and a
//! signature must be seen soon after it is made.

use std::time::Duration;

use pullgate_net::single_flight::Key;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Entries in memory.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct NegativeCache {
    life: Duration,
    answers: TtlCache<Key, ()>,
}

impl NegativeCache {
    /// A `life` of zero caches nothing.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, answers: TtlCache::of_entries(REMEMBERED) }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.answers.live(key).is_some()
    }

    pub(super) fn clear(&self) {
        self.answers.clear();
    }

    pub(super) fn insert(&self, key: Key) {
        self.answers.put(key, (), 0, Expiry::after(self.life));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_expire_and_their_number_is_limited() {
        let negative_cache = NegativeCache::new(Duration::from_secs(5));
        negative_cache.insert([1; 32]);
        assert!(negative_cache.contains(&[1; 32]) && !negative_cache.contains(&[2; 32]));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!negative_cache.contains(&[1; 32]));
        negative_cache.insert([1; 32]);
        negative_cache.clear();
        assert!(!negative_cache.contains(&[1; 32]));
        let key = |number: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            key
        };
        (0..10_000).for_each(|number| negative_cache.insert(key(number)));
        assert_eq!((0..10_000).filter(|number| negative_cache.contains(&key(*number))).count(), REMEMBERED);
        let never = NegativeCache::new(Duration::ZERO);
        never.insert([1; 32]);
        assert!(!never.contains(&[1; 32]));
    }
}
