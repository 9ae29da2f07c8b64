//! Keys that sign, wherever they are kept.
//!
//! A key is opened once and asked to sign many times. What it can do is told by its public half, with the one algorithm
//! that it was opened for: the place where a key is kept has no say in that.

mod file;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

pub use file::FileKey;

use crate::trust::{Algorithm, KeyError, PublicKey, TrustError};

/// A key that signs: in a file, in a token, in a key management service.
pub trait SigningKey: fmt::Debug + Send + Sync {
    /// The public half, with the algorithm that signatures are made by.
    fn public(&self) -> &PublicKey;

    /// Where the key is, for people. Never a secret.
    fn origin(&self) -> &str;

    /// Signs `message`: the message itself, whatever digest the service behind it is sent.
    ///
    /// A signature is in the form in which [`PublicKey::verify`] takes it (ECDSA as DER).
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;
}

/// A signature that is being made.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, KeysError>> + Send + 'a>>;

/// An opened key.
pub type Opened = Arc<dyn SigningKey>;

/// Where a private key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A PEM file.
    File(PathBuf),
}

/// Opens the key at `location`, to sign with `algorithm`. Without one, the algorithm that everybody means by this kind
/// of key; for an RSA key there is none.
///
/// # Errors
/// When the key cannot be read, or cannot be used with the algorithm.
pub async fn open(location: &Location, algorithm: Option<Algorithm>) -> Result<Opened, KeysError> {
    match location {
        Location::File(path) => file::open(path, algorithm),
    }
}

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
    /// The key was asked to sign, and did not.
    #[error("the key {origin} did not sign")]
    Sign {
        /// Where the key is.
        origin: String,
        /// Why.
        #[source]
        error: TrustError,
    },
    /// The task that computes signatures ended early.
    #[error("the signature was not computed")]
    Abandoned,
}
