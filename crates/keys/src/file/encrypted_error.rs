//! Why an encrypted private key cannot be decrypted, and what decrypting may cost.

use crate::PassphraseError;

/// Memory that scrypt takes: 128 · N · r bytes. OpenSSL's and cosign's keys take 16 and 32 MiB.
const MAX_MEMORY: u64 = 256 << 20;
/// Work of scrypt as a multiple of the memory: its parameter p.
const MAX_PARALLEL: u64 = 16;

/// Whether scrypt with these parameters (RFC 7914) is computed here.
pub(super) fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(), EncryptedError> {
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(EncryptedError::Scheme);
    }
    let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
    let paid = memory.is_some_and(|memory| memory.saturating_mul(p) <= MAX_MEMORY) && p <= MAX_PARALLEL;
    if paid { Ok(()) } else { Err(EncryptedError::Dear) }
}

/// Why an encrypted key cannot be decrypted. Nothing of the file or the passphrase is in it.
#[derive(Debug, thiserror::Error)]
pub enum EncryptedError {
    /// There is no passphrase.
    #[error("there is no passphrase")]
    Passphrase(#[from] PassphraseError),
    /// The wrong passphrase, or a damaged file: the two cannot be told apart.
    #[error("the passphrase is wrong, or the file is damaged")]
    Wrong,
    /// An unknown or outdated kind of encryption.
    #[error(
        "it is encrypted in a way that is not supported; encrypt it again with `openssl pkcs8 -topk8 -v2 aes256 -scrypt`"
    )]
    Scheme,
    /// It would take too much memory or time.
    #[error("it asks for more work or memory to be decrypted than is given (256 MiB, 10,000,000 rounds)")]
    Dear,
}
