//! How the ledger is, for who looks after the node.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use super::{Ledger, LedgerError};

/// What is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many entries.
    pub entries: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Whether evidence outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether there is a disk for it at all.
    pub on_disk: bool,
    /// How many entries are in memory: under way to the disk, or not taken by it.
    pub in_memory: usize,
    /// Why the disk did not take the last one, or is not used.
    pub problem: Option<String>,
}

impl Ledger {
    /// How much is on disk; `None` without one. Blocks while it is counted.
    pub fn usage(&self) -> Option<Usage> {
        let (entries, bytes) = self.disk.as_ref()?.usage();
        Some(Usage { entries, bytes })
    }

    /// How it is. Does not block.
    pub fn health(&self) -> Health {
        Health {
            on_disk: self.disk.is_some(),
            in_memory: self.recent.len(),
            problem: self.problem.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The last failure, until something is written.
#[derive(Debug, Default)]
pub(super) struct Problem(Mutex<Option<String>>);

impl Problem {
    pub(super) fn set(&self, error: &LedgerError) {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error}{cause}"));
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
