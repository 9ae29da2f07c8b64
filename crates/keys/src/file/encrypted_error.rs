//! Errors of decryption, and the limits of its cost.

use crate::PassphraseError;

/// Memory of scrypt: 128 · N · r bytes. OpenSSL's and cosign's keys need 16 and 32 MiB.
const MAX_MEMORY: u64 = 256 << 20;
/// The parameter p of scrypt: its work as a multiple of the memory.
const MAX_PARALLEL: u64 = 16;

/// Checks the parameters of scrypt (RFC 7914) against the limits.
pub(super) fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(), EncryptedError> {
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(EncryptedError::Scheme);
    }
    let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
    let allowed = memory.is_some_and(|memory| memory.saturating_mul(p) <= MAX_MEMORY) && p <= MAX_PARALLEL;
    if allowed { Ok(()) } else { Err(EncryptedError::TooExpensive) }
}

/// Why a key cannot be decrypted. Without any text of the file or the passphrase.
#[derive(Debug, thiserror::Error)]
pub enum EncryptedError {
    /// No passphrase.
    #[error("there is no passphrase")]
    Passphrase(#[from] PassphraseError),
    /// The wrong passphrase, or a damaged file: the two cannot be distinguished.
    #[error("the passphrase is wrong, or the file is damaged")]
    Wrong,
    /// An unknown or outdated kind of encryption.
    #[error(
        "its encryption is not supported; encrypt the key again with `openssl pkcs8 -topk8 -v2 aes256 -scrypt`"
    )]
    Scheme,
    /// Key derivation would take too much memory or time.
    #[error("its key derivation exceeds the limit of 256 MiB of memory or of 10,000,000 rounds")]
    TooExpensive,
}
