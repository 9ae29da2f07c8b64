//! Authenticators: whom the policy trusts to sign. Each kind has a module; [`Signers`] lists them.
//!
//! Keys are public keys, each with one algorithm from the policy and a validity period.
//!
//! Nothing that arrives with a signature chooses how the signature is verified: algorithm, padding, salt and hash are
//! fixed when the key is loaded, and an algorithm in an envelope is ignored. No I/O; the time is an argument.

mod algorithm;
mod attestor;
mod authenticator;
mod ecdsa;
mod ed25519;
pub mod generate;
mod gpg;
mod hash;
mod identity;
mod instant;
mod key_error;
mod key_ids;
mod keyless;
mod kind;
mod notation;
pub mod openpgp;
pub mod pem;
mod pki;
mod private;
mod public;
mod remote_check;
mod rsa;
mod signer_set;
pub mod spki;
pub mod x509;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use self::algorithm::{Algorithm, PssSalt, Scheme, UnknownAlgorithm};
pub use self::attestor::AttestorSet;
pub use self::authenticator::{Authenticator, Signers};
pub use self::ecdsa::{der_of_raw, raw_of_der};
pub use self::gpg::{GpgSet, SignedData};
pub use self::hash::HashFunction;
pub use self::identity::{Identities, Identity};
pub use self::key_error::{KeyError, MAX_PEM_BYTES};
pub use self::key_ids::KeyIds;
pub use self::keyless::{
    CertificateError, Claim, KeylessSet, KeylessSetError, LOGGED_ALGORITHMS, LogUse, MAX_PATTERN_BYTES,
    MAX_ROOT_BYTES, MAX_ROOTS, Pattern, PatternError, ROOT_NOTICE, RootEnd, RootError, SignerRule,
    SignerRuleError, SigningCertificate, TrustedRoot, WrongIdentity,
};
pub use self::kind::Curve;
pub use self::notation::{NotationSet, TimestampCheck, VerificationLevel};
pub use self::pem::PemError;
pub use self::pki::{MAX_NAMES, PkiSet, SignerNameError, SignerNames};
pub use self::private::PrivateKey;
pub use self::public::{MAX_SIGNATURE_BYTES, PublicKey, Valid};
pub use self::remote_check::{RemoteCheck, RemoteVerification};
pub use self::rsa::random;
pub use self::signer_set::{SignerSet, TrustKind};

/// Maximum number of keys of one authenticator: each costs a public-key operation for every untrusted signature.
pub const MAX_KEYS: usize = 16;

/// A public key, its validity period, and the file it came from.
#[derive(Clone, Debug)]
pub struct Key {
    /// The public key with its pinned algorithm.
    pub public: PublicKey,
    /// The first instant at which the key is valid (inclusive); without it, valid from the beginning.
    pub not_before: Option<Timestamp>,
    /// The first instant at which the key is not valid any more (exclusive); without it, valid indefinitely.
    pub not_after: Option<Timestamp>,
    /// File name of the key, or location of its private key, for messages.
    pub origin: String,
    /// The service that must confirm signatures of this key, if any.
    pub remote: Option<Arc<RemoteVerification>>,
}

impl Key {
    /// Why the key is not valid at `now`, or `None` if it is.
    pub fn outside_window(&self, now: Timestamp) -> Option<Outside> {
        if let Some(from) = self.not_before.filter(|from| now < *from) {
            return Some(Outside::Early { from });
        }
        self.not_after.filter(|until| now >= *until).map(|until| Outside::Late { until })
    }

    /// Whether `other` is the same entry of the policy with another algorithm.
    fn differs_in_algorithm_only(&self, other: &Self) -> bool {
        let entry = |key: &Self| (key.not_before, key.not_after, key.remote.clone());
        self.origin == other.origin
            && entry(self) == entry(other)
            && self.public.algorithm() != other.public.algorithm()
    }
}

/// On which side of its validity period a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum Outside {
    /// Before the period.
    #[error("is not valid before {from}")]
    Early { from: Timestamp },
    /// After the period.
    #[error("was valid only until {until}")]
    Late { until: Timestamp },
}

