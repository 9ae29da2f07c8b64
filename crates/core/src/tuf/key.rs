//! Keys of roles.

use serde::Deserialize;

use crate::digest::bytes_of_hex;
use crate::trust::{Algorithm, PssSalt, PublicKey, pem};

/// A key as metadata has it (section 4.2 of the specification).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Key {
    scheme: String,
    keyval: KeyValue,
}

#[derive(Clone, Debug, Deserialize)]
struct KeyValue {
    public: String,
}

/// Before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Before the 65 bytes of an uncompressed point on P-256 (RFC 5480), as the first roots of Sigstore have their keys.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

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
        let raw = bytes_of_hex(&self.keyval.public).unwrap_or_default();
        let head = match (algorithm, raw.len()) {
            (Algorithm::Ed25519, 32) => Some(ED25519),
            (Algorithm::EcdsaSha256, 65) => Some(P256),
            _ => None,
        };
        let text = match head {
            Some(head) => pem::write("PUBLIC KEY", &[head, &raw].concat()),
            None => self.keyval.public.clone(),
        };
        PublicKey::from_pem(&text, algorithm, PssSalt::default()).ok()
    }
}
