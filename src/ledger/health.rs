//! The state of the ledger, for status and metrics.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use super::LedgerError;

/// Evidence on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The number of entries.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
}

/// Whether evidence outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether a directory is in use at all.
    pub on_disk: bool,
    /// How many entries are in memory: not written yet, or not writable.
    pub in_memory: usize,
    /// Why the last write failed, or why no directory is in use.
    pub problem: Option<String>,
}

/// The last failure, until a write succeeds.
#[derive(Debug, Default)]
pub(super) struct Problem(Mutex<Option<String>>);

impl Problem {
    pub(super) fn set(&self, error: &LedgerError) {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error}{cause}"));
    }

    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
