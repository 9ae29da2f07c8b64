//! Evidence in files.
//!
//! ```text
//! entries/<2>/<62>   one piece of evidence, by the SHA-256 of "repository@digest"
//! images/<2>/<62>    for each image id the places of its evidence, a line each; derived from the entries
//! tmp/               unfinished files
//! lock               held while something is written
//! ```
//!
//! An entry appears whole or not at all: it is written under another name, synced, renamed, and its directory synced. A
//! file that is damaged, too large or owned by another user is ignored, and removed.

mod atomic;
mod bounds;
mod file;
mod links;
mod write;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pullgate_config::atomic::make_directory;

use super::{Evidence, LedgerError, LedgerSettings, Place, entry};
use crate::digest::Digest;
use bounds::Usage;

/// Evidence that is used is marked as recent, at most once in this time.
const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory of evidence.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    max_entries: u64,
    max_bytes: u64,
    /// Whether anything may be changed here.
    writable: bool,
    /// What is stored; unknown until the first write. A writer holds the lock.
    usage: Mutex<Option<Usage>>,
}

impl Disk {
    pub(super) fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let directory = &settings.directory;
        make_directory(directory).map_err(|error| LedgerError::at("create", directory, error))?;
        let disk = Self { writable: true, ..Self::open_read_only(settings)? };
        for part in ["entries", "images", "tmp"] {
            let part = disk.root.join(part);
            make_directory(&part).map_err(|error| LedgerError::at("create", &part, error))?;
        }
        Ok(disk)
    }

    /// For reading only: even damaged files stay.
    pub(super) fn open_read_only(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let LedgerSettings { directory, max_entries, max_bytes } = settings;
        let found = directory.metadata().map_err(|error| LedgerError::at("access", directory, error))?;
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(LedgerError::Foreign { directory: directory.clone(), owner: found.uid() });
        }
        if found.mode() & 0o022 != 0 {
            return Err(LedgerError::Open { directory: directory.clone(), mode: found.mode() & 0o7777 });
        }
        Ok(Self {
            root: directory.clone(),
            max_entries: *max_entries,
            max_bytes: *max_bytes,
            writable: false,
            usage: Mutex::new(None),
        })
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn find(&self, place: &Place) -> Option<Evidence> {
        self.find_held(place, Bytes::from)
    }

    /// As [`Disk::find`]; `hold` says what the bytes of the file are released with.
    pub(super) fn find_held(&self, place: &Place, hold: impl FnOnce(Vec<u8>) -> Bytes) -> Option<Evidence> {
        let path = self.entry(place);
        match read_entry(&path, hold) {
            Ok(found) => {
                let (evidence, file) = found?;
                if evidence.place() != *place {
                    self.remove_damaged(&path, &"it is evidence for another image");
                    return None;
                }
                if self.writable {
                    refresh(&file);
                }
                Some(evidence)
            }
            Err(Unreadable::Damaged(why)) => {
                self.remove_damaged(&path, &*why);
                None
            }
            Err(Unreadable::Io(error)) => {
                tracing::warn!(path = %path.display(), %error, "cannot read the evidence of an image");
                None
            }
        }
    }

    /// The size of the entry at `place` in bytes; 0 if it is absent, or larger than an entry may be: then it is not read.
    pub(super) fn size(&self, place: &Place) -> u64 {
        let found = self.entry(place).symlink_metadata().map_or(0, |found| found.len());
        if found > entry::MAX_ENTRY_BYTES as u64 { 0 } else { found }
    }

    pub(super) fn places(&self, id: &Digest) -> Vec<Place> {
        links::read(&self.links(id))
    }

    /// Adds `evidence` to what is stored at its place. A reader sees the old or the new, never less.
    pub(super) fn keep(&self, evidence: &Evidence) -> Result<(), LedgerError> {
        write::keep(self, evidence)
    }

    /// The number of entries and their bytes: as a writer counted them, or counted now.
    pub(super) fn usage(&self) -> (u64, u64) {
        // A writer holds the lock, perhaps for as long as the disk is slow.
        let known = self.usage.try_lock().ok().and_then(|known| *known);
        known.unwrap_or_else(|| bounds::count_entries(self)).totals()
    }

    fn remove_damaged(&self, path: &Path, why: &dyn std::fmt::Display) {
        if !self.writable {
            return;
        }
        match std::fs::remove_file(path) {
            Ok(()) => tracing::warn!(path = %path.display(), %why, "damaged evidence of an image removed"),
            Err(error) => {
                tracing::debug!(path = %path.display(), %why, %error, "cannot remove damaged evidence of an image");
            }
        }
    }

    pub(super) fn entry(&self, place: &Place) -> PathBuf {
        let name = format!("{}@{}", place.repository, place.digest);
        sharded(&self.root.join("entries"), Digest::of(name.as_bytes()).hex())
    }

    pub(super) fn links(&self, id: &Digest) -> PathBuf {
        sharded(&self.root.join("images"), id.hex())
    }
}

/// 256 directories: a few thousand files in each where there are a million.
fn sharded(root: &Path, name: &str) -> PathBuf {
    let (shard, rest) = name.split_at_checked(2).unwrap_or(("00", name));
    root.join(shard).join(rest)
}

/// Reads one entry; `None` when it is absent.
fn read_entry(
    path: &Path,
    hold: impl FnOnce(Vec<u8>) -> Bytes,
) -> Result<Option<(Evidence, File)>, Unreadable> {
    let Some((bytes, file)) = file::read(path, entry::MAX_ENTRY_BYTES)? else { return Ok(None) };
    let evidence = entry::decode(&hold(bytes)).map_err(|error| Unreadable::Damaged(Box::new(error)))?;
    Ok(Some((evidence, file)))
}

/// Why an entry cannot be used.
enum Unreadable {
    /// Its content is damaged.
    Damaged(Box<dyn std::fmt::Display + Send>),
    /// It cannot be read.
    Io(io::Error),
}

/// Marks a file as recent, so that it is not the first to be evicted. Failure, as on a read-only disk, is harmless.
fn refresh(file: &File) {
    let modified = file.metadata().and_then(|found| found.modified());
    let now = SystemTime::now();
    let old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > YOUNG));
    if old {
        let _ = file.set_modified(now);
    }
}
