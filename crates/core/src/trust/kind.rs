//! The kind of the key in a SubjectPublicKeyInfo (RFC 5280 section 4.1) or a PrivateKeyInfo (RFC 5208).

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use p256::pkcs8::PrivateKeyInfoRef;
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// secp256k1, of SEC 2: no RFC names it.
const SECP_256_K_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");

/// A curve of NIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the names of the curves")]
pub enum Curve {
    P256,
    P384,
    P521,
}

/// The kind of a key, from its algorithm identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    Ec(Curve),
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
        match identifier.oid {
            rfc5912::RSA_ENCRYPTION => Self::Rsa,
            // RFC 4055: a key with its own parameters. The algorithm is pinned here, so they are not needed.
            rfc5912::ID_RSASSA_PSS => Self::Other("restricted to RSASSA-PSS (id-RSASSA-PSS)"),
            rfc5912::ID_EC_PUBLIC_KEY => match identifier.parameters_oid() {
                Ok(rfc5912::SECP_256_R_1) => Self::Ec(Curve::P256),
                Ok(rfc5912::SECP_384_R_1) => Self::Ec(Curve::P384),
                Ok(rfc5912::SECP_521_R_1) => Self::Ec(Curve::P521),
                Ok(SECP_256_K_1) => Self::Other("secp256k1"),
                _ => Self::Other("elliptic-curve with an unsupported curve"),
            },
            rfc8410::ID_ED_25519 => Self::Ed25519,
            rfc8410::ID_ED_448 => Self::Other("Ed448"),
            _ => Self::Other("unknown"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec(Curve::P256) => "P-256",
            Self::Ec(Curve::P384) => "P-384",
            Self::Ec(Curve::P521) => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::Other(name) => name,
        }
    }
}
