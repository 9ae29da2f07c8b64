//! Versions of documents, and the highest that was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::FollowError;
use super::verified::Verified;
use crate::digest::Digest;

/// The version of a document, which the operator counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Version(u64);

impl Version {
    /// The highest: what every JSON parser keeps exactly (RFC 8259, section 6).
    pub const MAX: u64 = (1 << 53) - 1;

    /// A version, from 1 to [`Version::MAX`].
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for Version {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("not a version")
    }
}

impl From<Version> for u64 {
    fn from(version: Version) -> Self {
        version.0
    }
}

/// The highest version that was verified, and the digest of its manifest: nothing older is accepted, and nothing else of the
/// same version. It must be stored before the document is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highest {
    version: Version,
    digest: Digest,
}

/// A verified document that is not older than any that was seen: proof for whoever puts it in force.
#[derive(Clone, Debug)]
#[must_use]
pub struct Accepted(Verified);

impl Highest {
    /// What was stored.
    #[must_use]
    pub fn stored(version: Version, digest: Digest) -> Self {
        Self { version, digest }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Accepts a document after `seen`, and returns what has been seen then.
    ///
    /// # Errors
    /// When a higher version was seen, or another document of this version.
    pub fn accept(seen: Option<&Self>, verified: Verified) -> Result<(Accepted, Self), FollowError> {
        let (version, digest) = (verified.document().version(), verified.digest().clone());
        if let Some(seen) = seen {
            if version < seen.version {
                return Err(FollowError::Rollback { offered: version, highest: seen.version });
            }
            if version == seen.version && digest != seen.digest {
                return Err(FollowError::Conflict { version });
            }
        }
        Ok((Accepted(verified), Self { version, digest }))
    }
}

impl Accepted {
    /// The last good document of this node. It was accepted once, and nothing but this node stores it.
    pub fn last_good(verified: Verified) -> Self {
        Self(verified)
    }

    /// The document.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.0
    }
}