/// The keys of an authenticator. A signature by any one of them counts (rotation).
#[derive(Clone, Debug)]
pub struct KeySet {
    /// The name of the authenticator, for messages.
    name: String,
    keys: Vec<Key>,
    /// Revoked keys, each with the reason.
    revoked: Vec<(Key, String)>,
    /// The roots of which a transparency log must have an entry of each signature; empty if none must.
    log_roots: Vec<TrustedRoot>,
}

impl KeySet {
    /// 1 to [`MAX_KEYS`] distinct keys of the authenticator `name`.
    ///
    /// # Errors
    /// When there are no keys or too many, when a validity period is empty, or when a key is duplicated: of two
    /// validity periods the wider one would count, and a key retired in one file would stay valid in another. One key of
    /// one file may have several algorithms, each as a [`Key`] with the same period.
    pub fn new(name: String, keys: Vec<Key>) -> Result<Self, TrustError> {
        if keys.is_empty() {
            return Err(TrustError::NoKeys { authenticator: name });
        }
        if keys.len() > MAX_KEYS {
            return Err(TrustError::TooManyKeys { authenticator: name, found: keys.len() });
        }
        let mut known: BTreeMap<&str, &Key> = BTreeMap::new();
        for key in &keys {
            if key.not_before.zip(key.not_after).is_some_and(|(from, until)| from >= until) {
                return Err(TrustError::EmptyWindow { origin: key.origin.clone() });
            }
            if let Some(first) = known.insert(key.public.fingerprint(), key)
                && !first.differs_in_algorithm_only(key)
            {
                return Err(TrustError::SameKeyTwice {
                    fingerprint: key.public.fingerprint().to_owned(),
                    first: first.origin.clone(),
                    second: key.origin.clone(),
                });
            }
        }
        Ok(Self { name, keys, revoked: Vec::new(), log_roots: Vec::new() })
    }

    /// Requires that each signature has an entry in a transparency log of one of `roots`.
    ///
    /// # Errors
    /// When there are no roots, too many, the same twice, or one without such a log; and when a key has an algorithm whose
    /// entries are not read.
    pub fn logged(self, roots: Vec<TrustedRoot>) -> Result<Self, KeylessSetError> {
        keyless::check_logs_of_keys(&roots, &self.keys)?;
        Ok(Self { log_roots: roots, ..self })
    }

    /// The roots of which a transparency log must have an entry of each signature; empty if none must.
    pub fn log_roots(&self) -> &[TrustedRoot] {
        &self.log_roots
    }

    /// The keys that are not revoked, in the order of the policy.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The revoked keys, each with the reason.
    pub fn revoked(&self) -> &[(Key, String)] {
        &self.revoked
    }

