//! PKCS#11 tokens in a program without the feature.

use super::{KeyKind, KeysError, SigningKey, TokenKey, TokenSettings};
use pullgate_core::trust::Algorithm;

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The program is built without the feature `pkcs11`.
    #[error("this program does not support PKCS#11 tokens; use pullgate-signer")]
    NotSupported,
}

/// There is none.
#[derive(Debug)]
pub(super) enum InToken {}

impl InToken {
    pub(super) async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, TokenError> {
        match *self {}
    }
}

fn not_supported(key: &TokenKey) -> KeysError {
    KeysError::Token { origin: key.to_string(), error: TokenError::NotSupported }
}

pub(super) async fn open(
    key: &TokenKey,
    _: Option<Algorithm>,
    _: &TokenSettings,
) -> Result<SigningKey, KeysError> {
    Err(not_supported(key))
}

pub(super) async fn generate(key: &TokenKey, _: KeyKind, _: &TokenSettings) -> Result<(), KeysError> {
    Err(not_supported(key))
}
