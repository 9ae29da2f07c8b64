//! One budget of bytes for what this process holds of documents and requests from outside.
//!
//! Bytes are reserved before they are read, and the reservation is released with them: [`Reserved::hold`] makes [`Bytes`]
//! that own it, however often they are cloned or sliced.
//!
//! No reservation waits for one of its own kind, so none of them can block each other. A lookup has an allowance
//! that is enough for ordinary documents and never waits. The first time that it needs more, it takes its whole share of
//! the budget at once; until then it holds nothing that others wait for, and after that it waits for nothing. A request of
//! a caller is reserved whole, before anything else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that each lookup may hold beside the budget: manifests and signatures have some kilobytes.
pub const ALLOWANCE: usize = 128 << 10;

/// Reservations are counted in units of so many bytes.
const UNIT: usize = 1024;

/// Why bytes are not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    #[error(
        "the memory for documents is in use, and none became free within {0:?}; see `memory` in [limits]"
    )]
    Busy(Duration),
    /// It is beyond the allowance, and the share is not taken yet: see [`Share::enlarge`].
    #[error("no memory is reserved for a document of this size yet")]
    NotYet,
    #[error("the documents of one image need more than {0} bytes of memory; raise `memory` in [limits]")]
    Share(usize),
}

/// The budget of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    /// Three quarters: what lookups and questions read.
    documents: Arc<Semaphore>,
    /// A quarter: requests that are held in memory.
    requests: Arc<Semaphore>,
    /// The share of one lookup, in units.
    share: u32,
    /// All that requests may have, in units.
    most: u32,
}

impl MemoryBudget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let quarter = units(bytes / 4);
        Self {
            documents: Arc::new(Semaphore::new(size(quarter.saturating_mul(3)))),
            requests: Arc::new(Semaphore::new(size(quarter))),
            share: quarter.saturating_mul(3) / 2,
            most: quarter,
        }
    }

    /// The share of one lookup, in bytes; nothing is reserved yet.
    #[must_use]
    pub fn share(&self) -> Share {
        let state = Mutex::new(State { allowance: ALLOWANCE, large: None });
        Share(Arc::new(Inner { budget: self.clone(), state, first: tokio::sync::Mutex::new(()) }))
    }

    /// Reserves `bytes` for one document that is read while nothing else is held, within `limit`. More than a share is
    /// reserved as a share.
    ///
    /// # Errors
    /// When they are not free in time.
    pub async fn document(&self, bytes: usize, limit: Duration) -> Result<Reserved, MemoryError> {
        take(&self.documents, units(bytes).min(self.share), limit).await
    }

    /// Reserves `bytes` for a request that is held in memory, within `limit`. More than all is reserved as all.
    ///
    /// # Errors
    /// When they are not free in time.
    pub async fn request(&self, bytes: usize, limit: Duration) -> Result<Reserved, MemoryError> {
        take(&self.requests, units(bytes).min(self.most), limit).await
    }
}

async fn take(from: &Arc<Semaphore>, units: u32, limit: Duration) -> Result<Reserved, MemoryError> {
    let permit = tokio::time::timeout(limit, Arc::clone(from).acquire_many_owned(units)).await;
    let permit = permit.ok().and_then(Result::ok).ok_or(MemoryError::Busy(limit))?;
    Ok(Reserved { share: Weak::new(), taken: Taken::Large(Some(permit)) })
}

/// What one lookup may hold. Clones share it.
#[derive(Clone, Debug)]
pub struct Share(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: MemoryBudget,
    state: Mutex<State>,
    /// Held while the share is taken from the budget.
    first: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// Bytes left of the allowance.
    allowance: usize,
    /// What is left of the share; `None` until it is taken.
    large: Option<OwnedSemaphorePermit>,
}

