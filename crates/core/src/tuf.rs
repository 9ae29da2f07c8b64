//! The Update Framework (TUF): which file of a repository is the current one, by a chain of signed metadata that begins at a
//! pinned root.
//!
//! Source: the TUF specification 1.0, section 5, for repositories as Sigstore has them: the file is in the top-level
//! targets, without delegations. Nothing here fetches or stores: [`Trusted`] is given the bytes, and the time.
//!
//! It notices rollback (an older version of anything than was seen before) and freeze (metadata that is not renewed
//! before it expires). What was seen before, the caller keeps and gives to [`Trusted::remember_timestamp`] and
//! [`Trusted::remember_snapshot`].

mod canonical;
mod content;
mod error;
mod key;
mod metadata;
mod role;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::error::{Role, TufError};
use self::metadata::Metadata;
use self::role::{Pin, Root, Snapshot, Targets, TimestampRole};
use crate::digest::Digest;
use crate::untrusted::quoted;

/// Maximum sizes of metadata: 512 KiB for a root, a snapshot and targets, 16 KiB for a timestamp. Sigstore's have at most
/// 12 KiB.
pub const MAX_METADATA_BYTES: usize = 512 * 1024;
/// See [`MAX_METADATA_BYTES`].
pub const MAX_TIMESTAMP_BYTES: usize = 16 * 1024;

/// The metadata that is trusted so far. It is given in this order: newer roots, what was seen before, then timestamp,
/// snapshot and targets.
#[derive(Clone, Debug)]
pub struct Trusted {
    root: Metadata<Root>,
    timestamp: Option<Metadata<TimestampRole>>,
    snapshot: Option<Metadata<Snapshot>>,
    targets: Option<Metadata<Targets>>,
}

/// A file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its size in bytes.
    pub length: u64,
    /// Its digest; a stronger one if there are several.
    pub digest: Digest,
}

impl Trusted {
    /// Begins with a root that the operator pinned. Only a later root has to be valid now.
    ///
    /// # Errors
    /// When it is not metadata of a root, or not signed by enough of its own keys.
    pub fn pinned(root: &[u8]) -> Result<Self, TufError> {
        let root = Metadata::<Root>::parse(root)?;
        root.check_signed_by(&root.signed)?;
        Ok(Self { root, timestamp: None, snapshot: None, targets: None })
    }

    /// The version of the trusted root.
    pub fn root_version(&self) -> u64 {
        self.root.version
    }

    /// When the trusted root expires.
    pub fn root_expires(&self) -> Timestamp {
        self.root.expires
    }

    /// When the first of the metadata expires that must be renewed before.
    pub fn expires(&self) -> Timestamp {
        let others = [
            self.timestamp.as_ref().map(|it| it.expires),
            self.snapshot.as_ref().map(|it| it.expires),
            self.targets.as_ref().map(|it| it.expires),
        ];
        others.into_iter().flatten().fold(self.root.expires, Timestamp::min)
    }

    /// Whether file names have the version or digest before them.
    pub fn has_consistent_snapshots(&self) -> bool {
        self.root.signed.consistent_snapshot
    }

    /// Follows the root to its next version, which enough keys of both must have signed (section 5.3). What was trusted
    /// below the old root is forgotten, so that a compromised key that was replaced leaves nothing behind.
    ///
    /// # Errors
    /// In all other cases; the old root stays.
    pub fn next_root(&mut self, root: &[u8]) -> Result<(), TufError> {
        let next = Metadata::<Root>::verified(root, &self.root.signed)?;
        next.check_signed_by(&next.signed)?;
        let wanted = self.root.version.checked_add(1);
        if wanted != Some(next.version) {
            return Err(TufError::RootVersion { trusted: self.root.version, found: next.version });
        }
        self.root = next;
        (self.timestamp, self.snapshot, self.targets) = (None, None, None);
        Ok(())
    }

    /// Checks that the root has not expired. To be called when there is no newer one.
    ///
    /// # Errors
    /// When it has: no newer root was offered in time.
    pub fn check_root(&self, now: Timestamp) -> Result<(), TufError> {
        self.root.check_time(Role::Root, now)
    }

    /// Gives the timestamp that was trusted before, expired or not.
    ///
    /// # Errors
    /// When it is not by the keys of the trusted root, as after their rotation. Then it means nothing any more.
    pub fn remember_timestamp(&mut self, timestamp: &[u8]) -> Result<(), TufError> {
        self.timestamp = Some(Metadata::verified(timestamp, &self.root.signed)?);
        Ok(())
    }

    /// Gives the snapshot that was trusted before, expired or not.
    ///
    /// # Errors
    /// As [`Self::remember_timestamp`].
    pub fn remember_snapshot(&mut self, snapshot: &[u8]) -> Result<(), TufError> {
        self.snapshot = Some(Metadata::verified(snapshot, &self.root.signed)?);
        Ok(())
    }

