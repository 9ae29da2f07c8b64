//! One budget of bytes for what this process holds of documents and requests from outside.
//!
//! Bytes are reserved before they are read, and the reservation is released with them: [`Reserved::hold`] makes [`Bytes`]
//! that own it, however often they are cloned or sliced.
//!
//! No reservation waits for one of its own kind, so none of them can block each other. A lookup has an allowance
//! that is enough for ordinary documents and never waits. The first time that it needs more, it takes its whole share of
//! the budget at once; until then it holds nothing that others wait for, and after that it waits for nothing. Lookups that
//! wait for shared work have one share with it ([`Share::unite`]), and one repository has one share at a time. A question
//! about a present image reserves all that it needs at once, and so does a request of a caller; lookups take no part of these.

mod share;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use share::Share;

/// Bytes that each lookup may hold beside the budget: manifests and signatures have some kilobytes.
pub const ALLOWANCE: usize = 128 << 10;

/// Reservations are counted in units of so many bytes.
const UNIT: usize = 1024;

/// From this number of names on, those without a lookup are removed when another is added.
const SWEEP: usize = 256;

/// Why bytes are not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    #[error(
        "all the memory for image documents and requests is in use, and none became free within {0:?}; see `memory` in [limits]"
    )]
    Busy(Duration),
    /// It is beyond the allowance, and the share is not taken yet: see [`Share::enlarge`].
    #[error("the document is larger than the memory that is reserved for it")]
    NotYet,
    #[error("the documents of one image need more than {0} bytes of memory; raise `memory` in [limits]")]
    Share(usize),
}

/// The budget of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    /// Three quarters: what lookups read.
    lookups: Arc<Semaphore>,
    /// An eighth: what questions about present images read.
    present: Part,
    /// A sixteenth: requests for pulls, which are held until the image is decided.
    pulls: Part,
    /// A sixteenth: other requests that are held in memory.
    calls: Part,
    /// Turns to take a share, by repository.
    turns: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
    /// Held while two shares become one.
    uniting: Arc<Mutex<()>>,
    /// The share of one lookup, in units.
    share: u32,
}

/// A part of the budget that nothing else takes.
#[derive(Clone, Debug)]
pub struct Part {
    free: Arc<Semaphore>,
    /// All of it, in units.
    all: u32,
}

impl MemoryBudget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let eighth = units(bytes / 8);
        Self {
            lookups: Arc::new(Semaphore::new(size(eighth.saturating_mul(6)))),
            present: Part::new(eighth),
            pulls: Part::new(eighth / 2),
            calls: Part::new(eighth / 2),
            turns: Arc::default(),
            uniting: Arc::default(),
            share: eighth.saturating_mul(3),
        }
    }

    /// The share of a lookup in `repository`; nothing is reserved yet.
    #[must_use]
    pub fn share(&self, repository: &str) -> Share {
        Share::new(self.clone(), repository)
    }

    /// Reserves `bytes` for a question about a present image, which holds nothing else, within `limit`. More than all is
    /// reserved as all; up to [`ALLOWANCE`], which is enough for most images, nothing is.
    ///
    /// # Errors
    /// When they are not free in time.
    pub async fn present(&self, bytes: usize, limit: Duration) -> Result<Reserved, MemoryError> {
        if bytes <= ALLOWANCE {
            return Ok(Reserved { share: None, taken: Taken::Budget(None) });
        }
        self.present.reserve(bytes, limit).await
    }

    /// The part for requests for pulls. A pull may wait for a registry for minutes, so it has none of the others'.
    #[must_use]
    pub fn pulls(&self) -> &Part {
        &self.pulls
    }

    /// The part for other requests.
    #[must_use]
    pub fn calls(&self) -> &Part {
        &self.calls
    }

    /// The turn of a repository: one of its lookups has a share at a time.
    fn turn(&self, repository: &str) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(repository).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= SWEEP {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(repository.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

impl Part {
    fn new(all: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(size(all))), all }
    }

    /// Reserves `bytes` within `limit`. More than all is reserved as all.
    ///
    /// # Errors
    /// When they are not free in time.
    pub async fn reserve(&self, bytes: usize, limit: Duration) -> Result<Reserved, MemoryError> {
        let units = units(bytes).min(self.all);
        let permit = tokio::time::timeout(limit, Arc::clone(&self.free).acquire_many_owned(units)).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(MemoryError::Busy(limit))?;
        Ok(Reserved { share: None, taken: Taken::Budget(Some(permit)) })
    }
}

/// Bytes that are reserved until this is dropped.
#[derive(Debug)]
#[must_use = "the bytes are released with it"]
pub struct Reserved {
    /// The share that it is a part of.
    share: Option<share::WeakShare>,
    taken: Taken,
}

#[derive(Debug)]
enum Taken {
    Allowance(usize),
    Budget(Option<OwnedSemaphorePermit>),
}

impl Reserved {
    /// `bytes`, with which this is released.
    #[must_use]
    pub fn hold(self, bytes: impl Into<Bytes>) -> Bytes {
        hold(bytes, vec![self])
    }
}

/// `bytes`, with which all of `reserved` is released.
#[must_use]
pub fn hold(bytes: impl Into<Bytes>, reserved: Vec<Reserved>) -> Bytes {
    Bytes::from_owner(Held { bytes: bytes.into(), _reserved: reserved })
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // Where the lookup has ended, what it did not use went back to the budget then, and this does now.
        let Some(share) = self.share.take().and_then(|share| share.upgrade()) else { return };
        match &mut self.taken {
            Taken::Allowance(bytes) => share.return_allowance(*bytes),
            // Back to the share: the lookup may need it again.
            Taken::Budget(permit) => share.give_back(permit.take()),
        }
    }
}

