//! Keys of logs and authorities.

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use rcgen::{KeyPair, PublicKeyData as _};
use sha2::{Digest as _, Sha256};

use crate::secrets;

/// A P-256 key.
pub struct LogKey {
    pub(super) pair: KeyPair,
}

impl LogKey {
    pub(super) fn new() -> Self {
        Self { pair: secrets::new_key() }
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The identifier of a log with this key (RFC 6962 section 3.2).
    pub(super) fn id(&self) -> [u8; 32] {
        Sha256::digest(self.public()).into()
    }

    /// ECDSA with SHA-256, as DER.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key().sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    /// ECDSA with SHA-256, as the two numbers: what JSON Web Signatures have.
    pub(super) fn sign_raw(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key().sign(message);
        signature.to_bytes().to_vec()
    }

    /// Whether it made [`Self::sign_raw`]'s signature.
    pub(super) fn verifies_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key().verifying_key().verify(message, &signature).is_ok())
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_pkcs8_der(self.pair.serialized_der()).unwrap()
    }
}
