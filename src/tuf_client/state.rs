//! The files of a repository on this node: the trusted root, and what was seen last.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use pullgate_config::atomic::{self, Durable};
use pullgate_config::file::{FileError, Guard};
use pullgate_core::tuf::MAX_METADATA_BYTES;
use pullgate_core::untrusted::error_chain;
use serde::{Deserialize, Serialize};

use super::{Refreshed, TufClientError};

/// Maximum size of the record of the last refresh.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// The files of one repository.
#[derive(Clone, Debug)]
pub struct State {
    /// The trusted root.
    file: PathBuf,
    /// The directory of what was seen.
    directory: PathBuf,
}

/// The last refresh, as `pullgate status` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// When it was tried.
    pub at: String,
    /// Why it failed; `None` if it did not.
    pub problem: Option<String>,
    /// When it succeeded last.
    pub succeeded: Option<String>,
    /// When the first of the repository's metadata expires, as far as it was seen.
    pub expires: Option<String>,
    /// When the repository's root expires.
    pub root_expires: Option<String>,
}

impl State {
    /// The files of the repository `name` below `directory`.
    #[must_use]
    pub fn of(directory: &Path, name: &str) -> Self {
        Self { file: Self::file_of(directory, name), directory: directory.join(name) }
    }

    /// The trusted root of the repository `name` below `directory`, which the policy names as `trust-root`.
    #[must_use]
    pub fn file_of(directory: &Path, name: &str) -> PathBuf {
        directory.join(format!("{name}.json"))
    }

    /// The last refresh; `None` if there was none.
    #[must_use]
    pub fn checked(&self) -> Option<Checked> {
        let text = Guard::read_any(&self.directory.join("last.json"), MAX_RECORD_BYTES).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps others, also other processes, from the files until it is dropped: two at once could replace what one of them
    /// saw last by something older.
    pub(super) fn lock(&self) -> Result<Flock<File>, TufClientError> {
        let path = || self.directory.clone();
        atomic::make_directory(&self.directory)
            .map_err(|cause| TufClientError::Write { path: path(), cause })?;
        let file = File::open(&self.directory);
        let file = file.map_err(|cause| TufClientError::Write { path: path(), cause })?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => TufClientError::Busy,
            error => TufClientError::Write { path: path(), cause: error.into() },
        })
    }

    pub(super) fn record(
        &self,
        result: &Result<(Refreshed, Timestamp), TufClientError>,
        now: Timestamp,
    ) -> Result<(), TufClientError> {
        let at = now.to_string();
        let checked = match result {
            Ok((refreshed, root_expires)) => Checked {
                succeeded: Some(at.clone()),
                at,
                problem: None,
                expires: Some(refreshed.expires.to_string()),
                root_expires: Some(root_expires.to_string()),
            },
            Err(error) => {
                Checked { at, problem: Some(error_chain(error)), ..self.checked().unwrap_or_default() }
            }
        };
        let text = serde_json::to_string(&checked).unwrap_or_default();
        self.keep("last.json", text.as_bytes())
    }

    pub(super) fn root(&self, version: u64) -> Result<Option<Vec<u8>>, TufClientError> {
        self.kept(&Self::root_name(version))
    }

    pub(super) fn keep_root(&self, version: u64, root: &[u8]) -> Result<(), TufClientError> {
        self.keep(&Self::root_name(version), root)
    }

    /// The name of a root, here and in the repository.
    pub(super) fn root_name(version: u64) -> String {
        format!("{version}.root.json")
    }

    pub(super) fn trusted_root(&self) -> Option<Vec<u8>> {
        // One that cannot be read is replaced.
        read(&self.file).ok()
    }

    pub(super) fn keep_trusted_root(&self, root: &[u8]) -> Result<(), TufClientError> {
        let parent = self.file.parent().unwrap_or(Path::new("/"));
        write(parent, &self.file, root)
    }

    /// A file of what was seen; `None` if there is none.
    pub(super) fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, TufClientError> {
        let path = self.path(name);
        match read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Missing) => Ok(None),
            Err(cause) => Err(TufClientError::KeptUnreadable { path, cause }),
        }
    }

    pub(super) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), TufClientError> {
        write(&self.directory, &self.path(name), bytes)
    }

    /// Where a file of what was seen is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let limit = u64::try_from(MAX_METADATA_BYTES).unwrap_or(u64::MAX);
    Guard::read_any(path, limit).map(String::into_bytes)
}

/// Writes a file of `directory` whole or not at all.
fn write(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), TufClientError> {
    let written = atomic::make_directory(directory)
        .and_then(|()| atomic::write(&path.with_extension("unfinished"), path, bytes, (0o600, Durable::Yes)));
    written.map_err(|cause| TufClientError::Write { path: path.to_owned(), cause })
}
