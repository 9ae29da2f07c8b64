//! A private key in a PEM file.

mod cosign;
pub(super) mod encrypted;
mod secretbox;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub use encrypted::EncryptedError;

use super::pick::{Unpicked, pick};
use super::{KeysError, Opened, Passphrase, Signing, SigningKey};
use crate::secret;
use crate::trust::{Algorithm, MAX_PEM_BYTES, PrivateKey, PssSalt, PublicKey};

/// A private key in memory.
#[derive(Debug)]
pub struct FileKey {
    private: Arc<PrivateKey>,
    public: PublicKey,
    origin: String,
}

impl FileKey {
    /// A key that was read from `origin`.
    pub fn new(private: PrivateKey, origin: impl Into<String>) -> Self {
        Self { public: private.public(), private: Arc::new(private), origin: origin.into() }
    }
}

impl SigningKey for FileKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        let private = Arc::clone(&self.private);
        let message = message.to_vec();
        Box::pin(async move {
            // RSA takes milliseconds, in which nothing else would be served.
            let signed = tokio::task::spawn_blocking(move || private.sign(&message)).await;
            signed
                .map_err(|_| KeysError::Abandoned)?
                .map_err(|error| KeysError::Sign { origin: self.origin.clone(), error })
        })
    }
}

pub(super) fn open(
    path: &Path,
    algorithm: Option<Algorithm>,
    passphrase: &Passphrase,
) -> Result<Opened, KeysError> {
    let unreadable = |error| KeysError::File { path: path.to_owned(), error };
    let mut text = secret::room(MAX_PEM_BYTES as u64 + 1);
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_PEM_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    let text = match encrypted::decrypt(&text, || passphrase.read()) {
        Ok(Some(plain)) => plain,
        Ok(None) => text,
        Err(EncryptedError::Passphrase(error)) => {
            return Err(KeysError::Passphrase { path: path.to_owned(), error });
        }
        Err(error) => return Err(KeysError::Encrypted { path: path.to_owned(), error }),
    };
    let read = |algorithm| PrivateKey::from_pem(&text, algorithm, PssSalt::default());
    let key = pick(algorithm, read).map_err(|error| match error {
        Unpicked::Choose => KeysError::Choose,
        Unpicked::Key(error) => KeysError::Key { path: path.to_owned(), error },
    })?;
    Ok(Arc::new(FileKey::new(key, path.display().to_string())))
}
