//! Versions of documents.

use std::fmt;

use serde::{Deserialize, Serialize};

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
