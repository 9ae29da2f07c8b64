//! Keys of roles.

use serde::Deserialize;

use crate::digest::bytes_of_hex;
use crate::trust::{Algorithm, PssSalt, PublicKey, pem};

/// A key as metadata has it (section 4.2 of the specification).
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    scheme: String,
    keyval: KeyValue,
}

#[derive(Debug, Deserialize)]
struct KeyValue {
    public: String,
}

/// Before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Key {
    /// The key with the one algorithm of its scheme; `None` for schemes that are not read, whose signatures do not count.
    pub(super) fn public(&self) -> Option<PublicKey> {
        let algorithm = match self.scheme.as_str() {
            "ecdsa-sha2-nistp256" => Algorithm::EcdsaSha256,
            "ecdsa-sha2-nistp384" => Algorithm::EcdsaSha384,
            "rsassa-pss-sha256" => Algorithm::RsaPssSha256,
            "ed25519" => Algorithm::Ed25519,
            _ => return None,
        };
        let text = match bytes_of_hex(&self.keyval.public) {
            Some(raw) if algorithm == Algorithm::Ed25519 && raw.len() == 32 => {
                pem::write("PUBLIC KEY", &[&ED25519[..], &raw].concat())
            }
            _ => self.keyval.public.clone(),
        };
        PublicKey::from_pem(&text, algorithm, PssSalt::default()).ok()
    }
}
