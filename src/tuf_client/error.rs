//! Why a trusted root was not refreshed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use pullgate_config::file::FileError;
use pullgate_core::tuf::TufError;

use crate::service::ServiceError;
use crate::trust::RootError;

/// Why a trusted root was not refreshed; the old one stays.
#[derive(Debug, thiserror::Error)]
pub enum TufClientError {
    /// Another process refreshes it.
    #[error("another refresh of it is running")]
    Busy,
    /// What was seen before is not metadata any more. Without it, no rollback would be noticed.
    #[error("{}, which an earlier refresh wrote, cannot be used", path.display())]
    Kept {
        path: PathBuf,
        #[source]
        cause: TufError,
    },
    /// What was seen before cannot be read.
    #[error("{}, which an earlier refresh wrote, cannot be read", path.display())]
    KeptUnreadable {
        path: PathBuf,
        #[source]
        cause: FileError,
    },
    /// Metadata, or the file itself, is not trusted.
    #[error("{name} is not trusted")]
    Metadata {
        /// The file in the repository.
        name: String,
        #[source]
        cause: TufError,
    },
    /// The target is not text.
    #[error("the file that the repository signs is not a trusted root: it is not UTF-8 text")]
    NotText,
    /// The pinned root is not the root of a repository.
    #[error("the pinned root (`root`) is not a usable TUF root")]
    Pinned {
        #[source]
        cause: TufError,
    },
    /// The repository answers with an error.
    #[error("the repository answered {status} to the request for {name}")]
    Status {
        /// The file in the repository.
        name: String,
        status: u16,
    },
    /// The refresh takes too long.
    #[error("the refresh of the trusted root did not end within {limit:?}")]
    Timeout { limit: Duration },
    /// A file is larger than it may be.
    #[error("{name} has {found} bytes, more than the limit of {limit}")]
    TooLarge { name: String, found: usize, limit: usize },
    /// There are more new roots than one refresh follows.
    #[error(
        "the repository has more than {limit} new root versions; the next refresh continues with the version after them"
    )]
    TooManyRoots { limit: u64 },
    /// There is no complete answer.
    #[error("{name} could not be fetched from the repository")]
    Unreachable {
        /// The file in the repository.
        name: String,
        #[source]
        cause: ServiceError,
    },
    /// The pinned root cannot be read.
    #[error("cannot read the pinned root {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: FileError,
    },
    /// The repository signed a file that is not a trusted root.
    #[error("the file that the repository signs is not a usable trusted root")]
    Unusable(#[source] RootError),
    /// A file cannot be stored.
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}
