//! Private keys for signing, wherever they are stored.
//!
//! A key is opened once and signs many times. What it can do is decided by its public key, with the one algorithm that it
//! was opened for: where a key is stored has no influence.

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
pub use location::{
    KmsKey, Location, LocationError, MAX_LOCATION_BYTES, Module, TokenKey, TokenMake, TransitKey,
};
pub use passphrase::{Passphrase, PassphraseError};
pub use pinned::PinnedKey;
pub use remote_verifier::{Confirmation, LONGEST_MEMORY, RemoteVerifier};
pub use service_options::VaultAuth;
pub use settings::{Bounds, KeySettings, KmsSettings, TokenSettings, TransitSettings};
pub use token::TokenError;
pub use transit::{Transit, TransitError};

use pullgate_core::trust::{Algorithm, PublicKey};

/// A private key in a file, a token or a key management service.
pub trait SigningKey: fmt::Debug + Send + Sync {
    /// The public key, with the algorithm of its signatures.
    fn public(&self) -> &PublicKey;

    /// The location of the key, for messages. Never a secret.
    fn origin(&self) -> &str;

    /// Signs `message`: the message itself, whatever digest is sent to a service.
    ///
    /// The signature has the format that [`PublicKey::verify`] takes (ECDSA as DER).
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;
}

/// The future of a signature.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, KeysError>> + Send + 'a>>;

pub type Opened = Arc<dyn SigningKey>;

/// Opens the key at `location`, to sign with `algorithm`. Without one, the only algorithm of this kind of key; RSA keys
/// need one.
///
/// # Errors
/// When the key cannot be read or reached, or does not support the algorithm.
pub async fn open(
    location: &Location,
    algorithm: Option<Algorithm>,
    settings: &KeySettings,
) -> Result<Opened, KeysError> {
    match location {
        Location::File(path) => {
            let (path, passphrase) = (path.clone(), settings.passphrase.clone());
            // Key derivation takes a tenth of a second, intentionally.
            let opened = tokio::task::spawn_blocking(move || file::open(&path, algorithm, &passphrase));
            opened.await.map_err(|_| KeysError::Abandoned)?
        }
        Location::AlibabaKms(key) => kms::open(key, algorithm, &settings.kms).await,
        Location::Transit(key) => transit::open(key, algorithm, &settings.transit).await,
        Location::Token(key) => token::open(key, algorithm, &settings.token).await,
    }
}
