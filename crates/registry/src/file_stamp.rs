//! Detects whether a file changed since it was read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Metadata that changes when a file is written, replaced or linked elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileStamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    /// The stamp of the file that `path` resolves to, or `None` when it has no readable metadata.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
