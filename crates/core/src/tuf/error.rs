//! Why metadata is not trusted.

use std::fmt;

use jiff::Timestamp;

use crate::json::JsonError;
use crate::untrusted::Quoted;

/// A top-level role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Role {
    Root,
    Timestamp,
    Snapshot,
    Targets,
}

impl Role {
    /// The name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why metadata, or a file, is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum TufError {
    #[error("{what} has {found} bytes, more than the limit of {limit}")]
    TooLarge { what: Role, found: usize, limit: usize },
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("not TUF metadata of version 1: {why}")]
    Malformed { why: &'static str },
    #[error("metadata does not belong to the role {expected}")]
    OtherRole { expected: Role },
    /// The keys are those of the role in the trusted root.
    #[error("{role} has valid signatures by {found} of its keys, but needs {threshold}")]
    Threshold { role: Role, found: usize, threshold: usize },
    #[error(
        "new root has version {found}, but must have the version after {trusted}, the version of the trusted root"
    )]
    RootVersion { trusted: u64, found: u64 },
    /// Somebody offers what is out of date: a mirror that lags behind, or an attacker.
    #[error("{role} is rolled back from version {before} to version {found}")]
    Rollback { role: Role, before: u64, found: u64 },
    #[error("{role} has changed, but still has version {version}")]
    SameVersion { role: Role, version: u64 },
    #[error("snapshot no longer lists {name}, which the previous snapshot listed")]
    Removed { name: Quoted },
    /// It was not renewed in time: the repository is not maintained, or somebody withholds the newer one.
    #[error("{role} expired at {expires}, and the repository offers no newer version")]
    Expired { role: Role, expires: Timestamp },
    #[error("{role} has version {found}, but the signed metadata names version {expected}")]
    Version { role: Role, expected: u64, found: u64 },
    #[error("{what} has {found} bytes, but the signed metadata names {expected} bytes")]
    Length { what: &'static str, expected: u64, found: usize },
    #[error("{what} does not have the digest that the signed metadata names")]
    Hash { what: &'static str },
    #[error("targets metadata does not list {name} with a SHA-256 or SHA-512 digest")]
    NoTarget { name: Quoted },
    /// A caller skipped a step.
    #[error(
        "internal error: the metadata files must be read in the order root, timestamp, snapshot, targets"
    )]
    Order,
}
