//! The kind of the key in a SubjectPublicKeyInfo (RFC 5280 section 4.1) or a PrivateKeyInfo (RFC 5208).

use p256::pkcs8::PrivateKeyInfoRef;
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::Algorithm;

/// The kind of a key, from its algorithm identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
    /// A kind that no algorithm uses, for messages.
    Other(&'static str),
}

impl Kind {
    /// The kind, or `None` when `der` is not a SubjectPublicKeyInfo.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        Some(Self::identify(&SubjectPublicKeyInfoRef::try_from(der).ok()?.algorithm))
    }

    /// The kind, or `None` when `der` is not a PrivateKeyInfo.
    pub(super) fn of_private(der: &[u8]) -> Option<Self> {
        Some(Self::identify(&PrivateKeyInfoRef::try_from(der).ok()?.algorithm))
    }

    fn identify(identifier: &AlgorithmIdentifierRef<'_>) -> Self {
        let curve = || identifier.parameters_oid().ok().map(|oid| oid.to_string());
        match identifier.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => Self::Rsa,
            // RFC 4055: a key with its own parameters. The algorithm is pinned here, so they are not needed.
            "1.2.840.113549.1.1.10" => Self::Other("RSASSA-PSS only (id-RSASSA-PSS)"),
            "1.2.840.10045.2.1" => match curve().as_deref() {
                Some("1.2.840.10045.3.1.7") => Self::P256,
                Some("1.3.132.0.34") => Self::P384,
                Some("1.3.132.0.35") => Self::Other("P-521"),
                Some("1.3.132.0.10") => Self::Other("secp256k1"),
                _ => Self::Other("elliptic-curve, of a curve that is not supported,"),
            },
            "1.3.101.112" => Self::Ed25519,
            "1.3.101.113" => Self::Other("Ed448"),
            _ => Self::Other("unknown"),
        }
    }

    pub(super) fn fits(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::RsaPssSha256 | Algorithm::RsaPkcs1Sha256 => self == Self::Rsa,
            Algorithm::EcdsaSha256 => self == Self::P256,
            Algorithm::EcdsaSha384 => self == Self::P384,
            Algorithm::Ed25519 | Algorithm::Ed25519ph => self == Self::Ed25519,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::Other(name) => name,
        }
    }
}
