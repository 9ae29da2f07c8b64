//! Keyless authenticators: identities that a certificate authority vouches for in certificates of minutes.
//!
//! A set has trusted roots (certificate authorities, logs and timestamp authorities of one Sigstore instance) and a
//! rule for the signer. Whether a signature fits is the matter of `signature::keyless`; this module has what is
//! trusted, and no I/O.

mod certificate;
mod claim;
mod pattern;
mod provider;
mod root;
mod signer_rule;

use jiff::{SignedDuration, Timestamp};

pub use self::certificate::{CertificateError, SigningCertificate};
pub use self::claim::Claim;
pub use self::pattern::{MAX_PATTERN_BYTES, Pattern, PatternError};
pub use self::root::{MAX_ROOT_BYTES, ROOT_NOTICE, RootEnd, RootError, TrustedRoot};
pub use self::signer_rule::{SignerRule, SignerRuleError, WrongIdentity};
use super::{Algorithm, Identities, Key, PublicKey, SignerSet, TrustKind};

/// Maximum number of trusted roots of one authenticator: each is tried for every untrusted signature.
pub const MAX_ROOTS: usize = 4;

/// The algorithms of keys whose log entries are verified: those that sigstore-verify has for a key of their kind.
pub const LOGGED_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::EcdsaSha256, Algorithm::EcdsaSha384, Algorithm::RsaPkcs1Sha256, Algorithm::Ed25519];

/// What must show when a certificate was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogUse {
    /// An entry of a transparency log, and a certificate transparency log for the certificate.
    Required,
    /// A timestamp alone: the instance has no logs, and its root names none.
    None,
}

impl LogUse {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Required, Self::None];

    /// The word in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::None => "none",
        }
    }
}

/// The signers of a keyless authenticator.
#[derive(Clone, Debug)]
pub struct KeylessSet {
    roots: Vec<TrustedRoot>,
    rule: SignerRule,
    logs: LogUse,
}

impl KeylessSet {
    /// Signers that `rule` describes, with certificates of any of `roots`.
    ///
    /// # Errors
    /// When there are no roots, too many, the same twice, or one that does not have what `logs` needs.
    pub fn new(roots: Vec<TrustedRoot>, rule: SignerRule, logs: LogUse) -> Result<Self, KeylessSetError> {
        check_roots(&roots, |root| match logs {
            LogUse::Required => root.missing_logs(),
            LogUse::None => root.missing_without_logs(),
        })?;
        Ok(Self { roots, rule, logs })
    }

    /// The trusted roots, in the order of the policy.
    pub fn roots(&self) -> &[TrustedRoot] {
        &self.roots
    }

    /// Who may sign.
    pub fn rule(&self) -> &SignerRule {
        &self.rule
    }

    /// Whether log entries are required.
    pub fn logs(&self) -> LogUse {
        self.logs
    }
}

/// By when something must not end, to be reported `notice` before.
pub(super) fn horizon(now: Timestamp, notice: SignedDuration) -> Timestamp {
    now.checked_add(notice).unwrap_or(Timestamp::MAX)
}

/// Checks the roots of an authenticator; `missing` says what one lacks.
fn check_roots(
    roots: &[TrustedRoot],
    missing: impl Fn(&TrustedRoot) -> Option<&'static str>,
) -> Result<(), KeylessSetError> {
    if roots.is_empty() {
        return Err(KeylessSetError::NoRoots);
    }
    if roots.len() > MAX_ROOTS {
        return Err(KeylessSetError::TooManyRoots(roots.len()));
    }
    for (at, root) in roots.iter().enumerate() {
        if let Some(first) = roots.iter().take(at).find(|first| first.digest() == root.digest()) {
            let [first, second] = [first, root].map(|root| root.origin().to_owned());
            return Err(KeylessSetError::SameRoot { first, second });
        }
        if let Some(what) = missing(root) {
            return Err(KeylessSetError::Unfit { origin: root.origin().to_owned(), what });
        }
    }
    Ok(())
}

/// Checks that `roots` have logs that can have entries of signatures by `keys`.
pub(super) fn check_logs_of_keys(roots: &[TrustedRoot], keys: &[Key]) -> Result<(), KeylessSetError> {
    check_roots(roots, TrustedRoot::missing_transparency_logs)?;
    let mut algorithms = keys.iter().map(|key| key.public.algorithm());
    match algorithms.find(|algorithm| !LOGGED_ALGORITHMS.contains(algorithm)) {
        Some(algorithm) => Err(KeylessSetError::Algorithm(algorithm)),
        None => Ok(()),
    }
}

impl SignerSet for KeylessSet {
    fn kind(&self) -> &'static str {
        "keyless"
    }

    fn identities(&self) -> Identities<'_> {
        self.rule.only_identity().map_or(Identities::Any, |only| Identities::Named(vec![only]))
    }

    /// The end of a certificate does not count: it says when it was issued, and a signature is judged at that time.
    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        self.roots.iter().filter_map(|root| root.first_end(after)).min()
    }

    fn ending(&self, now: Timestamp, notice: SignedDuration) -> Vec<String> {
        let horizon = horizon(now, notice);
        self.roots.iter().filter_map(|root| root.ending(horizon)).collect()
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        self.roots.iter().filter_map(|root| Some((TrustKind::Root, root.end()?.at))).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        let roots = self.roots.iter().map(|root| vec!["root".to_owned(), root.digest().to_string()]);
        let logs = vec!["log".to_owned(), self.logs.name().to_owned()];
        roots.chain([logs]).chain(self.rule.entries()).collect()
    }

    /// Does nothing: each certificate has a new key. To revoke a signer, remove its identity from the policy.
    fn revoke(&mut self, _: &dyn Fn(&PublicKey) -> Option<String>) {}
}

/// Why roots and a rule are not a keyless authenticator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum KeylessSetError {
    #[error("no trusted root is given")]
    NoRoots,
    /// Entries of such signatures are not read.
    #[error(
        "pullgate cannot verify log entries of signatures with {0}; set `log` only for keys with other algorithms"
    )]
    Algorithm(Algorithm),
    #[error("{0} trusted roots are given, more than the limit of {MAX_ROOTS}")]
    TooManyRoots(usize),
    #[error("{first} and {second} are the same trusted root; keep one of them")]
    SameRoot { first: String, second: String },
    /// The root does not have what the authenticator needs of it, or has what the authenticator says it has not.
    #[error("trusted root {origin} {what}")]
    Unfit {
        origin: String,
        /// The missing or excess part.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
