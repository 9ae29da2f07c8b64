//! The hash algorithms of OpenPGP (RFC 9580 section 9.5).

use crate::trust::HashFunction;

/// A hash algorithm, by how far its signatures are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// SHA-2 from 256 bits on.
    Strong(HashFunction),
    /// SHA-1: what it signs can restrict a key, and grants nothing.
    Sha1,
    /// All others are not computed.
    Other(u8),
}

impl Hash {
    pub(super) fn of(number: u8) -> Self {
        match number {
            2 => Self::Sha1,
            8 => Self::Strong(HashFunction::Sha256),
            9 => Self::Strong(HashFunction::Sha384),
            10 => Self::Strong(HashFunction::Sha512),
            other => Self::Other(other),
        }
    }

    /// Its name, for messages.
    pub(super) fn name(self) -> String {
        match self {
            Self::Strong(HashFunction::Sha256) => "SHA-256".to_owned(),
            Self::Strong(HashFunction::Sha384) => "SHA-384".to_owned(),
            Self::Strong(HashFunction::Sha512) => "SHA-512".to_owned(),
            Self::Sha1 => "SHA-1".to_owned(),
            Self::Other(1) => "MD5".to_owned(),
            Self::Other(3) => "RIPEMD-160".to_owned(),
            Self::Other(11) => "SHA-224".to_owned(),
            Self::Other(number) => format!("hash algorithm {number}"),
        }
    }
}
