//! The mechanism of a token for an algorithm, and its input.
//!
//! Source: PKCS #11 v2.40 and v3.0, "Current Mechanisms". Not every token can hash, and SoftHSM has ECDSA of a digest only.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};

use pullgate_core::trust::{Algorithm, HashFunction, Scheme};

/// A mechanism with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// RSASSA-PSS; the token hashes.
    PssOfMessage(HashFunction),
    /// RSASSA-PSS of a digest.
    PssOfDigest(HashFunction),
    /// RSASSA-PKCS1-v1_5; the token hashes.
    Pkcs1OfMessage(HashFunction),
    /// RSASSA-PKCS1-v1_5 of a DigestInfo.
    Pkcs1OfDigest(HashFunction),
    /// ECDSA of a digest.
    Ecdsa(HashFunction),
    /// Ed25519.
    Edwards,
}

impl How {
    pub(super) fn choose(algorithm: Algorithm, known: &[MechanismType]) -> Result<Self, &'static str> {
        let ways: &[Self] = match algorithm.scheme() {
            Scheme::RsaPss(hash) => &[Self::PssOfMessage(hash), Self::PssOfDigest(hash)],
            Scheme::RsaPkcs1(hash) => &[Self::Pkcs1OfMessage(hash), Self::Pkcs1OfDigest(hash)],
            Scheme::Ecdsa(_, hash) => &[Self::Ecdsa(hash)],
            Scheme::Ed25519 => &[Self::Edwards],
            Scheme::Ed25519ph => return Err("tokens sign with pure Ed25519 only; specify ED25519"),
        };
        let way = ways.iter().find(|way| known.contains(&way.mechanism().mechanism_type()));
        way.copied().ok_or("the token has no mechanism for it")
    }

    pub(super) fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::PssOfMessage(hash @ HashFunction::Sha256) => Mechanism::Sha256RsaPkcsPss(pss(hash)),
            Self::PssOfMessage(hash @ HashFunction::Sha384) => Mechanism::Sha384RsaPkcsPss(pss(hash)),
            Self::PssOfMessage(hash @ HashFunction::Sha512) => Mechanism::Sha512RsaPkcsPss(pss(hash)),
            Self::PssOfDigest(hash) => Mechanism::RsaPkcsPss(pss(hash)),
            Self::Pkcs1OfMessage(HashFunction::Sha256) => Mechanism::Sha256RsaPkcs,
            Self::Pkcs1OfMessage(HashFunction::Sha384) => Mechanism::Sha384RsaPkcs,
            Self::Pkcs1OfMessage(HashFunction::Sha512) => Mechanism::Sha512RsaPkcs,
            Self::Pkcs1OfDigest(_) => Mechanism::RsaPkcs,
            Self::Ecdsa(_) => Mechanism::Ecdsa,
            Self::Edwards => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        }
    }

    /// The mechanism's input for a message.
    pub(super) fn input(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::PssOfMessage(_) | Self::Pkcs1OfMessage(_) | Self::Edwards => message.to_vec(),
            Self::PssOfDigest(hash) | Self::Ecdsa(hash) => hash.digest(message),
            Self::Pkcs1OfDigest(hash) => [&digest_info(hash)[..], &hash.digest(message)].concat(),
        }
    }
}

/// The parameters with a salt of the length of the hash.
fn pss(hash: HashFunction) -> PkcsPssParams {
    let (hash_alg, mgf) = match hash {
        HashFunction::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        HashFunction::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        HashFunction::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    };
    PkcsPssParams { hash_alg, mgf, s_len: std::ffi::c_ulong::from(hash.bytes()).into() }
}

/// The DigestInfo without the digest (RFC 8017 section 9.2, note 1): the last byte of the object identifier and the two
/// lengths differ.
fn digest_info(hash: HashFunction) -> [u8; 19] {
    let (length, identifier, bytes) = match hash {
        HashFunction::Sha256 => (0x31, 0x01, 0x20),
        HashFunction::Sha384 => (0x41, 0x02, 0x30),
        HashFunction::Sha512 => (0x51, 0x03, 0x40),
    };
    [
        0x30, length, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, identifier,
        0x05, 0x00, 0x04, bytes,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token may or may not hash; both must sign the same bytes. SoftHSM hashes, so no other test takes this way.
    #[test]
    fn a_token_that_does_not_hash_signs_the_digest_info_of_rfc_8017() {
        for (algorithm, prefix) in [
            (Algorithm::RsaPkcs1Sha256, "3031300d060960864801650304020105000420"),
            (Algorithm::RsaPkcs1Sha384, "3041300d060960864801650304020205000430"),
            (Algorithm::RsaPkcs1Sha512, "3051300d060960864801650304020305000440"),
        ] {
            let how = How::choose(algorithm, &[MechanismType::RSA_PKCS]).unwrap();
            let Scheme::RsaPkcs1(hash) = algorithm.scheme() else { panic!("{algorithm}") };
            assert_eq!(how, How::Pkcs1OfDigest(hash), "{algorithm}");
            let input: String = how.input(b"message").iter().map(|byte| format!("{byte:02x}")).collect();
            let digest: String = hash.digest(b"message").iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(input, format!("{prefix}{digest}"), "{algorithm}");
        }
        for algorithm in Algorithm::ALL {
            assert!(How::choose(algorithm, &[]).is_err(), "{algorithm}");
        }
    }
}
