//! Keys of logs and authorities.

use p256::ecdsa::signature::Signer as _;
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
        let key = SigningKey::from_pkcs8_der(self.pair.serialized_der()).unwrap();
        let signature: Signature = key.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}
