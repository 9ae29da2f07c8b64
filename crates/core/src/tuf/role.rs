//! What each role says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::content::Content;
use super::key::Key;
use super::{MAX_METADATA_BYTES, Role, TufError};
use crate::digest::Digest;

/// Maximum number of keys of a root.
const MAX_KEYS: usize = 64;

/// Which keys sign each role.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Root {
    #[serde(default)]
    pub(super) consistent_snapshot: bool,
    pub(super) keys: BTreeMap<String, Key>,
    roles: BTreeMap<String, Signers>,
}

#[derive(Clone, Debug, Deserialize)]
struct Signers {
    keyids: BTreeSet<String>,
    threshold: usize,
}

impl Root {
    /// The identifiers of a role's keys, and how many must sign.
    pub(super) fn signers_of(&self, role: Role) -> Result<(&BTreeSet<String>, usize), TufError> {
        if self.keys.len() > MAX_KEYS {
            return Err(TufError::Malformed { why: "more than 64 keys" });
        }
        match self.roles.get(role.name()) {
            Some(Signers { threshold: 0, .. }) => Err(TufError::Malformed { why: "a threshold is 0" }),
            Some(signers) => Ok((&signers.keyids, signers.threshold)),
            None => Err(TufError::Malformed { why: "a role is missing" }),
        }
    }
}

/// Which snapshot is the current one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TimestampRole {
    meta: BTreeMap<String, Pin>,
}

impl TimestampRole {
    pub(super) fn snapshot(&self) -> Result<&Pin, TufError> {
        self.meta.get("snapshot.json").ok_or(TufError::Malformed { why: "snapshot.json is missing" })
    }
}

/// Which metadata of targets is the current one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Snapshot {
    pub(super) meta: BTreeMap<String, Pin>,
}

impl Snapshot {
    pub(super) fn targets(&self) -> Result<&Pin, TufError> {
        self.meta.get("targets.json").ok_or(TufError::Malformed { why: "targets.json is missing" })
    }
}

/// The files of the repository.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Targets {
    pub(super) targets: BTreeMap<String, TargetFile>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct TargetFile {
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, String>,
}

/// A version of metadata, and perhaps its size and digests.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pin {
    pub(super) version: u64,
    length: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl Pin {
    /// The most bytes that it can have.
    pub(super) fn limit(&self) -> usize {
        let length = self.length.and_then(|length| usize::try_from(length).ok());
        length.map_or(MAX_METADATA_BYTES, |length| length.min(MAX_METADATA_BYTES))
    }

    /// Checks size and digests, as far as they are given. Digests of other algorithms do not count.
    pub(super) fn check(&self, role: Role, bytes: &[u8]) -> Result<(), TufError> {
        let (what, found) = (role.name(), bytes.len());
        if let Some(expected) = self.length
            && u64::try_from(found) != Ok(expected)
        {
            return Err(TufError::Length { what, expected, found });
        }
        for (name, value) in &self.hashes {
            let known = matches!(name.as_str(), "sha256" | "sha512");
            let digest = Digest::parse(&format!("{name}:{value}"));
            if known && !digest.is_ok_and(|digest| digest.matches(bytes)) {
                return Err(TufError::Hash { what });
            }
        }
        Ok(())
    }

    pub(super) fn check_version(&self, role: Role, found: u64) -> Result<(), TufError> {
        let expected = self.version;
        if found == expected { Ok(()) } else { Err(TufError::Version { role, expected, found }) }
    }
}

impl Content for Root {
    const ROLE: Role = Role::Root;
}

impl Content for TimestampRole {
    const ROLE: Role = Role::Timestamp;
}

impl Content for Snapshot {
    const ROLE: Role = Role::Snapshot;
}

impl Content for Targets {
    const ROLE: Role = Role::Targets;
}
