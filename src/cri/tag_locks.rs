//! One lock per tag that is being recorded.
//!
//! Two pulls of one tag can resolve to different digests when the tag moves between them. Their records must not cross:
//! the one that asked the registry first must not put its older answer over the newer one, and each must see its own
//! record confirmed before the next is written.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The locks of all tags that are being recorded.
#[derive(Debug, Default)]
pub(super) struct TagLocks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// The numbers of the pulls under way.
    under_way: BTreeSet<u64>,
    locks: HashMap<String, Arc<tokio::sync::Mutex<Newest>>>,
}

/// A pull under way, with its place among all pulls by when it began.
#[derive(Debug)]
pub(super) struct PullOrder<'a> {
    tags: &'a TagLocks,
    number: u64,
}

/// The record of a tag that was written last: by which pull, and of which image.
#[derive(Debug, Default)]
struct Newest {
    number: u64,
    image: String,
}

/// Holds the lock of one tag.
#[derive(Debug)]
pub(super) struct TagGuard {
    newest: OwnedMutexGuard<Newest>,
    number: u64,
}

impl TagLocks {
    /// A pull that begins now, before it asks what the tag means.
    pub(super) fn begin(&self) -> PullOrder<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.begun += 1;
        let number = state.begun;
        state.under_way.insert(number);
        PullOrder { tags: self, number }
    }
}

impl PullOrder<'_> {
    /// Waits for the lock of `tag`, to record it as a name of `image`; `None` when a pull that began later has recorded
    /// another image.
    pub(super) async fn lock(&self, tag: &str, image: &str) -> Option<TagGuard> {
        let lock = {
            let mut state = self.tags.0.lock().unwrap_or_else(PoisonError::into_inner);
            let State { under_way, locks, .. } = &mut *state;
            let oldest = under_way.first().copied().unwrap_or(self.number);
            // A record matters as long as a pull is under way that began before the one that wrote it.
            locks.retain(|_, lock| {
                Arc::strong_count(lock) > 1 || lock.try_lock().map_or(true, |newest| newest.number > oldest)
            });
            Arc::clone(locks.entry(tag.to_owned()).or_default())
        };
        let newest = lock.lock_owned().await;
        (newest.number <= self.number || newest.image == image)
            .then_some(TagGuard { newest, number: self.number })
    }
}

impl Drop for PullOrder<'_> {
    fn drop(&mut self) {
        let mut state = self.tags.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way.remove(&self.number);
    }
}

impl TagGuard {
    /// Says that the tag is now a name of `image`.
    pub(super) fn recorded(&mut self, image: &str) {
        if self.newest.number < self.number {
            *self.newest = Newest { number: self.number, image: image.to_owned() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn an_older_pull_does_not_record_over_a_newer_one() {
        let tags = TagLocks::default();
        let (older, newer) = (tags.begin(), tags.begin());
        let mut lock = newer.lock("a:1", "new").await.unwrap();
        let mut waiting = pin!(older.lock("a:1", "old"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "one records at a time");
        assert!(older.lock("b:1", "old").await.is_some(), "another tag is another lock");
        lock.recorded("new");
        drop(lock);
        assert!(waiting.await.is_none());
        assert!(older.lock("a:1", "new").await.is_some(), "the same image is no conflict");
        assert!(tags.begin().lock("a:1", "newest").await.is_some());
    }

    #[tokio::test]
    async fn a_record_is_remembered_while_an_older_pull_is_under_way_and_no_longer() {
        let tags = TagLocks::default();
        let older = tags.begin();
        for number in 0..10 {
            let newer = tags.begin();
            newer.lock(&format!("{number}:1"), "new").await.unwrap().recorded("new");
        }
        assert!(older.lock("3:1", "old").await.is_none());
        drop(older);
        tags.begin().lock("x:1", "x").await.unwrap();
        assert_eq!(tags.0.lock().unwrap().locks.len(), 1);
    }

    #[tokio::test]
    async fn a_turn_that_recorded_nothing_hinders_nobody() {
        let tags = TagLocks::default();
        let (older, newer) = (tags.begin(), tags.begin());
        drop(newer.lock("a:1", "new").await.unwrap());
        assert!(older.lock("a:1", "old").await.is_some());
    }
}
