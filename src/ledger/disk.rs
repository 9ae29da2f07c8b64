//! The ledger on disk.
//!
//! ```text
//! entries/<2>/<62>   the evidence for one image, by the SHA-256 of "repository@digest"
//! images/<2>/<62>    for each image id the places of its evidence, one per line; derived from the entries
//! tmp/               unfinished files
//! lock               locked during writes
//! ```
//!
//! An entry appears completely or not at all: it is written under another name, synced, renamed, and its directory is
//! synced. A file that is damaged, too large or owned by another user is ignored, and removed.

mod bounds;
mod file;
mod links;
mod write;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Evidence, LedgerError, Place, Settings, entry};
use crate::digest::Digest;
use bounds::Usage;

/// The modification time of evidence that is used is updated at most once in this time, so that it is not evicted
/// first.
const REFRESH_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory with evidence.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    max_entries: u64,
    max_bytes: u64,
    /// Whether this process may change the directory.
    writable: bool,
    /// Size of the directory; unknown until the first write. Locked during writes.
    usage: Mutex<Option<Usage>>,
}

impl Disk {
    pub(super) fn open(settings: &Settings) -> Result<Self, LedgerError> {
        let directory = &settings.directory;
        make_directory(directory).map_err(|error| LedgerError::at("create", directory, error))?;
        let disk = Self { writable: true, ..Self::open_read_only(settings)? };
        for part in ["entries", "images", "tmp"] {
            let part = disk.root.join(part);
            make_directory(&part).map_err(|error| LedgerError::at("create", &part, error))?;
        }
        Ok(disk)
    }

    /// Opens the directory without ever changing it: damaged files are not removed either.
    pub(super) fn open_read_only(settings: &Settings) -> Result<Self, LedgerError> {
        let Settings { directory, max_entries, max_bytes } = settings;
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
        let path = self.entry(place);
        match read_entry(&path) {
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
                tracing::warn!(path = %path.display(), %error, "cannot read evidence");
                None
            }
        }
    }

    pub(super) fn places(&self, id: &Digest) -> Vec<Place> {
        links::read(&self.links(id))
    }

    fn remove_damaged(&self, path: &Path, why: &dyn std::fmt::Display) {
        if !self.writable {
            return;
        }
        match std::fs::remove_file(path) {
            Ok(()) => tracing::warn!(path = %path.display(), %why, "damaged evidence removed"),
            Err(error) => {
                tracing::debug!(path = %path.display(), %why, %error, "cannot remove damaged evidence");
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

/// 256 directories: a few thousand files in each if there are a million.
fn sharded(root: &Path, name: &str) -> PathBuf {
    let (shard, rest) = name.split_at_checked(2).unwrap_or(("00", name));
    root.join(shard).join(rest)
}

/// Reads one entry; `None` when it does not exist.
fn read_entry(path: &Path) -> Result<Option<(Evidence, File)>, Unreadable> {
    let Some((bytes, file)) = file::read(path, entry::MAX_ENTRY_BYTES)? else { return Ok(None) };
    let evidence =
        entry::decode(&Bytes::from(bytes)).map_err(|error| Unreadable::Damaged(Box::new(error)))?;
    Ok(Some((evidence, file)))
}

/// Why a file is treated as missing.
enum Unreadable {
    /// The content is not valid.
    Damaged(Box<dyn std::fmt::Display + Send>),
    Io(io::Error),
}

/// Updates the modification time, so that the file is not evicted first. Fails on a read-only disk, which is harmless.
fn refresh(file: &File) {
    let modified = file.metadata().and_then(|found| found.modified());
    let now = SystemTime::now();
    let old =
        modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > REFRESH_INTERVAL));
    if old {
        let _ = file.set_modified(now);
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        // The directory may exist on a read-only disk.
        Err(_) if path.is_dir() => Ok(()),
        other => other,
    }
}
