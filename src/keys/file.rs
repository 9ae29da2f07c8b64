//! A private key in a PEM file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{KeysError, Opened, Signing, SigningKey};
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

pub(super) fn open(path: &Path, algorithm: Option<Algorithm>) -> Result<Opened, KeysError> {
    let unreadable = |error| KeysError::File { path: path.to_owned(), error };
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_PEM_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    let read = |algorithm| PrivateKey::from_pem(&text, algorithm, PssSalt::default());
    let key = match algorithm {
        Some(algorithm) => read(algorithm),
        // Every other kind of key has one algorithm that everybody means.
        None => match read(Algorithm::RsaPkcs1Sha256) {
            Ok(_) => return Err(KeysError::Choose),
            Err(_) => read(Algorithm::EcdsaSha256)
                .or_else(|first| read(Algorithm::EcdsaSha384).map_err(|_| first))
                .or_else(|first| read(Algorithm::Ed25519).map_err(|_| first)),
        },
    };
    let key = key.map_err(|error| KeysError::Key { path: path.to_owned(), error })?;
    Ok(Arc::new(FileKey::new(key, path.display().to_string())))
}
