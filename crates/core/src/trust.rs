//! Trusted keys: public keys, each with the one algorithm that the policy names and its validity period.
//!
//! Nothing that arrives with a signature chooses how the signature is checked: the algorithm, the padding, the salt and
//! the hash are all fixed here, when the key is read, and an algorithm named by an envelope is ignored.
//! No I/O; the time is an argument.

mod algorithm;
mod ecdsa;
mod ed25519;
pub mod generate;
mod key_error;
mod key_ids;
mod kind;
pub mod pem;
mod private;
mod public;
mod remote_check;
mod rsa;
pub mod spki;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::algorithm::{Algorithm, PssSalt, UnknownAlgorithm};
pub use self::ecdsa::der_of_raw;
pub use self::key_error::{KeyError, MAX_PEM_BYTES};
pub use self::key_ids::KeyIds;
pub use self::pem::PemError;
pub use self::private::PrivateKey;
pub use self::public::{MAX_SIGNATURE_BYTES, PublicKey, Valid};
pub use self::remote_check::{RemoteCheck, RemoteVerification};
pub use self::rsa::random;

/// How many keys one authenticator may have: each costs a public-key operation on every foreign signature.
pub const MAX_KEYS: usize = 16;

/// A public key, its validity period, and the file it came from.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key with its algorithm.
    pub public: PublicKey,
    /// The first instant at which the key is valid (inclusive); always, when absent.
    pub not_before: Option<Timestamp>,
    /// The first instant at which the key is no longer valid (exclusive); never, when absent.
    pub not_after: Option<Timestamp>,
    /// The name of the file it was read from, or the place where its private half is kept, for messages.
    pub origin: String,
    /// The service that must confirm what the key verified, if any.
    pub remote: Option<Arc<RemoteVerification>>,
}

impl Key {
    /// Why the key is not valid at `now`, or `None` when it is.
    pub fn outside_window(&self, now: Timestamp) -> Option<Outside> {
        if let Some(from) = self.not_before.filter(|from| now < *from) {
            return Some(Outside::Early { from });
        }
        self.not_after.filter(|until| now >= *until).map(|until| Outside::Late { until })
    }
}

/// On which side of its window a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outside {
    /// The window has not begun.
    #[error("is only valid from {from}")]
    Early {
        /// When it begins.
        from: Timestamp,
    },
    /// The window is over.
    #[error("was only valid until {until}")]
    Late {
        /// When it ended.
        until: Timestamp,
    },
}

/// A named party whose signature counts: one key, or several of which any one is enough (rotation).
#[derive(Clone, Debug)]
pub struct Authenticator {
    name: String,
    keys: Vec<Key>,
    /// Keys that were its own, each with why it no longer is.
    revoked: Vec<(Key, String)>,
}

impl Authenticator {
    /// An authenticator of one to [`MAX_KEYS`] different keys.
    ///
    /// # Errors
    /// When keys are missing or too many, when a key's window is empty, or when a key is duplicated: with two windows
    /// the wider one would count, and a key retired in one file would live on in another.
    pub fn new(name: String, keys: Vec<Key>) -> Result<Self, TrustError> {
        if keys.is_empty() {
            return Err(TrustError::NoKeys { authenticator: name });
        }
        if keys.len() > MAX_KEYS {
            return Err(TrustError::TooManyKeys { authenticator: name, found: keys.len() });
        }
        let mut origins = BTreeMap::new();
        for key in &keys {
            if key.not_before.zip(key.not_after).is_some_and(|(from, until)| from >= until) {
                return Err(TrustError::EmptyWindow { origin: key.origin.clone() });
            }
            if let Some(first) = origins.insert(key.public.fingerprint(), &key.origin) {
                return Err(TrustError::SameKeyTwice {
                    fingerprint: key.public.fingerprint().to_owned(),
                    first: first.clone(),
                    second: key.origin.clone(),
                });
            }
        }
        Ok(Self { name, keys, revoked: Vec::new() })
    }

    /// The name the policy gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same authenticator without the keys that are `revoked`, by their fingerprint: why, if so. They are kept
    /// only to report that their signatures do not count. An authenticator may lose all its keys; then it accepts nothing.
    #[must_use]
    pub fn without(mut self, revoked: &dyn Fn(&str) -> Option<String>) -> Self {
        let (mut keys, mut gone) = (Vec::new(), self.revoked);
        for key in self.keys {
            match revoked(key.public.fingerprint()) {
                Some(why) => gone.push((key, why)),
                None => keys.push(key),
            }
        }
        self.keys = keys;
        self.revoked = gone;
        self
    }

    /// Its keys, in the order of the policy.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Keys that were its own and are revoked, each with why.
    pub fn revoked(&self) -> &[(Key, String)] {
        &self.revoked
    }

