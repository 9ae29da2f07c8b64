//! What can go wrong with a token.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

/// Why a token did not do what it was asked. A PIN is never in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing says which library speaks to the token.
    #[error("no PKCS#11 module is given; add `?module-path=/…/module.so` or `?module-name=…` to the key")]
    NoModule,
    /// There is no library of this name.
    #[error("no PKCS#11 module {name} is installed; name its file by `module-path`")]
    ModuleNotFound {
        /// The name.
        name: String,
    },
    /// The library cannot be used.
    #[error("PKCS#11 module {path} cannot be used: {reason}")]
    Module {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No token fits.
    #[error("there is no such token; its label, serial number and slot must be those of the key's URI")]
    NoToken,
    /// Several tokens fit.
    #[error("{found} tokens fit; add the serial number or the slot-id")]
    SeveralTokens {
        /// How many.
        found: usize,
    },
    /// The file with the PIN cannot be used.
    #[error("there is no PIN: {reason}")]
    Pin {
        /// Why.
        reason: String,
    },
    /// The token wants a PIN.
    #[error("the token wants a PIN; name a file with it by `pin-source`")]
    PinNeeded,
    /// The PIN is wrong.
    #[error("the token refuses the PIN; after some wrong ones it locks itself")]
    PinIncorrect,
    /// The PIN was wrong too often.
    #[error("the PIN of the token is locked; its security officer can set a new one")]
    PinLocked,
    /// No private key fits.
    #[error("the token holds no private key of this label and id")]
    NoKey,
    /// Several private keys fit.
    #[error("several private keys of the token fit; add the id or the label")]
    SeveralKeys,
    /// The public half is not there.
    #[error("the token holds no public half for the key, under the same id")]
    NoPublic,
    /// There is a key already.
    #[error("the token holds a key of this label or id already; nothing is written over")]
    Exists,
    /// The token cannot make keys of this kind.
    #[error("the token cannot make a key of this kind")]
    CannotGenerate,
    /// Anything else, by the standard's name for it.
    #[error("the token answered {code}")]
    Refused {
        /// The name of the error.
        code: String,
    },
    /// The time was over.
    #[error("the token did not answer in time")]
    Deadline,
    /// The thread that asked the token ended early.
    #[error("the token was not asked to the end")]
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

    /// Whether the session is of no use any more, and a new one may be.
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
