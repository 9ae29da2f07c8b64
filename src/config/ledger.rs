//! `[ledger]`: the directory of evidence, and its size.

use std::path::PathBuf;

use crate::ledger::{DEFAULT_BYTES, DEFAULT_ENTRIES, LedgerSettings, MAX_ENTRY_BYTES};
use pullgate_config::kind::{PATH, bytes, count};

pullgate_config::options! {
    /// `[ledger]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Ledger {
        /// Where to keep the evidence of admitted images. Only for pullgate.
        directory: PathBuf = "directory", PATH.or("/var/lib/pullgate");
        /// Maximum number of digests with evidence; the oldest are removed first.
        max_entries: u64 = "max-entries", count(DEFAULT_ENTRIES, 16, 4_000_000);
        /// Maximum size on disk; the oldest entries are removed first.
        max_bytes: u64 = "max-bytes", bytes(DEFAULT_BYTES, MAX_ENTRY_BYTES as u64, 64 << 30);
    }
}

impl Ledger {
    /// The settings of the ledger.
    #[must_use]
    pub fn settings(&self) -> LedgerSettings {
        LedgerSettings {
            directory: self.directory.clone(),
            max_entries: self.max_entries,
            max_bytes: self.max_bytes,
        }
    }
}
