//! State of the ledger, for the operator.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use super::{Ledger, LedgerError};

/// Size of the ledger on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub entries: u64,
    /// Total size in bytes.
    pub bytes: u64,
}

/// Whether evidence is kept beyond the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether a directory is used.
    pub on_disk: bool,
    /// Number of entries in memory: being written, or not accepted by the disk.
    pub in_memory: usize,
    /// The last error of the disk, or why it is not used.
    pub problem: Option<String>,
}

impl Ledger {
    /// The size on disk; `None` without a directory. Blocks while counting.
    pub fn usage(&self) -> Option<Usage> {
        let (entries, bytes) = self.disk.as_ref()?.usage();
        Some(Usage { entries, bytes })
    }

    /// The current state. Does not block.
    pub fn health(&self) -> Health {
        Health {
            on_disk: self.disk.is_some(),
            in_memory: self.recent.len(),
            problem: self.problem.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The last failure, until a write succeeds.
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
