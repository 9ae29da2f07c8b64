//! Why a text is not a usable key.

use super::{Algorithm, PemError};

/// Maximum size of a PEM file: 64 KiB.
pub const MAX_PEM_BYTES: usize = 64 * 1024;

/// Smallest modulus, in bits (NIST SP 800-131A).
pub(super) const MIN_BITS: usize = 2048;
/// Largest modulus, in bits: more than key services make.
pub(super) const MAX_BITS: usize = 4096;

/// Why a text is not a usable key. Errors contain nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum KeyError {
    #[error("key file has {found} bytes, more than the limit of {MAX_PEM_BYTES}")]
    TooLarge { found: usize },
    #[error("key file is not one PEM block")]
    Pem(#[source] PemError),
    /// A private key where a public key is required.
    #[error(
        "found a private key where a public key belongs; write its public key here (`openssl pkey -pubout`), delete this file, \
         and replace the key pair, because the private key may be compromised"
    )]
    Private,
    /// A public key where a private key is required.
    #[error("found a public key where a private key belongs")]
    Public,
    /// An encrypted private key.
    #[error(
        "the private key is encrypted; write it as unencrypted PKCS#8 where only this program can read it"
    )]
    Encrypted,
    #[error(
        "found a certificate where a public key belongs; extract the key with `openssl x509 -pubkey -noout`"
    )]
    Certificate,
    /// An RSA key that is not in a SubjectPublicKeyInfo.
    #[error(
        "found a PKCS#1 key (RSA PUBLIC KEY); write it as PUBLIC KEY with `openssl rsa -RSAPublicKey_in -pubout`"
    )]
    Pkcs1,
    /// Another PEM block.
    #[error("found {found}; write a PEM block of type PUBLIC KEY (for signing: PRIVATE KEY)")]
    Other { found: &'static str },
    /// The content of the block is not a key.
    #[error("the PEM block is not a well-formed key")]
    Malformed,
    /// The key does not fit the algorithm.
    #[error("algorithm {algorithm} needs a key of type {}, but this key is {found}", algorithm.key_kind())]
    Kind { found: &'static str, algorithm: Algorithm },
    /// The modulus is too small, too large or not a whole number of bytes.
    #[error("RSA key has {bits} bits; use a key of {} to {} bits, a multiple of 8", MIN_BITS, MAX_BITS)]
    Modulus { bits: usize },
    /// The exponent is even, one, or more than 33 bits.
    #[error("RSA key has an exponent that is not an odd number from 3 to 2^33 - 1; 65537 is the usual one")]
    Exponent,
    /// The salt does not fit the modulus.
    #[error("a PSS salt of {length} bytes is too long for this RSA key, which allows at most {longest}")]
    Salt {
        /// Required length, in bytes.
        length: u16,
        /// Maximum length for this key, in bytes.
        longest: usize,
    },
    /// A salt length for an algorithm that has no salt.
    #[error("algorithm {algorithm} has no PSS salt; leave it out")]
    SaltUnused { algorithm: Algorithm },
    /// A point of small order, or a non-canonical encoding.
    #[error("Ed25519 key is a weak or non-canonical point")]
    WeakPoint,
}
