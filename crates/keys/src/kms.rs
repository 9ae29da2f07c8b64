//! A key of Alibaba Cloud KMS.

mod client;

use super::{KeysError, KmsKey, KmsSettings, Private, SigningKey, self_check};
use pullgate_core::trust::Algorithm;

pub(super) use client::name;
pub use client::{Kms, KmsError};

pub(super) async fn open(
    key: &KmsKey,
    algorithm: Option<Algorithm>,
    settings: &KmsSettings,
) -> Result<SigningKey, KeysError> {
    let origin = key.to_string();
    let kms = Kms::new(key.clone(), settings);
    let pem = kms.public_key().await;
    let pem = pem.map_err(|error| KeysError::Kms { origin: origin.clone(), error })?;
    let public = self_check::public(&pem, algorithm, &origin)?;
    if name(public.algorithm()).is_none() {
        return Err(KeysError::Algorithm {
            origin,
            algorithm: public.algorithm(),
            reason: "KMS signs with RSA_PSS_SHA_256, RSA_PKCS1_SHA_256 and ECDSA_SHA_256; pullgate does not support SM2",
        });
    }
    Ok(SigningKey { public, origin, private: Private::Kms(kms) })
}
