//! The bytes that the attachments of one image may take in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::error::{Bound, RegistryError};
use super::super::limits::Limits;

/// Bytes left; they are reserved before the fetch.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    taken: AtomicU64,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limit: limits.signatures_total_size, taken: AtomicU64::new(0) }
    }

    /// Reserves `size` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub(super) fn take(&self, size: u64) -> Result<(), RegistryError> {
        let take = |taken: u64| taken.checked_add(size).filter(|sum| *sum <= self.limit);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(RegistryError::TooLarge {
                bound: Bound::Collected,
                what: "the total of all attachments".to_owned(),
                limit: self.limit,
            }),
        }
    }
}
