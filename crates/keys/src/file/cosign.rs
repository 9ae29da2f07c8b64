//! cosign's encrypted private keys: JSON with a NaCl secret box (XSalsa20-Poly1305) under a scrypt key.
//!
//! Source: `encrypted/encrypted.go` of secure-systems-lab/go-securesystemslib, which cosign uses. The content is PKCS#8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::encrypted_error::{EncryptedError, check_scrypt};
use super::secretbox;
use crate::PassphraseError;
use pullgate_core::json::{self, Bounds, Keys};

/// Bytes of a salt; go-securesystemslib uses 32.
const MAX_SALT: usize = 128;

/// Decrypts the JSON document of a PEM block.
pub(super) fn decrypt(
    document: &[u8],
    passphrase: impl FnOnce() -> Result<Zeroizing<String>, PassphraseError>,
) -> Result<Zeroizing<Vec<u8>>, EncryptedError> {
    let bounds = Bounds { depth: 4, values: 32, keys: Keys::AsGo };
    let document = json::parse(document, bounds).map_err(|_| EncryptedError::Scheme)?;
    let sealed = Sealed::read(&document).ok_or(EncryptedError::Scheme)?;
    check_scrypt(sealed.n, sealed.r, sealed.p)?;
    let parameters = sealed.parameters().ok_or(EncryptedError::Scheme)?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase()?.as_bytes(), &sealed.salt, &parameters, key.as_mut_slice())
        .map_err(|_| EncryptedError::Scheme)?;
    secretbox::open(&key, &sealed.nonce, &sealed.ciphertext).ok_or(EncryptedError::Wrong)
}

struct Sealed {
    n: u64,
    r: u64,
    p: u64,
    salt: Vec<u8>,
    nonce: [u8; secretbox::NONCE],
    ciphertext: Vec<u8>,
}

impl Sealed {
    fn read(document: &Value) -> Option<Self> {
        let (kdf, cipher) = (document.get("kdf")?, document.get("cipher")?);
        if kdf.get("name")?.as_str()? != "scrypt" || cipher.get("name")?.as_str()? != "nacl/secretbox" {
            return None;
        }
        let number = |name: &str| kdf.get("params")?.get(name)?.as_u64();
        let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok();
        Some(Self {
            n: number("N")?,
            r: number("r")?,
            p: number("p")?,
            salt: bytes(kdf.get("salt")?).filter(|salt| salt.len() <= MAX_SALT)?,
            nonce: bytes(cipher.get("nonce")?)?.try_into().ok()?,
            ciphertext: bytes(document.get("ciphertext")?)?,
        })
    }

    fn parameters(&self) -> Option<scrypt::Params> {
        let log = u8::try_from(self.n.checked_ilog2()?).ok()?;
        scrypt::Params::new(log, self.r.try_into().ok()?, self.p.try_into().ok()?).ok()
    }
}
