//! Keys that sign, wherever they are kept.
//!
//! A key is opened once and asked to sign many times. What it can do is told by its public half, with the one algorithm
//! that it was opened for: the place where a key is kept has no say in that.

mod algorithm;
mod cache;
mod error;
mod fetch;
mod file;
mod generate;
mod kms;
mod location;
mod passphrase;
mod pinned;
mod remote_verifier;
mod self_check;
mod service_limiter;
pub mod service_options;
mod settings;
#[cfg(feature = "pkcs11")]
mod token;
#[cfg(not(feature = "pkcs11"))]
#[path = "no_token.rs"]
mod token;
mod transit;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use cache::KeyCache;
pub use error::KeysError;
pub use fetch::fetch;
pub use file::{EncryptedError, FileKey};
pub use generate::{KeyKind, generate};
pub use kms::{Kms, KmsError};
pub use location::{KmsKey, Location, LocationError, MAX_LOCATION_BYTES, Module, TokenKey, TransitKey};
pub use passphrase::{Passphrase, PassphraseError};
pub use pinned::PinnedKey;
pub use remote_verifier::{Confirmation, LONGEST_MEMORY, RemoteVerifier};
pub use service_options::VaultAuth;
pub use settings::{Bounds, KmsSettings, Settings, TokenSettings, TransitSettings};
pub use token::TokenError;
pub use transit::{Transit, TransitError};

use pullgate_core::trust::{Algorithm, PublicKey};

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

/// Opens the key at `location`, to sign with `algorithm`. Without one, the algorithm that everybody means by this kind
/// of key; for an RSA key there is none.
///
/// # Errors
/// When the key cannot be read or reached, or cannot be used with the algorithm.
pub async fn open(
    location: &Location,
    algorithm: Option<Algorithm>,
    settings: &Settings,
) -> Result<Opened, KeysError> {
    match location {
        Location::File(path) => {
            let (path, passphrase) = (path.clone(), settings.passphrase.clone());
            // To decrypt takes a tenth of a second, by intention.
            let opened = tokio::task::spawn_blocking(move || file::open(&path, algorithm, &passphrase));
            opened.await.map_err(|_| KeysError::Abandoned)?
        }
        Location::AlibabaKms(key) => kms::open(key, algorithm, &settings.kms).await,
        Location::Transit(key) => transit::open(key, algorithm, &settings.transit).await,
        Location::Token(key) => token::open(key, algorithm, &settings.token).await,
    }
}
