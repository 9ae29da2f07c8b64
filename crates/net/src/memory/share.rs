//! The share of the budget that one lookup has, or several that wait for each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::{ALLOWANCE, MemoryBudget, MemoryError, Reserved, Taken, UNIT, size, units};

/// What one lookup may hold. Clones share it.
#[derive(Clone, Debug)]
pub struct Share(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: MemoryBudget,
    repository: String,
    state: Mutex<State>,
    /// Held while the share is taken from the budget.
    first: tokio::sync::Mutex<()>,
    /// Notified when this becomes a part of another share.
    united: Notify,
}

#[derive(Debug)]
struct State {
    /// Bytes left of the allowance.
    allowance: usize,
    large: Large,
}

/// What is taken of the budget.
#[derive(Debug)]
enum Large {
    Nothing,
    /// What is left of the share, and the turn of the repository.
    Share(OwnedSemaphorePermit, #[expect(dead_code, reason = "held until drop")] OwnedSemaphorePermit),
    /// That of another lookup.
    PartOf(Share),
}

impl Share {
    pub(super) fn new(budget: MemoryBudget, repository: &str) -> Self {
        let state = Mutex::new(State { allowance: ALLOWANCE, large: Large::Nothing });
        let (first, united) = Default::default();
        Self(Arc::new(Inner { budget, repository: repository.to_owned(), state, first, united }))
    }

    /// Reserves `bytes`. Waits up to `limit` where they are the first beyond the allowance: nothing may be held then that
    /// others need to end, such as a permit for requests.
    ///
    /// # Errors
    /// When the budget is in use, or this share.
    pub async fn reserve(&self, bytes: usize, limit: Duration) -> Result<Reserved, MemoryError> {
        match self.reserve_now(bytes) {
            Err(MemoryError::NotYet) => {
                self.enlarge(limit).await?;
                self.reserve_now(bytes)
            }
            reserved => reserved,
        }
    }

    /// Reserves `bytes` without waiting.
    ///
    /// # Errors
    /// [`MemoryError::NotYet`] for the first beyond the allowance while the budget is in use; when this share is in use.
    pub fn reserve_now(&self, bytes: usize) -> Result<Reserved, MemoryError> {
        {
            let mut state = self.state();
            if bytes <= state.allowance {
                state.allowance -= bytes;
                return Ok(Reserved { share: Some(self.weak()), taken: Taken::Allowance(bytes) });
            }
        }
        loop {
            let root = self.root();
            let mut state = root.state();
            if matches!(state.large, Large::Nothing)
                && let Some(taken) = root.try_take()
            {
                state.large = taken;
            }
            let left = match &mut state.large {
                Large::Nothing => return Err(MemoryError::NotYet),
                Large::Share(left, _) => left,
                // It has become a part of another one meanwhile.
                Large::PartOf(_) => continue,
            };
            let all = size(self.0.budget.share).saturating_mul(UNIT);
            let permit = left.split(size(units(bytes))).ok_or(MemoryError::Share(all))?;
            return Ok(Reserved { share: Some(root.weak()), taken: Taken::Budget(Some(permit)) });
        }
    }

    /// Takes the whole share, within `limit`, unless it is taken.
    ///
    /// # Errors
    /// When the budget is in use.
    pub async fn enlarge(&self, limit: Duration) -> Result<(), MemoryError> {
        let wait = async {
            loop {
                let root = self.root();
                let united = root.0.united.notified();
                tokio::pin!(united);
                united.as_mut().enable();
                match root.state().large {
                    Large::Nothing => {}
                    Large::Share(..) => return,
                    Large::PartOf(_) => continue,
                }
                tokio::select! {
                    () = root.take() => {}
                    () = united => {}
                }
            }
        };
        tokio::time::timeout(limit, wait).await.map_err(|_| MemoryError::Busy(limit))
    }

    /// Makes one share of this and that of the work that this lookup is about to wait for, unless both are taken: else the
    /// work could wait for memory that this lookup holds, and this lookup for the work. What they read is the same.
    pub fn unite(&self, work: &Self) {
        let _one = self.0.budget.uniting.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, other) = (self.root(), work.root());
        if !Arc::ptr_eq(&own.0, &other.0) && !own.become_part_of(&other) {
            other.become_part_of(&own);
        }
    }

    /// False where it is taken.
    fn become_part_of(&self, other: &Self) -> bool {
        let mut state = self.state();
        let free = matches!(state.large, Large::Nothing);
        if free {
            state.large = Large::PartOf(other.clone());
            self.0.united.notify_waiters();
        }
        free
    }

    /// The share that this is a part of, or this one.
    fn root(&self) -> Self {
        let mut root = self.clone();
        loop {
            let next = match &root.state().large {
                Large::PartOf(other) => other.clone(),
                Large::Nothing | Large::Share(..) => break,
            };
            root = next;
        }
        root
    }

    async fn take(&self) {
        let _first = self.0.first.lock().await;
        let budget = &self.0.budget;
        // The turn first: a repository that waits for it takes nothing from others. Neither semaphore is ever closed.
        let Ok(turn) = budget.turn(&self.0.repository).acquire_owned().await else { return };
        let Ok(permit) = Arc::clone(&budget.lookups).acquire_many_owned(budget.share).await else { return };
        let mut state = self.state();
        // Perhaps it was taken without waiting meanwhile.
        if matches!(state.large, Large::Nothing) {
            state.large = Large::Share(permit, turn);
        }
    }

    fn try_take(&self) -> Option<Large> {
        let budget = &self.0.budget;
        let turn = budget.turn(&self.0.repository).try_acquire_owned().ok()?;
        let permit = Arc::clone(&budget.lookups).try_acquire_many_owned(budget.share).ok()?;
        Some(Large::Share(permit, turn))
    }

    pub(super) fn return_allowance(&self, bytes: usize) {
        self.state().allowance += bytes;
    }

    pub(super) fn give_back(&self, permit: Option<OwnedSemaphorePermit>) {
        if let (Large::Share(left, _), Some(permit)) = (&mut self.state().large, permit) {
            left.merge(permit);
        }
    }

    fn weak(&self) -> WeakShare {
        WeakShare(Arc::downgrade(&self.0))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share that may have ended.
#[derive(Debug)]
pub(super) struct WeakShare(Weak<Inner>);

impl WeakShare {
    pub(super) fn upgrade(&self) -> Option<Share> {
        self.0.upgrade().map(Share)
    }
}