    /// Trusts a timestamp (section 5.4).
    ///
    /// # Errors
    /// When it is not signed by enough keys, is older than the one before or names an older snapshot, or has expired. Of
    /// the same version as before, it must be the same.
    pub fn timestamp(&mut self, timestamp: &[u8], now: Timestamp) -> Result<(), TufError> {
        let next = Metadata::<TimestampRole>::verified(timestamp, &self.root.signed)?;
        let pin = next.signed.snapshot()?;
        if let Some(before) = &self.timestamp {
            check_not_older(Role::Timestamp, before.version, next.version)?;
            check_not_older(Role::Snapshot, before.signed.snapshot()?.version, pin.version)?;
            if before.version == next.version && before.bytes() != next.bytes() {
                return Err(TufError::SameVersion { role: Role::Timestamp, version: next.version });
            }
        }
        next.check_time(Role::Timestamp, now)?;
        self.timestamp = Some(next);
        Ok(())
    }

    /// The version of the snapshot that the timestamp names, and the largest size that it can have.
    ///
    /// # Errors
    /// When there is no timestamp.
    pub fn wanted_snapshot(&self) -> Result<(u64, usize), TufError> {
        self.snapshot_pin().map(|pin| (pin.version, pin.limit()))
    }

    /// Trusts a snapshot (section 5.5).
    ///
    /// # Errors
    /// When it is not the one that the timestamp names, is not signed by enough keys, names an older version of anything
    /// than the one before or leaves something out, or has expired.
    pub fn snapshot(&mut self, snapshot: &[u8], now: Timestamp) -> Result<(), TufError> {
        let pin = self.snapshot_pin()?;
        pin.check(Role::Snapshot, snapshot)?;
        let next = Metadata::<Snapshot>::verified(snapshot, &self.root.signed)?;
        pin.check_version(Role::Snapshot, next.version)?;
        for (name, before) in self.snapshot.iter().flat_map(|before| &before.signed.meta) {
            let after = next.signed.meta.get(name).ok_or_else(|| TufError::Removed { name: quoted(name) })?;
            check_not_older(Role::Targets, before.version, after.version)?;
        }
        next.check_time(Role::Snapshot, now)?;
        self.snapshot = Some(next);
        Ok(())
    }

    /// The version of the targets that the snapshot names, and the largest size that they can have.
    ///
    /// # Errors
    /// When there is no snapshot.
    pub fn wanted_targets(&self) -> Result<(u64, usize), TufError> {
        self.targets_pin().map(|pin| (pin.version, pin.limit()))
    }

    /// Trusts targets (section 5.6).
    ///
    /// # Errors
    /// When they are not those that the snapshot names, are not signed by enough keys, or have expired.
    pub fn targets(&mut self, targets: &[u8], now: Timestamp) -> Result<(), TufError> {
        let pin = self.targets_pin()?;
        pin.check(Role::Targets, targets)?;
        let next = Metadata::<Targets>::verified(targets, &self.root.signed)?;
        pin.check_version(Role::Targets, next.version)?;
        next.check_time(Role::Targets, now)?;
        self.targets = Some(next);
        Ok(())
    }

    /// A file that the targets list.
    ///
    /// # Errors
    /// When they do not, or it has no usable digest.
    pub fn target(&self, name: &str) -> Result<Target, TufError> {
        let targets = self.targets.as_ref().ok_or(TufError::Order)?;
        let missing = || TufError::NoTarget { name: quoted(name) };
        let target = targets.signed.targets.get(name).ok_or_else(missing)?;
        let digest = strongest(&target.hashes).ok_or_else(missing)?;
        Ok(Target { length: target.length, digest })
    }

    fn snapshot_pin(&self) -> Result<&Pin, TufError> {
        self.timestamp.as_ref().ok_or(TufError::Order)?.signed.snapshot()
    }

    fn targets_pin(&self) -> Result<&Pin, TufError> {
        self.snapshot.as_ref().ok_or(TufError::Order)?.signed.targets()
    }
}

impl Target {
    /// Checks that these bytes are the file.
    ///
    /// # Errors
    /// When they are not.
    pub fn check(&self, bytes: &[u8]) -> Result<(), TufError> {
        if u64::try_from(bytes.len()) != Ok(self.length) {
            return Err(TufError::Length { what: "the file", expected: self.length, found: bytes.len() });
        }
        if !self.digest.matches(bytes) {
            return Err(TufError::Hash { what: "the file" });
        }
        Ok(())
    }
}

fn check_not_older(role: Role, before: u64, found: u64) -> Result<(), TufError> {
    if found < before { Err(TufError::Rollback { role, before, found }) } else { Ok(()) }
}

/// SHA-512 if it is there, otherwise SHA-256.
fn strongest(hashes: &BTreeMap<String, String>) -> Option<Digest> {
    let digest = |name: &str| Digest::parse(&format!("{name}:{}", hashes.get(name)?)).ok();
    digest("sha512").or_else(|| digest("sha256"))
}

#[cfg(test)]
mod tests;
