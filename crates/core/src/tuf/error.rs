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
    #[error("{what} has {found} bytes, at most {limit} are read")]
    TooLarge { what: Role, found: usize, limit: usize },
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("it is not TUF metadata of version 1: {why}")]
    Malformed { why: &'static str },
    #[error("it is metadata of another role than {expected}")]
    OtherRole { expected: Role },
    /// The keys are those of the role in the trusted root.
    #[error("{role} is signed by {found} of its keys, {threshold} are needed")]
    Threshold { role: Role, found: usize, threshold: usize },
    #[error("root has version {found}, and the version after {trusted} is needed")]
    RootVersion { trusted: u64, found: u64 },
    /// Somebody offers what is out of date: a mirror that lags behind, or an attacker.
    #[error("{role} is rolled back: version {found} after version {before}")]
    Rollback { role: Role, before: u64, found: u64 },
    #[error("{role} has two contents with version {version}")]
    SameVersion { role: Role, version: u64 },
    #[error("snapshot does not list {name} any more")]
    Removed { name: Quoted },
    /// It was not renewed in time: the repository is not maintained, or somebody withholds the newer one.
    #[error("{role} has expired at {expires}, and no newer one is offered")]
    Expired { role: Role, expires: Timestamp },
    #[error("{role} has version {found}, and version {expected} was announced")]
    Version { role: Role, expected: u64, found: u64 },
    #[error("{what} has {found} bytes, and {expected} were announced")]
    Length { what: &'static str, expected: u64, found: usize },
    #[error("{what} does not have the announced digest")]
    Hash { what: &'static str },
    #[error("targets do not list {name} with a SHA-256 or SHA-512 digest")]
    NoTarget { name: Quoted },
    /// A caller skipped a step.
    #[error("metadata is missing that must come before")]
    Order,
}
