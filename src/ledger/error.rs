//! Errors of the ledger.

use std::io;
use std::path::{Path, PathBuf};

use super::EntryError;

/// Why evidence is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be encoded.
    #[error("evidence cannot be encoded")]
    Entry(#[from] EntryError),
    /// A file operation failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The directory is another user's.
    #[error("{} belongs to user {owner}; run `chown` to give it to the daemon's user", directory.display())]
    Foreign {
        directory: PathBuf,
        /// The user that owns it.
        owner: u32,
    },
    /// Other users can write to the directory.
    #[error("other users can write to {0} (mode {mode:04o}); run `chmod go-w {0}`", directory.display())]
    Open {
        directory: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl LedgerError {
    pub(super) fn at(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}
