//! ECDSA on P-256 with SHA-256 and on P-384 with SHA-384.
//!
//! Signatures are ASN.1 DER (RFC 3279 section 2.2.3) without trailing bytes. A high s is accepted: cosign, Go and key
//! services make both forms, and the bytes of a signature are never used as an identity.
//!
//! The RustCrypto crates parse keys and sign; `ring` verifies, several times faster.

use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};

use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};

use super::{Algorithm, KeyError};

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

#[derive(Clone)]
pub(super) enum Public {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl Public {
    pub(super) fn p256(der: &[u8]) -> Result<Self, KeyError> {
        p256::ecdsa::VerifyingKey::from_public_key_der(der).map(Self::P256).map_err(|_| KeyError::Malformed)
    }

    pub(super) fn p384(der: &[u8]) -> Result<Self, KeyError> {
        p384::ecdsa::VerifyingKey::from_public_key_der(der).map(Self::P384).map_err(|_| KeyError::Malformed)
    }

    /// The SubjectPublicKeyInfo with the point uncompressed.
    pub(super) fn der(&self) -> Option<Vec<u8>> {
        let der = match self {
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
        };
        Some(der.ok()?.into_vec())
    }

    /// The SubjectPublicKeyInfo with the point compressed, as `openssl ec -conv_form compressed` writes it.
    pub(super) fn compressed_der(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => [&P256_COMPRESSED[..], key.to_sec1_point(true).as_bytes()].concat(),
            Self::P384(key) => [&P384_COMPRESSED[..], key.to_sec1_point(true).as_bytes()].concat(),
        }
    }

    /// Whether the signature is valid; `None` when it is not DER of two numbers in range.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        match self {
            Self::P256(key) => {
                p256::ecdsa::Signature::from_der(signature).ok()?;
                let point = key.to_sec1_point(false);
                Some(
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok(),
                )
            }
            Self::P384(key) => {
                p384::ecdsa::Signature::from_der(signature).ok()?;
                let point = key.to_sec1_point(false);
                Some(
                    UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).verify(message, signature).is_ok(),
                )
            }
        }
    }
}

/// The DER form of a signature of two concatenated numbers (IEEE P1363), which tokens and some services return.
pub fn der_of_raw(algorithm: Algorithm, raw: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::EcdsaSha256 => {
            Some(p256::ecdsa::Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec())
        }
        Algorithm::EcdsaSha384 => {
            Some(p384::ecdsa::Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec())
        }
        _ => None,
    }
}

/// A private key; the crates wipe it when it is dropped.
pub(super) enum Private {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
}

impl Private {
    /// Parses PKCS#8, or SEC1 when `sec1` is set.
    pub(super) fn p256(der: &[u8], sec1: bool) -> Option<Self> {
        let key = if sec1 {
            p256::SecretKey::from_sec1_der(der).ok()?
        } else {
            p256::SecretKey::from_pkcs8_der(der).ok()?
        };
        Some(Self::P256(key.into()))
    }

    /// Parses PKCS#8, or SEC1 when `sec1` is set.
    pub(super) fn p384(der: &[u8], sec1: bool) -> Option<Self> {
        let key = if sec1 {
            p384::SecretKey::from_sec1_der(der).ok()?
        } else {
            p384::SecretKey::from_pkcs8_der(der).ok()?
        };
        Some(Self::P384(key.into()))
    }

    pub(super) fn public_der(&self) -> Option<Vec<u8>> {
        let public = match self {
            Self::P256(key) => Public::P256(*key.verifying_key()),
            Self::P384(key) => Public::P384(*key.verifying_key()),
        };
        public.der()
    }

    /// A signature in DER with the deterministic nonce of RFC 6979, which needs no random numbers.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        use p256::ecdsa::signature::Signer as _;
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}