struct Held {
    bytes: Bytes,
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
        (mib(&budget.lookups), mib(&budget.present.free))
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_reservation_is_released_with_its_last_byte() {
        let budget = MemoryBudget::new(64 * MIB);
        let share = budget.share("app");
        let small = share.reserve(ALLOWANCE, LIMIT).await.unwrap();
        assert_eq!(free(&budget), (48, 8), "the allowance is beside the budget");
        let large = share.reserve(4 * MIB, LIMIT).await.unwrap().hold(vec![1; 4 * MIB]);
        assert_eq!(free(&budget), (24, 8), "a share is taken whole");
        let part = large.slice(10..20);
        drop((share, small, large));
        assert_eq!(free(&budget), (44, 8), "the lookup has ended, and some of its bytes are held");
        assert_eq!(&part[..], [1; 10]);
        drop(part);
        assert_eq!(free(&budget), (48, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_lookup_that_needs_several_documents_never_waits_while_it_holds_one() {
        let budget = MemoryBudget::new(64 * MIB);
        let mut lookups = tokio::task::JoinSet::new();
        for number in 0..110 {
            let share = budget.share(&number.to_string());
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
        assert_eq!(free(&budget), (48, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a4_what_is_not_free_in_time_is_an_error_with_its_reason() {
        let budget = MemoryBudget::new(64 * MIB);
        let (one, two, three) = (budget.share("one"), budget.share("two"), budget.share("three"));
        let held = one.reserve(4 * MIB, LIMIT).await.unwrap();
        let _more = two.reserve(4 * MIB, LIMIT).await.unwrap();
        let refused = three.reserve(4 * MIB, LIMIT).await.map(drop);
        assert_eq!(refused, Err(MemoryError::Busy(LIMIT)), "two shares are all");
        assert!(three.reserve(ALLOWANCE, LIMIT).await.is_ok(), "an ordinary image does not wait for them");
        assert_eq!(one.reserve(21 * MIB, LIMIT).await.map(drop), Err(MemoryError::Share(24 * MIB)));
        drop(held);
        assert!(one.reserve(24 * MIB, LIMIT).await.is_ok(), "what is released can be reserved again");
        let all = budget.calls().reserve(100 * MIB, LIMIT).await.unwrap();
        assert_eq!(budget.calls().reserve(1, LIMIT).await.map(drop), Err(MemoryError::Busy(LIMIT)));
        drop(all);
        assert!(budget.calls().reserve(1, LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a4_a_waiter_of_shared_work_takes_part_in_its_share() {
        let budget = MemoryBudget::new(64 * MIB);
        let (first, joined, late) = (budget.share("app"), budget.share("app"), budget.share("app"));
        let document = first.reserve(4 * MIB, LIMIT).await.unwrap();
        joined.unite(&first);
        drop(first);
        assert!(joined.reserve(20 * MIB, LIMIT).await.is_ok());
        assert_eq!(free(&budget), (24, 8), "counted once");
        late.unite(&joined);
        drop(joined);
        assert!(
            late.reserve(20 * MIB, LIMIT).await.is_ok(),
            "the share is there as long as one lookup has it"
        );
        drop((late, document));
        assert_eq!(free(&budget), (48, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a4_work_that_waits_for_memory_takes_it_from_a_lookup_that_waits_for_the_work() {
        let budget = MemoryBudget::new(64 * MIB);
        let (work, holder) = (budget.share("app"), budget.share("app"));
        let _other = budget.share("other").reserve(ALLOWANCE + 1, LIMIT).await.unwrap();
        let _held = holder.reserve(4 * MIB, LIMIT).await.unwrap();
        let waiting = work.clone();
        let waiting = tokio::spawn(async move { waiting.reserve(4 * MIB, LIMIT).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.unite(&work);
        work.unite(&holder);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a4_one_repository_has_one_share_at_a_time_and_leaves_the_other_to_others() {
        let budget = MemoryBudget::new(64 * MIB);
        let (one, two) = (budget.share("large"), budget.share("large"));
        let held = one.reserve(4 * MIB, LIMIT).await.unwrap();
        assert_eq!(two.reserve(4 * MIB, LIMIT).await.map(drop), Err(MemoryError::Busy(LIMIT)));
        assert!(budget.share("honest").reserve(4 * MIB, LIMIT).await.is_ok());
        drop((one, held));
        assert!(two.reserve(4 * MIB, LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a4_questions_about_present_images_do_not_wait_for_pulls() {
        let budget = MemoryBudget::new(64 * MIB);
        let pulls = [budget.share("one"), budget.share("two")];
        let _one = pulls[0].reserve(4 * MIB, LIMIT).await.unwrap();
        let _two = pulls[1].reserve(4 * MIB, LIMIT).await.unwrap();
        let _request = budget.calls().reserve(100 * MIB, LIMIT).await.unwrap();
        let all = budget.present(100 * MIB, LIMIT).await.unwrap();
        assert_eq!(budget.present(MIB, LIMIT).await.map(drop), Err(MemoryError::Busy(LIMIT)));
        assert!(budget.present(ALLOWANCE, LIMIT).await.is_ok(), "an ordinary image does not wait");
        drop(all);
        assert!(budget.present(MIB, LIMIT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a4_requests_for_pulls_delay_no_other_requests() {
        let budget = MemoryBudget::new(64 * MIB);
        let _pulls = budget.pulls().reserve(100 * MIB, LIMIT).await.unwrap();
        assert_eq!(budget.pulls().reserve(1, LIMIT).await.map(drop), Err(MemoryError::Busy(LIMIT)));
        assert!(budget.calls().reserve(MIB, LIMIT).await.is_ok());
    }
}
