//! A key of Alibaba Cloud KMS.

mod client;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{KeysError, KmsKey, KmsSettings, Opened, Signing, SigningKey, self_check};
use pullgate_core::trust::{Algorithm, PublicKey};

pub(super) use client::name;
pub use client::{Kms, KmsError};

/// A key that KMS signs with. Its public key is fetched once.
#[derive(Debug)]
struct RemoteKey {
    kms: Kms,
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
            let digest = Sha256::digest(message);
            let signature = self.kms.sign(self.public.algorithm(), digest.as_slice()).await;
            let signature =
                signature.map_err(|error| KeysError::Kms { origin: self.origin.clone(), error })?;
            self_check::signature(&self.public, &self.origin, message, signature).await
        })
    }
}

pub(super) async fn open(
    key: &KmsKey,
    algorithm: Option<Algorithm>,
    settings: &KmsSettings,
) -> Result<Opened, KeysError> {
    let origin = key.to_string();
    let kms = Kms::new(key.clone(), settings);
    let pem = kms.public_key().await;
    let pem = pem.map_err(|error| KeysError::Kms { origin: origin.clone(), error })?;
    let public = self_check::public(&pem, algorithm, &origin)?;
    if name(public.algorithm()).is_none() {
        return Err(KeysError::Algorithm {
            origin,
            algorithm: public.algorithm(),
            reason: "KMS signs with RSA_PSS_SHA_256, RSA_PKCS1_SHA_256 and ECDSA_SHA_256 (its SM2 is not supported here)",
        });
    }
    Ok(Arc::new(RemoteKey { kms, public, origin }))
}
