//! What can go wrong with a key.

use std::path::PathBuf;
use std::time::Duration;

use super::file::EncryptedError;
use super::kms::KmsError;
use super::passphrase::PassphraseError;
use super::token::TokenError;
use super::transit::TransitError;
use pullgate_core::trust::{Algorithm, KeyError, TrustError};

/// Why a key cannot be opened, or did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Nothing says which of RSA's two ways is meant.
    #[error("an RSA key can sign in two ways: say RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256")]
    Choose,
    /// The file is there and no key that can be used.
    #[error("{path} cannot be used for signing")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: KeyError,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The key is not encrypted, and others can write the file, or everybody read it.
    #[error("{path} holds a private key in clear and is open to others (mode {mode:04o}): chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is encrypted, and there is no passphrase.
    #[error("{path} is encrypted")]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// Why there is none.
        #[source]
        error: PassphraseError,
    },
    /// The file would be encrypted, and there is no passphrase.
    #[error("{path} is not made: there is no passphrase to encrypt it with")]
    NoPassphrase {
        /// The file.
        path: PathBuf,
        /// Why there is none.
        #[source]
        error: PassphraseError,
    },
    /// The file is encrypted and cannot be decrypted.
    #[error("{path} cannot be decrypted")]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: EncryptedError,
    },
    /// Alibaba Cloud KMS did not do it.
    #[error("{origin} cannot be used now")]
    Kms {
        /// Where the key is.
        origin: String,
        /// Why.
        #[source]
        error: KmsError,
    },
    /// Vault or OpenBao did not do it.
    #[error("{origin} cannot be used now")]
    Transit {
        /// Where the key is.
        origin: String,
        /// Why.
        #[source]
        error: TransitError,
    },
    /// The public half that a token or a service gave is none that can be used.
    #[error("the public half of {origin} cannot be used")]
    Public {
        /// Where the key is.
        origin: String,
        /// What is wrong with it.
        #[source]
        error: KeyError,
    },
    /// The place of the key cannot do what was asked for.
    #[error("{origin} cannot be used with {what}")]
    Unsupported {
        /// Where the key is.
        origin: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The place of the key cannot sign by this algorithm.
    #[error("{origin} cannot sign with {algorithm}: {reason}")]
    Algorithm {
        /// Where the key is.
        origin: String,
        /// What was asked for.
        algorithm: Algorithm,
        /// Why not.
        reason: &'static str,
    },
    /// A PKCS#11 token did not do it.
    #[error("{origin} cannot be used now")]
    Token {
        /// Where the key is.
        origin: String,
        /// Why.
        #[source]
        error: TokenError,
    },
    /// There is a file already where a new key was to be.
    #[error("{path} exists already; nothing is written over")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No key was made.
    #[error("no {kind} key could be made")]
    NotMade {
        /// Its kind.
        kind: &'static str,
    },
    /// The key was asked to sign, and did not.
    #[error("the key {origin} did not sign")]
    Sign {
        /// Where the key is.
        origin: String,
        /// Why.
        #[source]
        error: TrustError,
    },
    /// A signature came back that the public half does not verify. It is not handed on.
    #[error("{origin} made a signature that its own public half does not verify")]
    Faulty {
        /// Where the key is.
        origin: String,
        /// Why it does not.
        #[source]
        error: TrustError,
    },
    /// The place of the key gave another key than the one that is pinned.
    #[error("{origin} has another key than the one that is pinned: {found}, not {pinned}")]
    Other {
        /// Where the key is.
        origin: String,
        /// The fingerprint that is pinned.
        pinned: String,
        /// The fingerprint of the key that is there.
        found: String,
    },
    /// A new key, or one that was fetched, cannot be kept.
    #[error("{path} cannot be written")]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A token would have to be asked by who loads no modules.
    #[error(
        "{origin} is in a PKCS#11 token, which the daemon does not ask: run `pullgate-signer keys fetch`"
    )]
    Module {
        /// Where the key is.
        origin: String,
    },
    /// The public half did not come in time.
    #[error("{origin} gave no public key within {limit:?}")]
    Late {
        /// Where the key is.
        origin: String,
        /// The time it had.
        limit: Duration,
    },
    /// The task that computes signatures ended early.
    #[error("the signature was not computed")]
    Abandoned,
}
