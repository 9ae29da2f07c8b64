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
    #[error("no PKCS#11 module {name} is installed; name its file by `module-path`")]
    ModuleNotFound { name: String },
    /// The library cannot be used.
    #[error("PKCS#11 module {path} cannot be used: {reason}")]
    Module { path: PathBuf, reason: String },
    /// No token matches.
    #[error("there is no such token; its label, serial number and slot must be those of the key's URI")]
    NoToken,
    /// Several tokens match.
    #[error("{found} tokens fit; add the serial number or the slot-id")]
    SeveralTokens { found: usize },
    /// The file with the PIN cannot be used.
    #[error("there is no PIN: {reason}")]
    Pin { reason: String },
    /// The token requires a PIN.
    #[error("the token wants a PIN; name a file with it by `pin-source`")]
    PinNeeded,
    /// The PIN is wrong.
    #[error("the token refuses the PIN; after some wrong ones it locks itself")]
    PinIncorrect,
    /// The PIN is locked after too many attempts.
    #[error("the PIN of the token is locked; its security officer can set a new one")]
    PinLocked,
    /// No private key matches.
    #[error("the token holds no private key of this label and id")]
    NoKey,
    /// Several private keys match.
    #[error("several private keys of the token fit; add the id or the label")]
    SeveralKeys,
    /// The public key is missing.
    #[error("the token has no public key with the id of the private key")]
    NoPublic,
    /// The key exists already.
    #[error("the token holds a key of this label or id already; nothing is overwritten")]
    Exists,
    /// The token does not support keys of this kind.
    #[error("the token cannot make a key of this kind")]
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
