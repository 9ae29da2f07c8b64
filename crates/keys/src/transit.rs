//! A key of Vault's or OpenBao's transit engine.

mod client;
mod error;
mod http;
mod login;

use super::{KeysError, Private, SigningKey, TransitKey, TransitSettings, self_check};
use pullgate_core::trust::Algorithm;

pub use client::Transit;
pub use error::TransitError;

pub(super) async fn open(
    key: &TransitKey,
    algorithm: Option<Algorithm>,
    settings: &TransitSettings,
) -> Result<SigningKey, KeysError> {
    let failed = |error| KeysError::Transit { origin: key.to_string(), error };
    let transit = Transit::new(key, settings).map_err(failed)?;
    let (version, pem) = transit.public_key(key.version).await.map_err(failed)?;
    let origin = TransitKey { version: Some(version), ..key.clone() }.to_string();
    let public = self_check::public(&pem, algorithm, &origin)?;
    if public.algorithm() == Algorithm::Ed25519ph {
        let reason = "the transit engine signs with pure Ed25519; specify ED25519";
        return Err(KeysError::Algorithm { origin, algorithm: Algorithm::Ed25519ph, reason });
    }
    Ok(SigningKey { public, origin, private: Private::Transit(transit, version) })
}
