//! A key of Vault's or OpenBao's transit engine.

mod client;
mod error;
mod http;
mod login;

use std::sync::Arc;

use super::{KeysError, Opened, Signing, SigningKey, TransitKey, TransitSettings, self_check};
use pullgate_core::trust::{Algorithm, PublicKey};

pub use client::Transit;
pub use error::TransitError;

/// A key of the engine, always the version whose public key was fetched.
#[derive(Debug)]
struct RemoteKey {
    transit: Transit,
    version: u32,
    public: PublicKey,
    origin: String,
}

impl SigningKey for RemoteKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        Box::pin(async move {
            let signature = self.transit.sign(self.version, self.public.algorithm(), message).await;
            let signature =
                signature.map_err(|error| KeysError::Transit { origin: self.origin.clone(), error })?;
            self_check::signature(&self.public, &self.origin, message, signature).await
        })
    }
}

pub(super) async fn open(
    key: &TransitKey,
    algorithm: Option<Algorithm>,
    settings: &TransitSettings,
) -> Result<Opened, KeysError> {
    let failed = |error| KeysError::Transit { origin: key.to_string(), error };
    let transit = Transit::new(key, settings).map_err(failed)?;
    let (version, pem) = transit.public_key(key.version).await.map_err(failed)?;
    let origin = TransitKey { version: Some(version), ..key.clone() }.to_string();
    let public = self_check::public(&pem, algorithm, &origin)?;
    if public.algorithm() == Algorithm::Ed25519ph {
        let reason = "the transit engine signs with pure Ed25519; specify ED25519";
        return Err(KeysError::Algorithm { origin, algorithm: Algorithm::Ed25519ph, reason });
    }
    Ok(Arc::new(RemoteKey { transit, version, public, origin }))
}