    /// Verifies `signature` over `message` with every key that is valid at `now`. A remote check that is still required
    /// is part of the result ([`Valid::demand`]).
    ///
    /// # Errors
    /// [`TrustError::OutsideWindow`] when only a key that is not valid at `now` verifies it, [`TrustError::Revoked`]
    /// when only a revoked key does, [`TrustError::NoKeyNow`] when no key is valid at `now` and no key verifies it, and
    /// otherwise [`TrustError::Untrusted`].
    pub fn verify(&self, message: &[u8], signature: &[u8], now: Timestamp) -> Result<Valid, TrustError> {
        let mut outside = Vec::new();
        for key in &self.keys {
            match key.outside_window(now) {
                Some(side) => outside.push((key, side)),
                None => match key.public.verify(message, signature) {
                    Ok(valid) => return Ok(valid.with_remote_check_of(key, message, signature)),
                    Err(error @ TrustError::TooLong { .. }) => return Err(error),
                    Err(_) => {}
                },
            }
        }
        // Only for the error message: these keys cannot make the result a success.
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

impl SignerSet for KeySet {
    fn kind(&self) -> &'static str {
        "key"
    }

    fn identities(&self) -> Identities<'_> {
        Identities::Named(self.keys.iter().map(|key| key.public.fingerprint()).collect())
    }

    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        let keys = self.keys.iter().filter_map(|key| key.not_after).filter(|end| *end > after);
        keys.chain(self.log_roots.iter().filter_map(|root| root.first_end(after))).min()
    }

    fn ending(&self, now: Timestamp, notice: SignedDuration) -> Vec<String> {
        let horizon = keyless::horizon(now, notice);
        self.log_roots.iter().filter_map(|root| root.logs_ending(horizon)).collect()
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        let keys = self.keys.iter().filter_map(|key| Some((TrustKind::Key, key.not_after?)));
        let roots = self.log_roots.iter().filter_map(|root| Some((TrustKind::Root, root.log_end()?.at)));
        keys.chain(roots).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let entry = |key: &Key| {
            let public = &key.public;
            vec![
                public.fingerprint().to_owned(),
                public.algorithm().to_string(),
                public.salt().to_string(),
                time(key.not_before),
                time(key.not_after),
                // A verdict that was not confirmed does not count where the policy requires a confirmation.
                key.remote.as_deref().map(RemoteVerification::canonical).unwrap_or_default(),
            ]
        };
        let roots = self.log_roots.iter().map(|root| vec!["log".to_owned(), root.digest().to_string()]);
        self.keys.iter().map(entry).chain(roots).collect()
    }

    /// Revoked keys are kept only to report that their signatures do not count. A set can lose all its keys; then it
    /// accepts nothing.
    fn revoke(&mut self, reason: &dyn Fn(&PublicKey) -> Option<String>) {
        for key in std::mem::take(&mut self.keys) {
            match reason(&key.public) {
                Some(why) => self.revoked.push((key, why)),
                None => self.keys.push(key),
            }
        }
    }
}

/// Why an authenticator is unusable, or a signature is not by one of its keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum TrustError {
    /// Without keys, an authenticator would be satisfied by nothing, or by everything.
    #[error("authenticator {authenticator:?} has no keys")]
    NoKeys { authenticator: String },
    #[error(
        "authenticator {authenticator:?} has {found} keys, more than the limit of {MAX_KEYS}; a key counts once for each of \
         its algorithms"
    )]
    TooManyKeys { authenticator: String, found: usize },
    /// The validity period is empty.
    #[error("key {origin} is never valid: not-after is not later than not-before")]
    EmptyWindow {
        /// File name of the key.
        origin: String,
    },
    /// The same key in two files.
    #[error("{first} and {second} are the same key {fingerprint}; keep one of them")]
    SameKeyTwice { fingerprint: String, first: String, second: String },
    /// The signature is longer than any supported algorithm makes one.
    #[error("signature has {found} bytes, more than the limit of {MAX_SIGNATURE_BYTES}")]
    TooLong { found: usize },
    /// The bytes are not a signature in the format of the algorithm.
    #[error("signature does not have the format of {algorithm}: {wanted}")]
    Form {
        algorithm: Algorithm,
        /// The expected format.
        wanted: &'static str,
    },
    /// The key does not verify the signature.
    #[error("signature does not verify with key {fingerprint}")]
    Mismatch { fingerprint: String },
    #[error("signature does not verify with any key of authenticator {authenticator:?}")]
    Untrusted { authenticator: String },
    /// A key of the authenticator verifies the signature, but is outside its validity period.
    #[error("signature was made with key {fingerprint} ({origin}), which {side}")]
    OutsideWindow { fingerprint: String, origin: String, side: Outside },
    /// A revoked key verifies the signature.
    #[error("signature was made with key {fingerprint}, which is revoked: {why}")]
    Revoked { fingerprint: String, why: String },
    /// No key of the authenticator is valid now, and none verifies the signature. The time is not in the text: a
    /// refusal has the same text at every attempt.
    #[error("authenticator {authenticator:?} has no key that is valid now")]
    NoKeyNow {
        authenticator: String,
        /// The time of the check.
        now: Timestamp,
    },
    /// The signing operation failed; the cause is omitted because it concerns a secret.
    #[error("signing with {algorithm} failed")]
    Signing { algorithm: Algorithm },
}

#[cfg(test)]
mod tests;
