//! Signature algorithms.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm: scheme, padding and hash, so that a signature leaves no parameter open.
///
/// The first three names are from Alibaba Cloud KMS; the others follow their pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 (RFC 8017 section 8.1).
    RsaPssSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2).
    RsaPkcs1Sha256,
    /// ECDSA on P-256 with SHA-256.
    EcdsaSha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaSha384,
    /// Ed25519 over the message itself (RFC 8032 section 5.1).
    Ed25519,
    /// Ed25519ph, over the SHA-512 of the message, with an empty context: what `cosign sign` makes with an Ed25519 key.
    Ed25519ph,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 6] = [
        Self::RsaPssSha256,
        Self::RsaPkcs1Sha256,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::Ed25519,
        Self::Ed25519ph,
    ];

    /// The name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaPssSha256 => "RSA_PSS_SHA_256",
            Self::RsaPkcs1Sha256 => "RSA_PKCS1_SHA_256",
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
            Self::Ed25519 => "ED25519",
            Self::Ed25519ph => "ED25519PH",
        }
    }

    /// The required kind of key, for messages.
    pub fn key_kind(self) -> &'static str {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 => "RSA",
            Self::EcdsaSha256 => "P-256",
            Self::EcdsaSha384 => "P-384",
            Self::Ed25519 | Self::Ed25519ph => "Ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Parses a name exactly as [`Algorithm::name`] writes it.
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(UnknownAlgorithm)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown algorithm; write one of RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, ECDSA_SHA_256, ECDSA_SHA_384, ED25519, ED25519PH"
)]
/// The error for a text that no [`Algorithm::name`] is equal to.
pub struct UnknownAlgorithm;

/// The length of the RSASSA-PSS salt, which a signature does not contain: the policy must set it.
///
/// AWS, Google, Azure and Alibaba Cloud KMS use the length of the hash; Vault and OpenBao transit and Go's
/// `rsa.SignPSS` use the maximum by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PssSalt {
    /// This many bytes.
    Length(u16),
    /// The maximum for the modulus.
    Maximum,
}

impl Default for PssSalt {
    /// The length of SHA-256, 32 bytes.
    fn default() -> Self {
        Self::Length(32)
    }
}

impl fmt::Display for PssSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "{length}"),
            Self::Maximum => f.write_str("maximum"),
        }
    }
}
