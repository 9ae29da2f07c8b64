//! Runs one request at a time per key: concurrent callers with the same key share its result.
//!
//! The work runs in its own task, so a caller that is cancelled does not affect the others; when the last caller is
//! cancelled, the work is cancelled too. A panic in it is an error for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::memory::Share;

/// Identifies a request, including the credentials that it is made with.
pub type Key = [u8; 32];

/// From this number of entries on, finished ones are removed when another starts.
const SWEEP: usize = 64;

/// The requests that are in progress, by key.
#[derive(Debug)]
pub struct SingleFlight<V>(Mutex<HashMap<Key, Weak<InFlight<V>>>>);

#[derive(Debug)]
struct InFlight<V> {
    result: watch::Receiver<Option<V>>,
    task: AbortHandle,
    /// The memory of the work.
    share: Option<Share>,
}

impl<V: Clone + Send + Sync + 'static> InFlight<V> {
    async fn result(self: Arc<Self>) -> Option<V> {
        let mut result = self.result.clone();
        result.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
    }
}

impl<V> Drop for InFlight<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<V> Default for SingleFlight<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone + Send + Sync + 'static> SingleFlight<V> {
    /// The result of `work`, or of the work in progress for the same key. `None` when the work panicked.
    ///
    /// Starts at once: a future that contained the work until it was polled would be as large as the whole request.
    pub fn join<W>(&self, key: Key, work: W) -> impl Future<Output = Option<V>> + Send + use<V, W>
    where
        W: Future<Output = V> + Send + 'static,
    {
        self.join_or_start(key, None, work).result()
    }

    /// As [`SingleFlight::join`], for work that reads into the memory of `share`: that of a caller that waits for it is one
    /// with it, see [`Share::unite`].
    pub fn join_in<W>(
        &self,
        share: &Share,
        key: Key,
        work: W,
    ) -> impl Future<Output = Option<V>> + Send + use<V, W>
    where
        W: Future<Output = V> + Send + 'static,
    {
        self.join_or_start(key, Some(share), work).result()
    }

    fn join_or_start(
        &self,
        key: Key,
        share: Option<&Share>,
        work: impl Future<Output = V> + Send + 'static,
    ) -> Arc<InFlight<V>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A finished flight must not answer a request that was made after it.
        let in_progress = |flight: &Arc<InFlight<V>>| {
            flight.result.borrow().is_none() && flight.result.has_changed().is_ok()
        };
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade).filter(in_progress) {
            if let (Some(own), Some(work)) = (share, &flight.share) {
                own.unite(work);
            }
            return flight;
        }
        if flights.len() >= SWEEP {
            flights.retain(|_, flight| flight.strong_count() > 0);
        }
        let (sender, result) = watch::channel(None);
        let task = tokio::spawn(async move {
            let value = work.await;
            sender.send_replace(Some(value));
        });
        let flight = Arc::new(InFlight { result, task: task.abort_handle(), share: share.cloned() });
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::memory::{MemoryBudget, MemoryError};

    fn flights() -> Arc<SingleFlight<Result<u8, String>>> {
        Arc::default()
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_with_one_key_share_the_result() {
        for answer in [Ok(7), Err("denied".to_owned())] {
            let (flights, started) = (flights(), Arc::new(AtomicUsize::new(0)));
            let mut waiting = tokio::task::JoinSet::new();
            for number in 0..500_usize {
                let (flights, started, answer) = (Arc::clone(&flights), Arc::clone(&started), answer.clone());
                waiting.spawn(async move {
                    let key = [u8::try_from(number % 2).unwrap(); 32];
                    let work = async move {
                        started.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        answer
                    };
                    flights.join(key, work).await
                });
            }
            assert!(waiting.join_all().await.into_iter().all(|result| result == Some(answer.clone())));
            assert_eq!(started.load(Ordering::Relaxed), 2, "one for each key");
            assert_eq!(
                flights.join([0; 32], async { Ok(9) }).await,
                Some(Ok(9)),
                "a later caller starts new work"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_caller_affects_no_other_and_the_last_one_cancels_the_work() {
        let (flights, finished) = (flights(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (flights, finished) = (Arc::clone(&flights), Arc::clone(&finished));
            tokio::spawn(async move {
                let work = async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    finished.fetch_add(1, Ordering::Relaxed);
                    Ok(1)
                };
                flights.join([1; 32], work).await
            })
        };
        let (leader, follower) = (ask(), ask());
        tokio::time::sleep(Duration::from_secs(1)).await;
        leader.abort();
        assert_eq!(follower.await.unwrap(), Some(Ok(1)));
        assert_eq!(finished.load(Ordering::Relaxed), 1);
        let only = ask();
        tokio::time::sleep(Duration::from_secs(1)).await;
        only.abort();
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(finished.load(Ordering::Relaxed), 1, "the work was cancelled with its last caller");
    }

    /// Two lookups found that two tags are one image, and have all memory for documents. A third has begun to read the
    /// image's signatures, needs memory for them, and the two wait for what it reads.
    #[tokio::test(start_paused = true)]
    async fn a4_work_does_not_wait_for_memory_that_those_hold_who_wait_for_it() {
        const LARGE: usize = 4 << 20;
        const LIMIT: Duration = Duration::from_secs(60);
        let budget = MemoryBudget::new(64 << 20);
        let flights = Arc::new(SingleFlight::<Result<(), MemoryError>>::default());
        let join = |share: &Share| {
            let own = share.clone();
            flights.join_in(share, [1; 32], async move { own.reserve(LARGE, LIMIT).await.map(drop) })
        };
        // Of two repositories, as one has one share only.
        let holders = [budget.share("one"), budget.share("two")];
        let mut held = Vec::new();
        for holder in &holders {
            held.push(holder.reserve(LARGE, LIMIT).await.unwrap());
        }
        let begun = tokio::time::Instant::now();
        let work = join(&budget.share("one"));
        let (one, two) = (join(&holders[0]), join(&holders[1]));
        assert_eq!(tokio::join!(work, one, two), (Some(Ok(())), Some(Ok(())), Some(Ok(()))));
        assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_every_caller() {
        let flights = flights();
        let (one, two) = tokio::join!(
            flights.join([2; 32], async { panic!("in the leader") }),
            flights.join([2; 32], async { Ok(1) })
        );
        assert_eq!((one, two), (None, None));
        assert_eq!(flights.join([2; 32], async { Ok(3) }).await, Some(Ok(3)));
    }

    #[tokio::test]
    async fn finished_flights_are_removed() {
        let flights = flights();
        for number in 0..=255 {
            flights.join([number; 32], async { Ok(1) }).await;
        }
        assert!(flights.0.lock().unwrap().len() <= SWEEP);
    }
}
