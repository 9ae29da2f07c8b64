//! `[ledger]`: where evidence is kept, and how much of it.

use std::path::PathBuf;

use super::bound::{Bound, Unit, read_bound};
use super::document::{Document, Value};
use crate::ledger::{DEFAULT_BYTES, DEFAULT_ENTRIES, LedgerSettings, MAX_ENTRY_BYTES};
use pullgate_config::values::read_path;

const DIRECTORY: &str = "directory";

const MAX_ENTRIES: Bound = Bound {
    key: "max-entries",
    unit: Unit::Count,
    default: DEFAULT_ENTRIES,
    minimum: 16,
    maximum: 4_000_000,
    about: "for how many digests evidence is kept; the oldest goes first",
};
const MAX_BYTES: Bound = Bound {
    key: "max-bytes",
    unit: Unit::Bytes,
    default: DEFAULT_BYTES,
    // One entry of the largest kind has room.
    minimum: MAX_ENTRY_BYTES as u64,
    maximum: 64 << 30,
    about: "how many bytes that evidence may have; the oldest goes first",
};

/// The bounds of the ledger, in the order of the documentation.
pub const LEDGER_BOUNDS: [Bound; 2] = [MAX_ENTRIES, MAX_BYTES];

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The directory, which is pullgate's own.
    pub directory: PathBuf,
    /// For how many digests evidence is kept.
    pub max_entries: u64,
    /// How many bytes it may have.
    pub max_bytes: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/pullgate"),
            max_entries: MAX_ENTRIES.default,
            max_bytes: MAX_BYTES.default,
        }
    }
}

impl Ledger {
    /// Reads `[ledger]`; what is not there has its default.
    pub(super) fn read(document: &mut Document<'_>, value: Value<'_>) -> Self {
        let mut ledger = Self::default();
        let known = [DIRECTORY, MAX_ENTRIES.key, MAX_BYTES.key];
        let Some(mut table) = document.table(value, "[ledger]", &known) else { return ledger };
        if let Some((path, _)) = read_path(document, &mut table, DIRECTORY) {
            ledger.directory = path;
        }
        if let Some(entries) = read_bound(document, &mut table, &MAX_ENTRIES) {
            ledger.max_entries = entries;
        }
        if let Some(bytes) = read_bound(document, &mut table, &MAX_BYTES) {
            ledger.max_bytes = bytes;
        }
        ledger
    }

    /// The same for the ledger itself.
    #[must_use]
    pub fn settings(&self) -> LedgerSettings {
        LedgerSettings {
            directory: self.directory.clone(),
            max_entries: self.max_entries,
            max_bytes: self.max_bytes,
        }
    }
}
