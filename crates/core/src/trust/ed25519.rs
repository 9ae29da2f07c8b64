//! Ed25519 and Ed25519ph (RFC 8032), verified strictly: no points of small order, no non-canonical encodings.

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::KeyError;

#[derive(Clone)]
pub(super) struct Public {
    key: VerifyingKey,
    prehashed: bool,
}

impl Public {
    pub(super) fn read(der: &[u8], prehashed: bool) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_der(der).map_err(|_| KeyError::Malformed)?;
        // A weak key verifies signatures that its owner never made; a second encoding would be a second fingerprint.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != key.as_bytes() {
            return Err(KeyError::WeakPoint);
        }
        Ok(Self { key, prehashed })
    }

    pub(super) fn der(&self) -> Option<Vec<u8>> {
        Some(self.key.to_public_key_der().ok()?.into_vec())
    }

    /// Whether the signature is valid; `None` when it does not have 64 bytes.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let signature = Signature::from_slice(signature).ok()?;
        let verified = if self.prehashed {
            self.key.verify_prehashed_strict(Sha512::new_with_prefix(message), None, &signature)
        } else {
            self.key.verify_strict(message, &signature)
        };
        Some(verified.is_ok())
    }
}

/// A private key; the crate wipes it when it is dropped.
pub(super) struct Private {
    key: SigningKey,
    prehashed: bool,
}

impl Private {
    /// Reads PKCS#8 (RFC 8410).
    pub(super) fn read(der: &[u8], prehashed: bool) -> Option<Self> {
        Some(Self { key: SigningKey::from_pkcs8_der(der).ok()?, prehashed })
    }

    pub(super) fn public_der(&self) -> Option<Vec<u8>> {
        Some(self.key.verifying_key().to_public_key_der().ok()?.into_vec())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = if self.prehashed {
            self.key.sign_prehashed(Sha512::new_with_prefix(message), None)
        } else {
            self.key.try_sign(message)
        };
        Some(signature.ok()?.to_bytes().to_vec())
    }
}
