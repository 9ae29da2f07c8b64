//! Whose turn it is to record a tag.
//!
//! Two pulls of one tag can resolve to different digests when the tag moves between them. Their records must not cross:
//! the one that asked the registry first must not put its older answer over the newer one, and each must see its own
//! record confirmed before the next is written.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The turns of all tags that are being recorded.
#[derive(Debug, Default)]
pub(super) struct TagLocks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// The numbers of the pulls under way.
    under_way: BTreeSet<u64>,
    turns: HashMap<String, Arc<tokio::sync::Mutex<Newest>>>,
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

/// A turn for one tag; it ends with the value.
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
    /// Waits for this pull's turn to record `tag` as a name of `image`; `None` when a pull that began later has recorded
    /// another one.
    pub(super) async fn turn(&self, tag: &str, image: &str) -> Option<TagGuard> {
        let turn = {
            let mut state = self.tags.0.lock().unwrap_or_else(PoisonError::into_inner);
            let State { under_way, turns, .. } = &mut *state;
            let oldest = under_way.first().copied().unwrap_or(self.number);
            // A record matters as long as a pull is under way that began before the one that wrote it.
            turns.retain(|_, turn| {
                Arc::strong_count(turn) > 1 || turn.try_lock().map_or(true, |newest| newest.number > oldest)
            });
            Arc::clone(turns.entry(tag.to_owned()).or_default())
        };
        let newest = turn.lock_owned().await;
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
        let mut turn = newer.turn("a:1", "new").await.unwrap();
        let mut waiting = pin!(older.turn("a:1", "old"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "one records at a time");
        assert!(older.turn("b:1", "old").await.is_some(), "another tag is another turn");
        turn.recorded("new");
        drop(turn);
        assert!(waiting.await.is_none());
        assert!(older.turn("a:1", "new").await.is_some(), "the same image is no conflict");
        assert!(tags.begin().turn("a:1", "newest").await.is_some());
    }

    #[tokio::test]
    async fn a_record_is_remembered_while_an_older_pull_is_under_way_and_no_longer() {
        let tags = TagLocks::default();
        let older = tags.begin();
        for number in 0..10 {
            let newer = tags.begin();
            newer.turn(&format!("{number}:1"), "new").await.unwrap().recorded("new");
        }
        assert!(older.turn("3:1", "old").await.is_none());
        drop(older);
        tags.begin().turn("x:1", "x").await.unwrap();
        assert_eq!(tags.0.lock().unwrap().turns.len(), 1);
    }

    #[tokio::test]
    async fn a_turn_that_recorded_nothing_hinders_nobody() {
        let tags = TagLocks::default();
        let (older, newer) = (tags.begin(), tags.begin());
        drop(newer.turn("a:1", "new").await.unwrap());
        assert!(older.turn("a:1", "old").await.is_some());
    }
}