impl Share {
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
        let mut state = self.state();
        let share = Arc::downgrade(&self.0);
        if bytes <= state.allowance {
            state.allowance -= bytes;
            return Ok(Reserved { share, taken: Taken::Allowance(bytes) });
        }
        if state.large.is_none() {
            let budget = &self.0.budget;
            state.large = Arc::clone(&budget.documents).try_acquire_many_owned(budget.share).ok();
        }
        let large = state.large.as_mut().ok_or(MemoryError::NotYet)?;
        let all = size(self.0.budget.share).saturating_mul(UNIT);
        let permit = large.split(size(units(bytes))).ok_or(MemoryError::Share(all))?;
        Ok(Reserved { share, taken: Taken::Large(Some(permit)) })
    }

    /// Takes the whole share, within `limit`, unless it is taken.
    ///
    /// # Errors
    /// When the budget is in use.
    pub async fn enlarge(&self, limit: Duration) -> Result<(), MemoryError> {
        let wait = async {
            let _first = self.0.first.lock().await;
            if !self.is_large() {
                let budget = &self.0.budget;
                let permit = Arc::clone(&budget.documents).acquire_many_owned(budget.share).await;
                // Perhaps it was taken without waiting meanwhile.
                let mut state = self.state();
                state.large = state.large.take().or(permit.ok());
            }
        };
        tokio::time::timeout(limit, wait).await.map_err(|_| MemoryError::Busy(limit))
    }

    /// Takes part in the share of `other`, whose documents this lookup holds too, unless it has taken its own.
    pub fn join(&mut self, other: &Self) {
        if !self.is_large() && other.is_large() {
            *self = other.clone();
        }
    }

    fn is_large(&self) -> bool {
        self.state().large.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are reserved until this is dropped.
#[derive(Debug)]
#[must_use = "the bytes are released with it"]
pub struct Reserved {
    share: Weak<Inner>,
    taken: Taken,
}

#[derive(Debug)]
enum Taken {
    Allowance(usize),
    Large(Option<OwnedSemaphorePermit>),
}

impl Reserved {
    /// `bytes`, with which this is released.
    #[must_use]
    pub fn hold(self, bytes: Vec<u8>) -> Bytes {
        hold(bytes, vec![self])
    }
}

/// `bytes`, with which all of `reserved` is released.
#[must_use]
pub fn hold(bytes: Vec<u8>, reserved: Vec<Reserved>) -> Bytes {
    Bytes::from_owner(Held { bytes, _reserved: reserved })
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let share = self.share.upgrade().map(Share);
        match (&mut self.taken, share) {
            (Taken::Allowance(bytes), Some(share)) => share.state().allowance += *bytes,
            (Taken::Large(permit), Some(share)) => {
                // Back to the share: the lookup may need it again.
                if let (Some(left), Some(permit)) = (&mut share.state().large, permit.take()) {
                    left.merge(permit);
                }
            }
            // The lookup has ended: what it did not use went back to the budget then, and this does now.
            (Taken::Allowance(_) | Taken::Large(_), None) => {}
        }
    }
}

struct Held {
    bytes: Vec<u8>,
    _reserved: Vec<Reserved>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX / 8)
}

fn size(units: u32) -> usize {
    usize::try_from(units).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const LIMIT: Duration = Duration::from_secs(5);

    fn free(budget: &MemoryBudget) -> (usize, usize) {
        let mib = |semaphore: &Semaphore| semaphore.available_permits() * UNIT / MIB;
        (mib(&budget.documents), mib(&budget.requests))
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_reservation_is_released_with_its_last_byte() {
        let budget = MemoryBudget::new(64 * MIB);
        let share = budget.share();
        let small = share.reserve(ALLOWANCE, LIMIT).await.unwrap();
        assert_eq!(free(&budget), (48, 16), "the allowance is beside the budget");
        let large = share.reserve(4 * MIB, LIMIT).await.unwrap().hold(vec![1; 4 * MIB]);
        assert_eq!(free(&budget), (24, 16), "a share is taken whole");
        let part = large.slice(10..20);
        drop((share, small, large));
        assert_eq!(free(&budget), (44, 16), "the lookup has ended, and some of its bytes are held");
        assert_eq!(&part[..], [1; 10]);
        drop(part);
        assert_eq!(free(&budget), (48, 16));
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_lookup_that_needs_several_documents_never_waits_while_it_holds_one() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut lookups = tokio::task::JoinSet::new();
        for _ in 0..110 {
            let share = budget.share();
            lookups.spawn(async move {
                let mut held = Vec::new();
                for _ in 0..5 {
                    held.push(share.reserve(4 * MIB, Duration::from_secs(3600)).await?);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Ok::<_, MemoryError>(held.len())
            });
        }
        let ended = lookups.join_all().await;
        assert!(ended.iter().all(|held| *held == Ok(5)), "{ended:?}");
        assert_eq!(free(&budget), (48, 16));
    }

    #[tokio::test(start_paused = true)]
    async fn a4_what_is_not_free_in_time_is_an_error_with_its_reason() {
        let budget = MemoryBudget::new(64 * MIB);
        let (one, two, three) = (budget.share(), budget.share(), budget.share());
        let held = one.reserve(4 * MIB, LIMIT).await.unwrap();
        let _more = two.reserve(4 * MIB, LIMIT).await.unwrap();
        let refused = three.reserve(4 * MIB, LIMIT).await.map(drop);
        assert_eq!(refused, Err(MemoryError::Busy(LIMIT)), "two shares are all");
        assert!(three.reserve(ALLOWANCE, LIMIT).await.is_ok(), "an ordinary image does not wait for them");
        assert_eq!(one.reserve(21 * MIB, LIMIT).await.map(drop), Err(MemoryError::Share(24 * MIB)));
        drop(held);
        assert!(one.reserve(24 * MIB, LIMIT).await.is_ok(), "what is released can be reserved again");
        let all = budget.request(100 * MIB, LIMIT).await.unwrap();
        assert_eq!(budget.request(1, LIMIT).await.map(drop), Err(MemoryError::Busy(LIMIT)));
        drop(all);
        assert!(budget.request(1, LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_waiter_of_shared_work_takes_part_in_its_share() {
        let budget = MemoryBudget::new(64 * MIB);
        let (first, mut joined) = (budget.share(), budget.share());
        let document = first.reserve(4 * MIB, LIMIT).await.unwrap();
        joined.join(&first);
        drop(first);
        assert!(joined.reserve(20 * MIB, LIMIT).await.is_ok());
        assert_eq!(free(&budget), (24, 16), "counted once");
        drop((joined, document));
        assert_eq!(free(&budget), (48, 16));
    }
}
