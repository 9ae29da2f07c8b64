//! The mechanism of a token for an algorithm, and its input.
//!
//! Source: PKCS #11 v2.40 and v3.0, "Current Mechanisms". Not every token can hash, and SoftHSM has ECDSA of a digest only.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use sha2::{Digest as _, Sha256, Sha384};

use pullgate_core::trust::Algorithm;

/// The DigestInfo of a SHA-256 without the digest (RFC 8017 section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// A mechanism with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// RSASSA-PSS; the token hashes.
    PssOfMessage,
    /// RSASSA-PSS of a digest.
    PssOfDigest,
    /// RSASSA-PKCS1-v1_5; the token hashes.
    Pkcs1OfMessage,
    /// RSASSA-PKCS1-v1_5 of a DigestInfo.
    Pkcs1OfDigest,
    /// ECDSA of a SHA-256.
    Ecdsa256,
    /// ECDSA of a SHA-384.
    Ecdsa384,
    /// Ed25519.
    Edwards,
}

impl How {
    pub(super) fn choose(algorithm: Algorithm, known: &[MechanismType]) -> Result<Self, &'static str> {
        let ways: &[(MechanismType, Self)] = match algorithm {
            Algorithm::RsaPssSha256 => &[
                (MechanismType::SHA256_RSA_PKCS_PSS, Self::PssOfMessage),
                (MechanismType::RSA_PKCS_PSS, Self::PssOfDigest),
            ],
            Algorithm::RsaPkcs1Sha256 => &[
                (MechanismType::SHA256_RSA_PKCS, Self::Pkcs1OfMessage),
                (MechanismType::RSA_PKCS, Self::Pkcs1OfDigest),
            ],
            Algorithm::EcdsaSha256 => &[(MechanismType::ECDSA, Self::Ecdsa256)],
            Algorithm::EcdsaSha384 => &[(MechanismType::ECDSA, Self::Ecdsa384)],
            Algorithm::Ed25519 => &[(MechanismType::EDDSA, Self::Edwards)],
            Algorithm::Ed25519ph => return Err("tokens sign with pure Ed25519 only; specify ED25519"),
        };
        let way = ways.iter().find(|(mechanism, _)| known.contains(mechanism));
        way.map(|(_, way)| *way).ok_or("the token has no mechanism for it")
    }

    pub(super) fn mechanism(self) -> Mechanism<'static> {
        let pss = PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: 32.into(),
        };
        match self {
            Self::PssOfMessage => Mechanism::Sha256RsaPkcsPss(pss),
            Self::PssOfDigest => Mechanism::RsaPkcsPss(pss),
            Self::Pkcs1OfMessage => Mechanism::Sha256RsaPkcs,
            Self::Pkcs1OfDigest => Mechanism::RsaPkcs,
            Self::Ecdsa256 | Self::Ecdsa384 => Mechanism::Ecdsa,
            Self::Edwards => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        }
    }

    /// The mechanism's input for a message.
    pub(super) fn input(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::PssOfMessage | Self::Pkcs1OfMessage | Self::Edwards => message.to_vec(),
            Self::PssOfDigest | Self::Ecdsa256 => Sha256::digest(message).to_vec(),
            Self::Ecdsa384 => Sha384::digest(message).to_vec(),
            Self::Pkcs1OfDigest => [&DIGEST_INFO[..], &Sha256::digest(message)].concat(),
        }
    }
}
