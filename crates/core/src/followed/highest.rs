//! The highest version that was seen: what is older is not accepted.

use super::error::FollowError;
use super::verified::Verified;
use super::version::Version;
use crate::digest::Digest;

/// The highest version that was verified, and the digest of its manifest: nothing older is accepted, and nothing else of the
/// same version. It must be stored before the document is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highest {
    version: Version,
    digest: Digest,
}

/// A verified document that is not older than any that was seen: the proof that it may be put in force.
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
    pub fn verified(&self) -> &Verified {
        &self.0
    }
}
