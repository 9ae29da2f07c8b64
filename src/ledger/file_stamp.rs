//! Whether the evidence for an image is what it was, told without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Ledger, Place};
use crate::digest::Digest;

/// The most files that are looked at for one image; with more of them reading is no dearer.
const MAX_FILES: usize = 8;

/// How old a file must be. The clock of files ticks in steps of some milliseconds, so that one that was written just now
/// may be replaced without a difference that shows.
const SETTLED: Duration = Duration::from_millis(50);

/// The files on which evidence for one image is, as they were at one moment: also those that were not there.
#[derive(Debug)]
pub struct FileStamp {
    id: Digest,
    files: Vec<(PathBuf, Option<Seen>)>,
}

/// What tells a file from every other, and from itself after a change. Nobody can set the time of its last change, so
/// what has the same one has not been written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Ledger {
    /// The state of what is on disk for the image `id`: its links, the evidence that they lead to, and that at
    /// `hinted`. `None` when some evidence is in memory only or was
    /// written just now, or there are too many files.
    #[must_use]
    pub fn stamp(&self, id: &Digest, hinted: impl Iterator<Item = Place>) -> Option<FileStamp> {
        let disk = self.disk.as_ref().filter(|_| !self.recent.has(id))?;
        let links = seen_at(disk.links(id));
        let mut places = disk.places(id);
        places.extend(hinted.take(MAX_FILES + 1));
        places.sort_unstable();
        places.dedup();
        if places.len() >= MAX_FILES {
            return None;
        }
        let entries = places.iter().map(|place| seen_at(disk.entry(place)));
        let stamp = FileStamp { id: id.clone(), files: std::iter::once(links).chain(entries).collect() };
        stamp.files.iter().filter_map(|(_, seen)| *seen).all(Seen::is_settled).then_some(stamp)
    }

    /// Whether nothing has come, gone or changed since the stamp was taken.
    #[must_use]
    pub fn is_unchanged(&self, stamp: &FileStamp) -> bool {
        !self.recent.has(&stamp.id) && stamp.files.iter().all(|(path, seen)| look(path) == *seen)
    }
}

impl FileStamp {
    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let files = self.files.iter().map(|(path, _)| path.as_os_str().len() + size_of::<(PathBuf, Seen)>());
        self.id.as_str().len() + files.sum::<usize>()
    }
}

impl Seen {
    fn is_settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = self.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        let changed = changed.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds));
        changed.and_then(|changed| now.checked_sub(changed)).is_some_and(|age| age >= SETTLED)
    }
}

fn seen_at(path: PathBuf) -> (PathBuf, Option<Seen>) {
    let seen = look(&path);
    (path, seen)
}

fn look(path: &Path) -> Option<Seen> {
    let found = path.symlink_metadata().ok()?;
    Some(Seen {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}
