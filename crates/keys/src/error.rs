//! Errors of private keys.

use std::path::PathBuf;
use std::time::Duration;

use super::file::EncryptedError;
use super::kms::KmsError;
use super::passphrase::PassphraseError;
use super::token::TokenError;
use super::transit::TransitError;
use pullgate_core::trust::{Algorithm, KeyError, TrustError};

/// Why a key cannot be opened or used.
///
/// `path` is the key file; `origin` is the location of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// An RSA key without a choice between PSS and PKCS #1.
    #[error(
        "an RSA key supports several algorithms: specify one, such as RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256"
    )]
    Choose,
    /// The file has no usable key.
    #[error("{path} cannot be used for signing")]
    Key {
        path: PathBuf,
        #[source]
        error: KeyError,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    File {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// An unencrypted key in a file that others can write or everyone can read.
    #[error(
        "{path} contains an unencrypted private key, but its mode {mode:04o} gives other users access: run `chmod 600 {path}`"
    )]
    Open { path: PathBuf, mode: u32 },
    /// An encrypted file without a passphrase.
    #[error("{path} is encrypted")]
    Passphrase {
        path: PathBuf,
        #[source]
        error: PassphraseError,
    },
    /// A file to be encrypted without a passphrase.
    #[error("{path} was not created, because no passphrase is set to encrypt it")]
    NoPassphrase {
        path: PathBuf,
        #[source]
        error: PassphraseError,
    },
    /// The file cannot be decrypted.
    #[error("{path} cannot be decrypted")]
    Encrypted {
        path: PathBuf,
        #[source]
        error: EncryptedError,
    },
    /// Alibaba Cloud KMS failed.
    #[error("{origin} cannot be used now")]
    Kms {
        origin: String,
        #[source]
        error: KmsError,
    },
    /// Vault or OpenBao failed.
    #[error("{origin} cannot be used now")]
    Transit {
        origin: String,
        #[source]
        error: TransitError,
    },
    /// The public key of a token or a service is not usable.
    #[error("the public key of {origin} cannot be used")]
    Public {
        origin: String,
        #[source]
        error: KeyError,
    },
    /// This kind of location does not support the operation.
    #[error("{origin} cannot be used with {what}")]
    Unsupported {
        origin: String,
        /// The operation.
        what: &'static str,
    },
    /// This kind of location does not support the algorithm.
    #[error("{origin} cannot sign with {algorithm}: {reason}")]
    Algorithm { origin: String, algorithm: Algorithm, reason: &'static str },
    /// A PKCS#11 token failed.
    #[error("{origin} cannot be used now")]
    Token {
        origin: String,
        #[source]
        error: TokenError,
    },
    /// The file of a new key exists already.
    #[error("{path} already exists, and is not overwritten")]
    Exists { path: PathBuf },
    /// No key was generated.
    #[error("cannot generate a {kind} key")]
    Generation { kind: &'static str },
    /// Signing failed.
    #[error("signing with the key {origin} failed")]
    Sign {
        origin: String,
        #[source]
        error: TrustError,
    },
    /// The public key does not verify the signature, which is discarded.
    #[error("{origin} returned a signature that its own public key does not verify")]
    Faulty {
        origin: String,
        #[source]
        error: TrustError,
    },
    /// The key has another fingerprint than the pinned one.
    #[error("the key at {origin} has fingerprint {found}, but the policy pins {pinned}")]
    Fingerprint { origin: String, pinned: String, found: String },
    /// A new or fetched key cannot be written.
    #[error("{path} cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// The daemon does not load PKCS#11 modules.
    #[error(
        "{origin} is in a PKCS#11 token, and the daemon does not load PKCS#11 modules: run `pullgate-signer keys fetch`"
    )]
    Module { origin: String },
    /// The public key was not fetched in time.
    #[error("{origin} returned no public key within {limit:?}")]
    Timeout { origin: String, limit: Duration },
    /// The task that computes signatures ended early.
    #[error("the task that computes the signature ended early")]
    Abandoned,
}
