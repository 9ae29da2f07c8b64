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

use std::sync::Arc;

pub use cache::KeyCache;
pub use error::KeysError;
pub use fetch::fetch;
pub use file::EncryptedError;
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

use pullgate_core::trust::{Algorithm, PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

/// A private key in a file, a token or a key management service.
#[derive(Debug)]
pub struct SigningKey {
    public: PublicKey,
    origin: String,
    private: Private,
}

/// Where the private half is.
#[derive(Debug)]
enum Private {
    Memory(Arc<PrivateKey>),
    Kms(Kms),
    /// Always the version whose public key was fetched.
    Transit(Transit, u32),
    #[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "only a build with PKCS#11 opens tokens"))]
    Token(token::InToken),
}

impl SigningKey {
    /// The key that was read from `origin`.
    pub fn in_memory(private: PrivateKey, origin: impl Into<String>) -> Self {
        Self { public: private.public(), origin: origin.into(), private: Private::Memory(Arc::new(private)) }
    }

    /// The public key, with the algorithm of its signatures.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The location of the key, for messages. Never a secret.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Signs `message`: the message itself, whatever digest is sent to a service.
    ///
    /// The signature has the format that [`PublicKey::verify`] takes (ECDSA as DER).
    ///
    /// # Errors
    /// When the key cannot be used now, or its service or token returns a signature that is not valid.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeysError> {
        let (algorithm, origin) = (self.public.algorithm(), || self.origin.clone());
        let signature = match &self.private {
            Private::Memory(key) => {
                let (key, message) = (Arc::clone(key), message.to_vec());
                // An RSA signature takes milliseconds, which would block the other tasks.
                let signed = tokio::task::spawn_blocking(move || key.sign(&message)).await;
                let signed = signed.map_err(|_| KeysError::Abandoned)?;
                return signed.map_err(|error| KeysError::Sign { origin: origin(), error });
            }
            Private::Kms(kms) => {
                let signed = kms.sign(algorithm, &Sha256::digest(message)).await;
                signed.map_err(|error| KeysError::Kms { origin: origin(), error })?
            }
            Private::Transit(transit, version) => {
                let signed = transit.sign(*version, algorithm, message).await;
                signed.map_err(|error| KeysError::Transit { origin: origin(), error })?
            }
            Private::Token(key) => {
                let signed = key.sign(message).await;
                signed.map_err(|error| KeysError::Token { origin: origin(), error })?
            }
        };
        self_check::signature(&self.public, &self.origin, message, signature).await
    }
}

/// Opens the key at `location`, to sign with `algorithm`. Without one, the only algorithm of this kind of key; RSA keys
/// need one.
///
/// # Errors
/// When the key cannot be read or reached, or does not support the algorithm.
pub async fn open(
    location: &Location,
    algorithm: Option<Algorithm>,
    settings: &KeySettings,
) -> Result<Arc<SigningKey>, KeysError> {
    let key = match location {
        Location::File(path) => {
            let (path, passphrase) = (path.clone(), settings.passphrase.clone());
            // Key derivation takes a tenth of a second, intentionally.
            let opened = tokio::task::spawn_blocking(move || file::open(&path, algorithm, &passphrase));
            opened.await.map_err(|_| KeysError::Abandoned)?
        }
        Location::AlibabaKms(key) => kms::open(key, algorithm, &settings.kms).await,
        Location::Transit(key) => transit::open(key, algorithm, &settings.transit).await,
        Location::Token(key) => token::open(key, algorithm, &settings.token).await,
    };
    key.map(Arc::new)
}
