//! A cache of "not found" answers for a few seconds: many pods with an unsigned image must not flood its registry, and a
//! signature must be seen soon after it is made.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use pullgate_net::single_flight::Key;

/// Entries in memory.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct NegativeCache {
    life: Duration,
    until: Mutex<HashMap<Key, Instant>>,
}

impl NegativeCache {
    /// A `life` of zero caches nothing.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, until: Mutex::default() }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(key).is_some_and(|until| Instant::now() < *until)
    }

    pub(super) fn clear(&self) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn insert(&self, key: Key) {
        if self.life.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= REMEMBERED {
            until.retain(|_, until| now < *until);
        }
        // Clearing costs a request, nothing else.
        if until.len() >= REMEMBERED {
            until.clear();
        }
        until.insert(key, now + self.life);
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
        for number in 0..10_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            negative_cache.insert(key);
        }
        assert!(negative_cache.until.lock().unwrap().len() <= REMEMBERED);
        let never = NegativeCache::new(Duration::ZERO);
        never.insert([1; 32]);
        assert!(!never.contains(&[1; 32]));
    }
}
