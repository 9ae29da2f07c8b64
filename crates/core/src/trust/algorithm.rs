//! Signature algorithms.

use std::fmt;
use std::str::FromStr;

use super::hash::HashFunction;
use super::kind::{Curve, Kind};

/// How an algorithm signs: the construction, the curve and the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PSS, MGF1 with the same hash (RFC 8017 section 8.1).
    RsaPss(HashFunction),
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    RsaPkcs1(HashFunction),
    /// ECDSA, of a key on this curve.
    Ecdsa(Curve, HashFunction),
    /// Ed25519 over the message itself (RFC 8032 section 5.1).
    Ed25519,
    /// Ed25519ph, over the SHA-512 of the message, with an empty context.
    Ed25519ph,
}

/// Declares the algorithms: each with its name in a policy and its scheme.
macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $scheme:expr;)*) => {
        /// A signature algorithm: scheme, padding, curve and hash, so that a signature leaves no parameter open.
        ///
        /// The names are those of Alibaba Cloud KMS and follow their pattern. A name with a hash and no curve is for the
        /// curve of the same size, which is what most tools sign with; a name with a curve is for the other hash.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Algorithm {
            $($(#[$doc])* $variant,)*
        }

        impl Algorithm {
            /// All algorithms.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The names of all algorithms, for messages and documentation.
            pub const NAMES: &str = {
                const NAMES: &str = concat!($($name, ", "),*);
                NAMES.split_at(NAMES.len() - 2).0
            };

            /// The name in a policy.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the name stands for.
            #[must_use]
            pub fn scheme(self) -> Scheme {
                use {Curve::*, HashFunction::*, Scheme::*};
                match self {
                    $(Self::$variant => $scheme,)*
                }
            }
        }
    };
}

algorithms! {
    /// RSASSA-PSS with SHA-256.
    RsaPssSha256 = "RSA_PSS_SHA_256", RsaPss(Sha256);
    /// RSASSA-PSS with SHA-384: Azure Key Vault (PS384), AWS KMS.
    RsaPssSha384 = "RSA_PSS_SHA_384", RsaPss(Sha384);
    /// RSASSA-PSS with SHA-512: Azure Key Vault (PS512), AWS and Google Cloud KMS.
    RsaPssSha512 = "RSA_PSS_SHA_512", RsaPss(Sha512);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256 = "RSA_PKCS1_SHA_256", RsaPkcs1(Sha256);
    /// RSASSA-PKCS1-v1_5 with SHA-384: `cosign` with a key of 3072 bits in Azure Key Vault.
    RsaPkcs1Sha384 = "RSA_PKCS1_SHA_384", RsaPkcs1(Sha384);
    /// RSASSA-PKCS1-v1_5 with SHA-512: `cosign` with a key of 4096 bits in Azure Key Vault, Google Cloud KMS.
    RsaPkcs1Sha512 = "RSA_PKCS1_SHA_512", RsaPkcs1(Sha512);
    /// ECDSA on P-256 with SHA-256.
    EcdsaSha256 = "ECDSA_SHA_256", Ecdsa(P256, Sha256);
    /// ECDSA on P-384 with SHA-384.
    EcdsaSha384 = "ECDSA_SHA_384", Ecdsa(P384, Sha384);
    /// ECDSA on P-521 with SHA-512.
    EcdsaSha512 = "ECDSA_SHA_512", Ecdsa(P521, Sha512);
    /// ECDSA on P-384 with SHA-256: cosign up to 2.5, and containers/image (skopeo, podman) to this day.
    EcdsaP384Sha256 = "ECDSA_P384_SHA_256", Ecdsa(P384, Sha256);
    /// ECDSA on P-521 with SHA-256: as for P-384.
    EcdsaP521Sha256 = "ECDSA_P521_SHA_256", Ecdsa(P521, Sha256);
    /// Ed25519 over the message itself.
    Ed25519 = "ED25519", Ed25519;
    /// Ed25519ph: what `cosign sign` makes with an Ed25519 key.
    Ed25519ph = "ED25519PH", Ed25519ph;
}

impl Algorithm {
    /// Reads a key for the usual algorithm of its kind: what most tools sign with. RSA has none, because its padding must
    /// be chosen.
    ///
    /// # Errors
    /// When the key has no usual algorithm.
    pub fn usual_of<T, E>(read: impl Fn(Self) -> Result<T, E>) -> Result<T, E> {
        let usual = [Self::EcdsaSha384, Self::EcdsaSha512, Self::Ed25519];
        let first = read(Self::EcdsaSha256);
        usual
            .into_iter()
            .fold(first, |found, algorithm| found.or_else(|error| read(algorithm).map_err(|_| error)))
    }

    /// The required kind of key, for messages.
    #[must_use]
    pub fn key_kind(self) -> &'static str {
        self.kind().name()
    }

    /// Whether it is RSASSA-PSS, which has a salt.
    #[must_use]
    pub fn is_pss(self) -> bool {
        matches!(self.scheme(), Scheme::RsaPss(_))
    }

    /// Whether it needs an RSA key.
    #[must_use]
    pub fn is_rsa(self) -> bool {
        self.kind() == Kind::Rsa
    }

    /// The required kind of key.
    pub(super) fn kind(self) -> Kind {
        match self.scheme() {
            Scheme::RsaPss(_) | Scheme::RsaPkcs1(_) => Kind::Rsa,
            Scheme::Ecdsa(curve, _) => Kind::Ec(curve),
            Scheme::Ed25519 | Scheme::Ed25519ph => Kind::Ed25519,
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
#[error("unknown algorithm; write one of {}", Algorithm::NAMES)]
/// The error for a text that no [`Algorithm::name`] is equal to.
pub struct UnknownAlgorithm;

/// The length of the RSASSA-PSS salt, which a signature does not contain: the policy must set it.
///
/// AWS, Google, Azure and Alibaba Cloud KMS use the length of the hash; Vault and OpenBao transit and Go's
/// `rsa.SignPSS` use the maximum by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PssSalt {
    /// As many bytes as the hash of the algorithm.
    #[default]
    OfHash,
    /// This many bytes.
    Length(u16),
    /// The maximum for the modulus.
    Maximum,
}

impl PssSalt {
    /// Whether it is the length of `hash`, however it is written.
    #[must_use]
    pub fn is_of(self, hash: HashFunction) -> bool {
        matches!(self, Self::OfHash) || self == Self::Length(hash.bytes())
    }
}

impl fmt::Display for PssSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfHash => f.write_str("length of the hash"),
            Self::Length(length) => write!(f, "{length}"),
            Self::Maximum => f.write_str("maximum"),
        }
    }
}
