//! Encrypted private keys: PKCS#8 with PBES2 (RFC 8018), and cosign's format.
//!
//! The file sets the cost of its key derivation, which is checked before anything is computed.

use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::cosign;
use super::encrypted_error::{EncryptedError, check_scrypt};
use crate::PassphraseError;
use pullgate_core::trust::{pem, random};

/// Iterations of PBKDF2; OpenSSL uses 2048, and OWASP recommends 600,000.
const MAX_ROUNDS: u32 = 10_000_000;

/// The key in `text` as an unencrypted PEM block, or `None` when it is not encrypted. Reads the passphrase only if it is.
///
/// # Errors
/// When it cannot be decrypted, or the key derivation would cost too much.
pub(super) fn decrypt(
    text: &str,
    passphrase: impl FnOnce() -> Result<Zeroizing<String>, PassphraseError>,
) -> Result<Option<Zeroizing<String>>, EncryptedError> {
    // Text that is not PEM is reported when it is read as a key.
    let Ok(block) = pem::read_one(text) else { return Ok(None) };
    let der = match block.label {
        "ENCRYPTED PRIVATE KEY" => pkcs8(&block.der, passphrase)?,
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
            cosign::decrypt(&block.der, passphrase)?
        }
        _ => return Ok(None),
    };
    Ok(Some(Zeroizing::new(pem::write("PRIVATE KEY", &der))))
}

fn pkcs8(
    der: &[u8],
    passphrase: impl FnOnce() -> Result<Zeroizing<String>, PassphraseError>,
) -> Result<Zeroizing<Vec<u8>>, EncryptedError> {
    let key = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| EncryptedError::Scheme)?;
    let EncryptionScheme::Pbes2(parameters) = &key.encryption_algorithm else {
        return Err(EncryptedError::Scheme);
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) if kdf.iteration_count <= MAX_ROUNDS => {}
        Kdf::Scrypt(kdf) => {
            check_scrypt(kdf.cost_parameter, kdf.block_size.into(), kdf.parallelization.into())?;
        }
        Kdf::Pbkdf2(_) => return Err(EncryptedError::TooExpensive),
        _ => return Err(EncryptedError::Scheme),
    }
    let plain = key.encryption_algorithm.decrypt(passphrase()?.as_bytes(), key.encrypted_data.as_bytes());
    match plain {
        Ok(plain) => Ok(Zeroizing::new(plain)),
        Err(pkcs8::pkcs5::Error::DecryptFailed | pkcs8::pkcs5::Error::EncryptFailed) => {
            Err(EncryptedError::Wrong)
        }
        Err(_) => Err(EncryptedError::Scheme),
    }
}

/// Encrypts PKCS#8 in the format of OpenSSL: scrypt with 16 MiB and p = 5 (OWASP's parameters for the memory that OpenSSL
/// allows by default), AES-256-CBC.
pub(crate) fn encrypt(der: &[u8], passphrase: &str) -> Option<Vec<u8>> {
    let (salt, vector) = (random::<16>()?, random::<16>()?);
    let cost = scrypt::Params::new(14, 8, 5).ok()?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &*salt, *vector).ok()?;
    let key = PrivateKeyInfoRef::try_from(der).ok()?;
    Some(key.encrypt_with_params(parameters, passphrase).ok()?.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
