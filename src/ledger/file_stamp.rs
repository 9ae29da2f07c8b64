//! Detects changes of the evidence for an image without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Ledger, Place};
use crate::digest::Digest;

/// Maximum number of files per image; with more, reading is not slower.
const MAX_FILES: usize = 8;

/// Minimum age of a file. File timestamps have a resolution of some milliseconds, so a file that was just written could
/// be replaced without a visible change.
const MIN_AGE: Duration = Duration::from_millis(50);

/// The state of the files with evidence for one image at some time, including files that did not exist.
#[derive(Debug)]
pub struct FileStamp {
    id: Digest,
    files: Vec<(PathBuf, Option<FileState>)>,
}

/// Identifies a file and its content. The time of the last change (ctime) cannot be set, so a file with the same one
/// has not been written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Ledger {
    /// The state of the files for the image `id`: its links, the entries that they lead to, and those at `hinted`.
    /// `None` if some evidence is in memory only or was just written, or if there are too many files.
    #[must_use]
    pub fn stamp(&self, id: &Digest, hinted: impl Iterator<Item = Place>) -> Option<FileStamp> {
        let disk = self.disk.as_ref().filter(|_| !self.recent.has(id))?;
        let links = with_state(disk.links(id));
        let mut places = disk.places(id);
        places.extend(hinted.take(MAX_FILES + 1));
        places.sort_unstable();
        places.dedup();
        if places.len() >= MAX_FILES {
            return None;
        }
        let entries = places.iter().map(|place| with_state(disk.entry(place)));
        let stamp = FileStamp { id: id.clone(), files: std::iter::once(links).chain(entries).collect() };
        stamp.files.iter().filter_map(|(_, state)| *state).all(FileState::is_old_enough).then_some(stamp)
    }

    /// Whether no file was added, removed or changed since the stamp was taken.
    #[must_use]
    pub fn is_unchanged(&self, stamp: &FileStamp) -> bool {
        !self.recent.has(&stamp.id) && stamp.files.iter().all(|(path, state)| state_of(path) == *state)
    }
}

impl FileStamp {
    /// Approximate size in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let files =
            self.files.iter().map(|(path, _)| path.as_os_str().len() + size_of::<(PathBuf, FileState)>());
        self.id.as_str().len() + files.sum::<usize>()
    }
}

impl FileState {
    fn is_old_enough(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = self.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        let changed = changed.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds));
        changed.and_then(|changed| now.checked_sub(changed)).is_some_and(|age| age >= MIN_AGE)
    }
}

fn with_state(path: PathBuf) -> (PathBuf, Option<FileState>) {
    let state = state_of(&path);
    (path, state)
}

fn state_of(path: &Path) -> Option<FileState> {
    let metadata = path.symlink_metadata().ok()?;
    Some(FileState {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