    /// Checks `signature` over `message` with every key valid at `now`. A remote check that is still open is part of the
    /// outcome ([`Valid::demand`]).
    ///
    /// # Errors
    /// [`TrustError::OutsideWindow`] when only a key verifies it that is not valid at `now`,
    /// [`TrustError::Revoked`] when only a revoked key does, [`TrustError::NoKeyNow`] when no key is valid at `now` and no key verifies it, and otherwise
    /// [`TrustError::Untrusted`].
    pub fn verify(&self, message: &[u8], signature: &[u8], now: Timestamp) -> Result<Valid, TrustError> {
        let mut outside = Vec::new();
        for key in &self.keys {
            match key.outside_window(now) {
                Some(side) => outside.push((key, side)),
                None => match key.public.verify(message, signature) {
                    Ok(valid) => return Ok(valid.demanded_by(key, message, signature)),
                    Err(error @ TrustError::TooLong { .. }) => return Err(error),
                    Err(_) => {}
                },
            }
        }
        // Only for the error message: these keys cannot make the answer a success.
        for (key, side) in &outside {
            if key.public.verify(message, signature).is_ok() {
                return Err(TrustError::OutsideWindow {
                    fingerprint: key.public.fingerprint().to_owned(),
                    origin: key.origin.clone(),
                    side: *side,
                });
            }
        }
        for (key, why) in &self.revoked {
            if key.public.verify(message, signature).is_ok() {
                return Err(TrustError::Revoked {
                    fingerprint: key.public.fingerprint().to_owned(),
                    why: why.clone(),
                });
            }
        }
        if outside.len() == self.keys.len() {
            return Err(TrustError::NoKeyNow { authenticator: self.name.clone(), now });
        }
        Err(TrustError::Untrusted { authenticator: self.name.clone() })
    }
}

/// Why an authenticator is unusable, or a signature is not one of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// An authenticator without keys would be satisfied by nothing, or by everything.
    #[error("authenticator {authenticator:?} has no keys")]
    NoKeys {
        /// Its name.
        authenticator: String,
    },
    /// More than [`MAX_KEYS`] keys.
    #[error("authenticator {authenticator:?} has {found} keys, at most {MAX_KEYS} are allowed")]
    TooManyKeys {
        /// Its name.
        authenticator: String,
        /// How many there are.
        found: usize,
    },
    /// A key's window ends before, or when, it begins.
    #[error("key {origin} is never valid: not-after is not later than not-before")]
    EmptyWindow {
        /// The file of the key.
        origin: String,
    },
    /// One key under two file names.
    #[error("{first} and {second} are the same key {fingerprint}; keep one of them")]
    SameKeyTwice {
        /// The fingerprint both have.
        fingerprint: String,
        /// The file named first.
        first: String,
        /// The file named second.
        second: String,
    },
    /// The signature is longer than any supported algorithm makes one.
    #[error("signature has {found} bytes, at most {MAX_SIGNATURE_BYTES} are read")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The bytes are not a signature of the key's algorithm at all.
    #[error("signature is not in the form of {algorithm}: {wanted}")]
    Form {
        /// The algorithm of the key.
        algorithm: Algorithm,
        /// The form that is needed.
        wanted: &'static str,
    },
    /// One key does not verify the signature.
    #[error("signature does not verify with key {fingerprint}")]
    Mismatch {
        /// The fingerprint of the key.
        fingerprint: String,
    },
    /// No key of the authenticator verifies the signature.
    #[error("signature does not verify with any key of authenticator {authenticator:?}")]
    Untrusted {
        /// Its name.
        authenticator: String,
    },
    /// A key of the authenticator verifies the signature, but is not valid now.
    #[error("signature is made by key {fingerprint} ({origin}), which {side}")]
    OutsideWindow {
        /// The fingerprint of the key.
        fingerprint: String,
        /// The file of the key.
        origin: String,
        /// On which side of its window it is.
        side: Outside,
    },
    /// A key verifies the signature that has been revoked.
    #[error("signature is made by key {fingerprint}, which is revoked: {why}")]
    Revoked {
        /// The fingerprint of the key.
        fingerprint: String,
        /// Why it was revoked.
        why: String,
    },
    /// No key of the authenticator is valid now or verifies the signature. The time is not in the text: a refusal
    /// has the same text at every attempt.
    #[error("authenticator {authenticator:?} has no key that is valid now")]
    NoKeyNow {
        /// Its name.
        authenticator: String,
        /// The time asked about.
        now: Timestamp,
    },
    /// The signing operation failed; the cause is withheld, as it concerns a secret.
    #[error("signing with {algorithm} failed")]
    Signing {
        /// The algorithm of the key.
        algorithm: Algorithm,
    },
}

#[cfg(test)]
mod tests;
