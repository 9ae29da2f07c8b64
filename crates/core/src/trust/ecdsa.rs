//! ECDSA on P-256, P-384 and P-521.
//!
//! Signatures are ASN.1 DER (RFC 3279 section 2.2.3) without trailing bytes. A high s is accepted: cosign, Go and key
//! services make both forms, and the bytes of a signature are never used as an identity.
//!
//! The RustCrypto crates parse keys and sign; `ring` verifies P-256, several times faster, and P-384, about as fast. It has
//! no P-521.

use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, EcdsaVerificationAlgorithm,
    UnparsedPublicKey,
};

use super::hash::HashFunction;
use super::kind::Curve;
use super::{Algorithm, KeyError, Scheme};

/// What precedes the 33 bytes of a compressed point on P-256 in a SubjectPublicKeyInfo (RFC 5480 section 2).
const P256_COMPRESSED: [u8; 26] = [
    0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00,
];
/// The same for the 49 bytes of a compressed point on P-384.
const P384_COMPRESSED: [u8; 23] = [
    0x30, 0x46, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x32, 0x00,
];
/// The same for the 67 bytes of a compressed point on P-521.
const P521_COMPRESSED: [u8; 23] = [
    0x30, 0x58, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x23, 0x03, 0x44, 0x00,
];

/// The same expression for a key on each curve.
macro_rules! on_curve {
    ($keys:ident, $value:expr, $key:ident => $expression:expr) => {
        match $value {
            $keys::P256($key) => $expression,
            $keys::P384($key) => $expression,
            $keys::P521($key) => $expression,
        }
    };
}

#[derive(Clone)]
enum PublicOn {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

#[derive(Clone)]
pub(super) struct Public {
    key: PublicOn,
    hash: HashFunction,
}

impl Public {
    pub(super) fn read(der: &[u8], curve: Curve, hash: HashFunction) -> Result<Self, KeyError> {
        let key = match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_public_key_der(der).map(PublicOn::P256),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_public_key_der(der).map(PublicOn::P384),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_public_key_der(der).map(PublicOn::P521),
        };
        Ok(Self { key: key.map_err(|_| KeyError::Malformed)?, hash })
    }

    /// The SubjectPublicKeyInfo with the point uncompressed.
    pub(super) fn der(&self) -> Option<Vec<u8>> {
        let der = on_curve!(PublicOn, &self.key, key => key.to_public_key_der());
        Some(der.ok()?.into_vec())
    }

    /// The SubjectPublicKeyInfo with the point compressed, as `openssl ec -conv_form compressed` writes it.
    pub(super) fn compressed_der(&self) -> Vec<u8> {
        let before = match self.key {
            PublicOn::P256(_) => &P256_COMPRESSED[..],
            PublicOn::P384(_) => &P384_COMPRESSED[..],
            PublicOn::P521(_) => &P521_COMPRESSED[..],
        };
        on_curve!(PublicOn, &self.key, key => [before, key.to_sec1_point(true).as_bytes()].concat())
    }

    /// Whether the signature is valid; `None` when it is not DER of two numbers in range.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let by_ring = |algorithm: &'static EcdsaVerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
        };
        match (&self.key, self.hash) {
            (PublicOn::P256(key), HashFunction::Sha256) => {
                p256::ecdsa::Signature::from_der(signature).ok()?;
                Some(by_ring(&ECDSA_P256_SHA256_ASN1, key.to_sec1_point(false).as_bytes()))
            }
            (PublicOn::P384(key), HashFunction::Sha256 | HashFunction::Sha384) => {
                p384::ecdsa::Signature::from_der(signature).ok()?;
                let algorithm = match self.hash {
                    HashFunction::Sha256 => &ECDSA_P384_SHA256_ASN1,
                    _ => &ECDSA_P384_SHA384_ASN1,
                };
                Some(by_ring(algorithm, key.to_sec1_point(false).as_bytes()))
            }
            (PublicOn::P521(key), hash) => {
                let signature = p521::ecdsa::Signature::from_der(signature).ok()?;
                Some(key.verify_prehash(&hash.digest(message), &signature).is_ok())
            }
            // No algorithm of a policy combines them; gpg does where the user prefers a longer hash.
            (PublicOn::P256(key), hash) => {
                let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
                Some(key.verify_prehash(&hash.digest(message), &signature).is_ok())
            }
            (PublicOn::P384(key), hash) => {
                let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
                Some(key.verify_prehash(&hash.digest(message), &signature).is_ok())
            }
        }
    }
}

/// The DER form of a signature of two concatenated numbers (IEEE P1363), which tokens and some services return.
#[must_use]
pub fn der_of_raw(algorithm: Algorithm, raw: &[u8]) -> Option<Vec<u8>> {
    let Scheme::Ecdsa(curve, _) = algorithm.scheme() else { return None };
    Some(match curve {
        Curve::P256 => p256::ecdsa::Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec(),
        Curve::P384 => p384::ecdsa::Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec(),
        Curve::P521 => p521::ecdsa::Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec(),
    })
}

/// The two numbers of a signature in DER, concatenated: the reverse of [`der_of_raw`].
#[must_use]
pub fn raw_of_der(algorithm: Algorithm, der: &[u8]) -> Option<Vec<u8>> {
    let Scheme::Ecdsa(curve, _) = algorithm.scheme() else { return None };
    Some(match curve {
        Curve::P256 => p256::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
        Curve::P384 => p384::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
        Curve::P521 => p521::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
    })
}

/// The keys are wiped by their crates when they are dropped.
enum PrivateOn {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// A private key.
pub(super) struct Private {
    key: PrivateOn,
    hash: HashFunction,
}

impl Private {
    /// Parses PKCS#8, or SEC1 when `sec1` is set.
    pub(super) fn read(der: &[u8], sec1: bool, curve: Curve, hash: HashFunction) -> Option<Self> {
        /// Both encodings have the same parsers for each curve.
        macro_rules! parse {
            ($curve:ident) => {
                if sec1 {
                    $curve::SecretKey::from_sec1_der(der).ok()?
                } else {
                    $curve::SecretKey::from_pkcs8_der(der).ok()?
                }
            };
        }
        let key = match curve {
            Curve::P256 => PrivateOn::P256(parse!(p256).into()),
            Curve::P384 => PrivateOn::P384(parse!(p384).into()),
            Curve::P521 => PrivateOn::P521(parse!(p521).into()),
        };
        Some(Self { key, hash })
    }

    pub(super) fn public_der(&self) -> Option<Vec<u8>> {
        let der = on_curve!(PrivateOn, &self.key, key => key.verifying_key().to_public_key_der());
        Some(der.ok()?.into_vec())
    }

    /// A signature in DER with the deterministic nonce of RFC 6979, which needs no random numbers.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let digest = self.hash.digest(message);
        match &self.key {
            PrivateOn::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            PrivateOn::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            PrivateOn::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}
