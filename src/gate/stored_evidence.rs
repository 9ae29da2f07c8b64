//! Evidence on disk, read for pulls. Small evidence is read at once; large evidence is read once for all pulls that ask for
//! it at the same time, into the memory of the first of them.

use std::sync::Arc;

use pullgate_net::memory::{MemoryError, Share};

use super::{Shared, provenance};
use crate::ledger::{Evidence, Ledger, Place};

/// Evidence up to this size, in bytes, is read without a part of the memory budget.
const SMALL: u64 = 64 << 10;

/// Evidence of the ledger that leads to its digest.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) evidence: Arc<Evidence>,
    /// Whether its document is an index.
    pub(super) is_index: bool,
}

/// The result of reading that several pulls share.
pub(super) type SharedRead = Result<Option<Kept>, MemoryError>;

/// Evidence at one place of the ledger.
pub(super) struct StoredEvidence {
    pub(super) ledger: Arc<Ledger>,
    pub(super) place: Place,
}

impl StoredEvidence {
    /// Reads it, in the memory of `share`. Evidence whose document is not its digest's never leads to an image: it does
    /// not count.
    ///
    /// # Errors
    /// When it is large, and there is no memory for it.
    pub(super) async fn read(self, shared: &Shared, share: &Share) -> SharedRead {
        let (ledger, place) = (Arc::clone(&self.ledger), self.place.clone());
        let small = tokio::task::spawn_blocking(move || {
            (ledger.stored_bytes(&place), ledger.find_within(&place, SMALL))
        });
        let (size, found) = small.await.unwrap_or_default();
        if found.is_some() || size <= SMALL {
            return Ok(consistent(found, &self.place).await);
        }
        let place = format!("{}@{}", self.place.repository, self.place.digest);
        let key = shared.registry.key("evidence", &[&place], &crate::registry::Credentials::anonymous());
        let (own, limit) = (share.clone(), shared.registry.limits().queue_timeout);
        let work = async move {
            let reserved = own.reserve(usize::try_from(size).unwrap_or(usize::MAX), limit).await?;
            let (ledger, place) = (self.ledger, self.place.clone());
            let read = move || ledger.find_reserved(&place, reserved, size);
            let found = tokio::task::spawn_blocking(read).await.ok().flatten();
            Ok(consistent(found, &self.place).await)
        };
        shared.reading.join_in(share, key, work).await.unwrap_or(Ok(None))
    }
}

async fn consistent(found: Option<Arc<Evidence>>, place: &Place) -> Option<Kept> {
    let evidence = found.filter(|found| found.place() == *place)?;
    let is_index = provenance::check_consistent(&evidence).await?;
    Some(Kept { evidence, is_index })
}
