//! Evidence of admissions, kept so that the same decision needs no network: after a restart, with the registry down.
//!
//! The ledger is not trusted. It stores bytes; the gate hashes the documents and verifies the signatures again, under the
//! policy of that moment. So a forged or damaged ledger can cost time, not security. A disk failure never fails a pull:
//! evidence that cannot be written is kept in memory, within bounds.

mod complete;
mod disk;
mod entry;
mod error;
mod evidence;
mod file_stamp;
mod health;
mod recent;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use complete::Complete;
pub use entry::{EntryError, MAX_ENTRY_BYTES};
pub use error::LedgerError;
pub use evidence::{Dropped, Evidence, Image, MAX_IMAGES, MAX_NAMES, Place};
pub use file_stamp::FileStamp;
use file_stamp::MAX_FILES;
pub use health::{Health, Usage};

use crate::digest::Digest;
use disk::Disk;
use pullgate_config::bound::MIB;
use pullgate_config::kind::{PATH, bytes, count};
use pullgate_net::memory::Reserved;
pub use recent::MAX_NOTED_BYTES;
use recent::Recent;

/// The most documents that are linked to one image.
pub const MAX_LINKS: usize = 64;

/// The most bytes of evidence that are linked to one image; the newest entry is linked whatever its size. Whoever has
/// signed images can make many documents for one configuration, and every question about the image reads all of them.
pub const MAX_LINKED_BYTES: u64 = 16 << 20;

pullgate_config::options! {
    /// `[ledger]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LedgerSettings {
        /// The directory for the evidence of admitted images. No other program may use it.
        directory: PathBuf = "directory", PATH.or("/var/lib/pullgate");
        /// Maximum number of digests with evidence; the oldest are removed first.
        max_entries: u64 = "max-entries", count(10_000, 16, 4_000_000);
        /// Maximum size on disk; the oldest entries are removed first.
        max_bytes: u64 = "max-bytes", bytes(256 * MIB, MAX_ENTRY_BYTES as u64, 64 << 30);
    }
}

impl LedgerSettings {
    /// The defaults in `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ..Self::default() }
    }
}

/// All evidence. Calls may block on the disk unless they say otherwise.
#[derive(Debug)]
pub struct Ledger {
    disk: Option<Disk>,
    recent: Recent,
    problem: health::Problem,
}

impl Ledger {
    /// A ledger without a disk: its evidence ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { disk: None, recent: Recent::default(), problem: health::Problem::default() }
    }

    /// The same, because the disk cannot be used: `problem` says why.
    #[must_use]
    pub fn in_memory_because(problem: &LedgerError) -> Self {
        let ledger = Self::in_memory();
        ledger.problem.set(problem);
        ledger
    }

    /// The ledger in a directory. Nothing is loaded: entries are read when they are needed.
    ///
    /// # Errors
    /// When the directory cannot be created, or other users could write to it.
    pub fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open(settings)?), ..Self::in_memory() })
    }

    /// The ledger in a directory that another process writes: new evidence is kept in memory only.
    ///
    /// # Errors
    /// When the directory is missing, or other users could write to it.
    pub fn open_read_only(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open_read_only(settings)?), ..Self::in_memory() })
    }

    /// The evidence at `place`. Damaged evidence is ignored.
    pub fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        let recent = self.recent.find(place);
        recent.or_else(|| Some(Arc::new(self.disk.as_ref()?.find(place)?)))
    }

    /// As [`Ledger::find`], if it is in memory or has at most `most` bytes on disk.
    pub fn find_within(&self, place: &Place, most: u64) -> Option<Arc<Evidence>> {
        if self.stored_bytes(place) > most {
            return self.recent.find(place);
        }
        self.find(place)
    }

    /// As [`Ledger::find`], if it has at most `most` bytes on disk; `reserved` is released with it.
    pub fn find_reserved(&self, place: &Place, reserved: Reserved, most: u64) -> Option<Arc<Evidence>> {
        let disk = self.disk.as_ref().filter(|disk| disk.size(place) <= most)?;
        Some(Arc::new(disk.find_held(place, |bytes| reserved.hold(bytes))?))
    }

    /// The size of the evidence on disk at `place`; 0 without any.
    pub fn stored_bytes(&self, place: &Place) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.size(place))
    }

    /// The size of the largest evidence on disk for the image `id`: of all that is linked to it, and that at `hinted`.
    pub fn largest(&self, id: &Digest, hinted: impl Iterator<Item = Place>) -> u64 {
        let Some(disk) = &self.disk else { return 0 };
        disk.places(id).into_iter().chain(hinted).map(|place| disk.size(&place)).max().unwrap_or(0)
    }

    /// The keys of evidence that may be for the image `id`: at most [`MAX_LINKS`] in memory and as many on disk. Hints, to
    /// be checked.
    pub fn places(&self, id: &Digest) -> Vec<Place> {
        let mut places = self.recent.places(id);
        places.extend(self.disk.iter().flat_map(|disk| disk.places(id)));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Keeps evidence in memory while the pull runs; [`Ledger::keep`] follows it. Copies the bytes, but does
    /// not block.
    pub fn note(&self, evidence: Evidence) {
        self.recent.keep(evidence);
    }

    /// Evidence that is in memory. Does not block.
    pub fn noted(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.recent.find(place)
    }

    /// Keeps evidence, merged with what is stored at the same place. Evidence that cannot be written is kept in memory,
    /// with a warning in the log.
    pub fn keep(&self, mut evidence: Evidence) {
        if let Some(old) = self.disk.as_ref().and_then(|disk| disk.find(&evidence.place())) {
            // Until it is written, the copy in memory hides the one on disk.
            evidence.add(&old);
        }
        let evidence = self.recent.keep(evidence);
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.is_writable()) else { return };
        match disk.keep(&evidence) {
            Ok(()) => {
                self.recent.remove(&evidence);
                self.problem.clear();
            }
            Err(error) => {
                self.problem.set(&error);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, digest = %evidence.digest, "cannot write evidence to disk: pullgate keeps evidence in memory only");
            }
        }
    }

    /// How much is on disk; `None` without one. Blocks while it is counted.
    pub fn usage(&self) -> Option<Usage> {
        let (entries, bytes) = self.disk.as_ref()?.usage();
        Some(Usage { entries, bytes })
    }

    /// Whether evidence is being stored. Does not block.
    pub fn health(&self) -> Health {
        Health { on_disk: self.disk.is_some(), in_memory: self.recent.len(), problem: self.problem.get() }
    }

    /// The state of the files with evidence for the image `id`: its links, the evidence that they lead to, and that at
    /// `hinted`. `None` when some evidence is in memory only or was written just now, or there are too many files.
    #[must_use]
    pub fn stamp(&self, id: &Digest, hinted: impl Iterator<Item = Place>) -> Option<FileStamp> {
        let disk = self.disk.as_ref().filter(|_| !self.recent.has(id))?;
        let mut places = disk.places(id);
        places.extend(hinted.take(MAX_FILES + 1));
        places.sort_unstable();
        places.dedup();
        if places.len() >= MAX_FILES {
            return None;
        }
        let entries = places.iter().map(|place| disk.entry(place));
        FileStamp::take(id, std::iter::once(disk.links(id)).chain(entries))
    }

    /// Whether no evidence was added, removed or changed since the stamp was taken.
    #[must_use]
    pub fn is_unchanged(&self, stamp: &FileStamp) -> bool {
        !self.recent.has(stamp.id()) && stamp.is_current()
    }
}
