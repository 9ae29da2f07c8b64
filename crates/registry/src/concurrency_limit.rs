//! A limit on concurrent work, per name and in total, so that one slow host does not delay the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::RegistryError;

/// Names in memory that have no permit in use.
const REMEMBERED: usize = 256;

#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    each: usize,
    patience: Duration,
    all: Arc<Semaphore>,
    /// No `TtlCache`, which forgets any one when it is full: to forget a semaphore in use would give its permits out twice.
    by_name: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Permission to work, until it is dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held until drop")] [Option<OwnedSemaphorePermit>; 2]);

impl ConcurrencyLimit {
    /// At most `all` permits at a time, and `each` of them for one name. A caller that waits longer than `patience` gets an
    /// error.
    pub(super) fn new(each: usize, all: usize, patience: Duration) -> Self {
        let all = Arc::new(Semaphore::new(all.clamp(1, Semaphore::MAX_PERMITS)));
        Self { each: each.clamp(1, Semaphore::MAX_PERMITS), patience, all, by_name: Mutex::default() }
    }

    /// Waits for a permit. The name's own limit comes first: a caller that waits for it takes nothing from other names.
    ///
    /// # Errors
    /// When there is no permit in time.
    pub(super) async fn take(&self, name: &str) -> Result<Permit, RegistryError> {
        let own = {
            let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
            if by_name.len() >= REMEMBERED && !by_name.contains_key(name) {
                by_name.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            }
            let new = || Arc::new(Semaphore::new(self.each));
            Arc::clone(by_name.entry(name.to_owned()).or_insert_with(new))
        };
        // Neither semaphore is ever closed.
        let both = async {
            let own = own.acquire_owned().await.ok();
            Permit([own, Arc::clone(&self.all).acquire_owned().await.ok()])
        };
        let permit = tokio::time::timeout(self.patience, both).await;
        permit.map_err(|_| RegistryError::QueueTimeout { host: name.to_owned(), limit: self.patience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_host_leaves_permits_to_others() {
        let concurrency_limit = ConcurrencyLimit::new(2, 3, Duration::from_secs(60));
        let short = Duration::from_millis(1);
        let slow =
            [concurrency_limit.take("slow").await.unwrap(), concurrency_limit.take("slow").await.unwrap()];
        assert!(
            tokio::time::timeout(short, concurrency_limit.take("slow")).await.is_err(),
            "its share is used up"
        );
        let other = tokio::time::timeout(short, concurrency_limit.take("other")).await.unwrap();
        assert!(
            tokio::time::timeout(short, concurrency_limit.take("third")).await.is_err(),
            "all are used up"
        );
        let begin = tokio::time::Instant::now();
        assert!(matches!(concurrency_limit.take("slow").await, Err(RegistryError::QueueTimeout { .. })));
        assert_eq!(begin.elapsed().as_secs(), 60);
        drop(slow);
        assert!(tokio::time::timeout(short, concurrency_limit.take("third")).await.is_ok());
        drop(other);
    }

    #[tokio::test]
    async fn names_without_permits_are_removed() {
        let concurrency_limit = ConcurrencyLimit::new(1, 1000, Duration::from_secs(60));
        let held = concurrency_limit.take("held").await.unwrap();
        for number in 0..10_000 {
            concurrency_limit.take(&number.to_string()).await.unwrap();
        }
        let by_name = concurrency_limit.by_name.lock().unwrap();
        assert!(by_name.len() <= REMEMBERED && by_name.contains_key("held"), "{}", by_name.len());
        drop(held);
    }
}
