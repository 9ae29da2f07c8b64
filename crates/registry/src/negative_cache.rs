//! Questions that were answered by "there is none", for a few seconds: an unsigned image that many pods want must not
//! become a storm at its registry, and a signature must be seen soon after it is made.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use pullgate_net::single_flight::Key;

/// Answers that are remembered at a time.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct NegativeCache {
    life: Duration,
    until: Mutex<HashMap<Key, Instant>>,
}

impl NegativeCache {
    /// `life` of zero remembers nothing.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, until: Mutex::default() }
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(key).is_some_and(|until| Instant::now() < *until)
    }

    /// Forgets all of them.
    pub(super) fn forget(&self) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn remember(&self, key: Key) {
        if self.life.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= REMEMBERED {
            until.retain(|_, until| now < *until);
        }
        // Forgetting costs a question, nothing else.
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
    async fn holds_for_its_key_and_time_and_is_bounded() {
        let negative_cache = NegativeCache::new(Duration::from_secs(5));
        negative_cache.remember([1; 32]);
        assert!(negative_cache.holds(&[1; 32]) && !negative_cache.holds(&[2; 32]));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!negative_cache.holds(&[1; 32]));
        negative_cache.remember([1; 32]);
        negative_cache.forget();
        assert!(!negative_cache.holds(&[1; 32]));
        for number in 0..10_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            negative_cache.remember(key);
        }
        assert!(negative_cache.until.lock().unwrap().len() <= REMEMBERED);
        let never = NegativeCache::new(Duration::ZERO);
        never.remember([1; 32]);
        assert!(!never.holds(&[1; 32]));
    }
}
