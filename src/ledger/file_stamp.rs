//! Detects whether the evidence for an image has changed, without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::Digest;

/// The most files in one stamp; with more of them, reading costs no more.
pub(super) const MAX_FILES: usize = 8;

/// How old a file must be. File times have a resolution of some milliseconds, so a file that was written just now can be
/// replaced without a visible difference.
const SETTLED: Duration = Duration::from_millis(50);

/// The files with evidence for one image, as they were at one moment; missing files included.
#[derive(Debug)]
pub struct FileStamp {
    id: Digest,
    files: Vec<(PathBuf, Option<Seen>)>,
}

/// Identifies a file and its version. The time of the last change (ctime) cannot be set, so a file with the same one was
/// not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    /// The state of `paths` now; `None` when one of them was written just now.
    pub(super) fn take(id: &Digest, paths: impl Iterator<Item = PathBuf>) -> Option<Self> {
        let files = paths.map(seen_at).collect();
        let stamp = Self { id: id.clone(), files };
        stamp.files.iter().filter_map(|(_, seen)| *seen).all(Seen::is_settled).then_some(stamp)
    }

    /// The image.
    pub(super) fn id(&self) -> &Digest {
        &self.id
    }

    /// Whether no file has appeared, disappeared or changed since.
    pub(super) fn is_current(&self) -> bool {
        self.files.iter().all(|(path, seen)| look(path) == *seen)
    }

    /// Its approximate size in bytes.
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
