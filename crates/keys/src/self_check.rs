//! Keys and signatures from tokens and services are verified before they are used.

use super::KeysError;
use super::algorithm::{AlgorithmError, pick};
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey, der_of_raw};

/// The public key of a token or a service.
pub(super) fn public(pem: &str, algorithm: Option<Algorithm>, origin: &str) -> Result<PublicKey, KeysError> {
    pick(algorithm, |algorithm| PublicKey::from_pem(pem, algorithm, PssSalt::default())).map_err(|error| {
        match error {
            AlgorithmError::Choose => KeysError::Choose,
            AlgorithmError::Key(error) => KeysError::Public { origin: origin.to_owned(), error },
        }
    })
}

/// Verifies a signature with `public`, and converts ECDSA to DER.
///
/// # Errors
/// [`KeysError::Faulty`] when it is not valid.
pub(super) async fn signature(
    public: &PublicKey,
    origin: &str,
    message: &[u8],
    signature: Vec<u8>,
) -> Result<Vec<u8>, KeysError> {
    let (public, message) = (public.clone(), message.to_vec());
    let checked = tokio::task::spawn_blocking(move || match public.verify(&message, &signature) {
        Ok(_) => Ok(signature),
        Err(error) => {
            let der = der_of_raw(public.algorithm(), &signature);
            der.filter(|der| public.verify(&message, der).is_ok()).ok_or(error)
        }
    });
    let checked = checked.await.map_err(|_| KeysError::Abandoned)?;
    checked.map_err(|error| KeysError::Faulty { origin: origin.to_owned(), error })
}
