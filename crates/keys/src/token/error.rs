//! Errors of PKCS#11 tokens.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

/// Why a token failed. Never contains a PIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No library is configured for the token.
    #[error("no PKCS#11 module is given; add `?module-path=/…/module.so` or `?module-name=…` to the key")]
    NoModule,
    /// No library has this name.
    #[error("no PKCS#11 module {name} is installed; name its file in `module-path`")]
    ModuleNotFound { name: String },
    /// The library cannot be used.
    #[error("PKCS#11 module {path} cannot be used: {reason}")]
    Module { path: PathBuf, reason: String },
    /// No token matches.
    #[error(
        "no token matches the key's URI; compare its label (`token`), `serial` and `slot-id` with the token's"
    )]
    NoToken,
    /// Several tokens match.
    #[error("{found} tokens match the key's URI; add `serial` or `slot-id` to the URI")]
    SeveralTokens { found: usize },
    /// The file with the PIN cannot be used.
    #[error("the PIN of the token cannot be read: {reason}")]
    Pin { reason: String },
    /// The token requires a PIN.
    #[error("the token requires a PIN; write the PIN into a file, and name this file in `pin-source`")]
    PinNeeded,
    /// The PIN is wrong.
    #[error("the token rejects the PIN; after several wrong attempts the token locks itself")]
    PinIncorrect,
    /// The PIN is locked after too many attempts.
    #[error("the PIN of the token is locked; its security officer can set a new one")]
    PinLocked,
    /// No private key matches.
    #[error("the token has no private key with the label (`object`) and `id` of the key's URI")]
    NoKey,
    /// Several private keys match.
    #[error("several private keys of the token match the key's URI; add `id` or `object` to the URI")]
    SeveralKeys,
    /// The public key is missing.
    #[error("the token has no public key with the same id as the private key")]
    NoPublic,
    /// The key exists already.
    #[error("the token already has a key with this label or id, and keys are never overwritten")]
    Exists,
    /// The token does not support keys of this kind.
    #[error("the token cannot generate a key of this kind")]
    CannotGenerate,
    /// Any other error, with its name in the standard.
    #[error("the token answered {code}")]
    Refused { code: String },
    /// The deadline has passed.
    #[error("the token did not answer in time")]
    Deadline,
    /// The thread of the request ended early.
    #[error("the request to the token was abandoned")]
    Abandoned,
}

impl TokenError {
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
                Self::PinIncorrect
            }
            Error::Pkcs11(RvError::PinLocked, _) => Self::PinLocked,
            Error::Pkcs11(RvError::UserNotLoggedIn, _) => Self::PinNeeded,
            // The crate's texts for these are paragraphs of the standard.
            Error::Pkcs11(code, function) => Self::Refused { code: format!("{code:?} to {function}") },
            other => Self::Refused { code: format!("{other}") },
        }
    }

    /// Whether the session was lost, so that a new one may succeed.
    pub(super) fn is_lost_session(error: &Error) -> bool {
        matches!(
            error,
            Error::Pkcs11(
                RvError::SessionHandleInvalid
                    | RvError::SessionClosed
                    | RvError::UserNotLoggedIn
                    | RvError::DeviceRemoved
                    | RvError::TokenNotPresent
                    | RvError::ObjectHandleInvalid
                    | RvError::KeyHandleInvalid,
                _
            )
        )
    }
}
