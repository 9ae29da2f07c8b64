//! What a rule requires, and whether signatures meet it.

mod one_signer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::one_signer::OneSigner;
use crate::untrusted::sanitize;

/// Maximum number of authenticators in one requirement.
pub const MAX_AUTHENTICATORS: usize = 64;

/// Maximum number of annotations in one requirement.
pub const MAX_ANNOTATIONS: usize = 16;

/// Maximum number of attestations in one requirement.
pub const MAX_ATTESTATIONS: usize = 16;

/// The authenticators that must have signed, how many of them, what they must have signed beside the digest, and the conditions
/// that attestations must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    quorum: Quorum,
    authenticators: Vec<String>,
    annotations: BTreeMap<String, String>,
    attestations: Vec<String>,
    /// The condition whose signers these are; `None` for those of a rule.
    condition: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    All,
    Any,
    AtLeast(usize),
    /// Attestations alone are required.
    NoSignature,
}

impl Requirement {
    /// All of the authenticators must have signed.
    ///
    /// # Errors
    /// When the list is empty, too long or has duplicates.
    pub fn all(authenticators: Vec<String>) -> Result<Self, RequirementError> {
        Self::new(Quorum::All, authenticators)
    }

    /// At least one of the authenticators must have signed.
    ///
    /// # Errors
    /// When the list is empty, too long or has duplicates.
    pub fn any(authenticators: Vec<String>) -> Result<Self, RequirementError> {
        Self::new(Quorum::Any, authenticators)
    }

    /// At least `count` of the authenticators must have signed.
    ///
    /// # Errors
    /// When the list is empty, too long or has duplicates, or `count` is zero or larger than the list.
    pub fn at_least(count: usize, authenticators: Vec<String>) -> Result<Self, RequirementError> {
        Self::new(Quorum::AtLeast(count), authenticators)
    }

    /// No signature, but attestations that meet all of these conditions.
    ///
    /// # Errors
    /// When the list is empty, too long or has duplicates.
    pub fn of_attestations(conditions: Vec<String>) -> Result<Self, RequirementError> {
        Self::made(Quorum::NoSignature, Vec::new()).with_attestations(conditions)
    }

    /// Requires attestations that meet all of these conditions, too.
    ///
    /// # Errors
    /// When the list is empty, too long or has duplicates.
    pub fn with_attestations(self, conditions: Vec<String>) -> Result<Self, RequirementError> {
        if conditions.is_empty() {
            return Err(RequirementError::NoAttestation);
        }
        if conditions.len() > MAX_ATTESTATIONS {
            return Err(RequirementError::TooManyAttestations);
        }
        if let Some(twice) = first_twice(&conditions) {
            return Err(RequirementError::AttestationTwice(twice.to_owned()));
        }
        Ok(Self { attestations: conditions, ..self })
    }

    /// The same as what the signers of a condition must meet.
    #[must_use]
    pub(super) fn of_condition(self, condition: String) -> Self {
        Self { condition: Some(condition), ..self }
    }

    /// The same of the authenticators and conditions whose names have this prefix.
    #[must_use]
    pub(super) fn prefixed(self, prefix: &str) -> Self {
        let all = |names: Vec<String>| names.into_iter().map(|name| format!("{prefix}{name}")).collect();
        Self {
            authenticators: all(self.authenticators),
            attestations: all(self.attestations),
            condition: self.condition.map(|name| format!("{prefix}{name}")),
            ..self
        }
    }

    /// The conditions that attestations must meet, in the order of the policy.
    #[must_use]
    pub fn attestations(&self) -> &[String] {
        &self.attestations
    }

    /// The condition whose signers these are; `None` for those of a rule.
    #[must_use]
    pub fn condition(&self) -> Option<&str> {
        self.condition.as_deref()
    }

    /// Lets only signatures count that sign these annotations, with exactly these values.
    ///
    /// # Errors
    /// When there are no annotations or too many, or one has no name.
    pub fn with_annotations(self, annotations: BTreeMap<String, String>) -> Result<Self, RequirementError> {
        if annotations.is_empty() || annotations.contains_key("") {
            return Err(RequirementError::NoAnnotation);
        }
        if annotations.len() > MAX_ANNOTATIONS {
            return Err(RequirementError::TooManyAnnotations);
        }
        Ok(Self { annotations, ..self })
    }

    /// The annotations that each signature must sign, with exactly these values.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The authenticators, in the order of the policy.
    #[must_use]
    pub fn authenticators(&self) -> &[String] {
        &self.authenticators
    }

    /// The number of distinct identities of distinct authenticators that is required.
    #[must_use]
    pub fn needed(&self) -> usize {
        match self.quorum {
            Quorum::All => self.authenticators.len(),
            Quorum::Any => 1,
            Quorum::AtLeast(count) => count,
            Quorum::NoSignature => 0,
        }
    }

    /// Checks valid signatures.
    ///
    /// A signer counts once, however often it signed and however many authenticators recognise it; an authenticator counts
    /// once, however many of its signers signed. Identities that signed with one key are one signer, and so are all that are
    /// joined by such identities. So the count is the size of a maximum matching of authenticators and signers.
    ///
    /// # Errors
    /// [`Missing`] when the count is too small.
    pub fn judge<'a>(&self, proofs: impl IntoIterator<Item = Vote<'a>>) -> Result<Satisfied, Missing> {
        let (mut votes, mut names) = (Vec::new(), OneSigner::default());
        for vote in proofs {
            if self.authenticators.iter().any(|known| known == vote.authenticator) {
                vote.keys.iter().for_each(|key| names.join(vote.identity, key));
                votes.push(vote);
            }
        }
        let mut signers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // What each authenticator calls a signer.
        let mut called: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for Vote { authenticator, identity, .. } in votes {
            let signer = names.signer(identity);
            signers.entry(authenticator).or_default().insert(signer);
            let name = called.entry((authenticator, signer)).or_insert(identity);
            *name = identity.min(*name);
        }
        let pairs = match_distinct(&signers);
        if pairs.len() < self.needed() {
            let verified = signers.keys().map(|&name| name.to_owned()).collect();
            return Err(Missing { needed: self.needed(), counted: pairs.len(), verified });
        }
        let identity = |pair: &(&str, &str)| called.get(pair).map_or(pair.1, |identity| *identity).to_owned();
        let by = pairs.iter().map(|pair| (pair.0.to_owned(), identity(pair))).collect();
        Ok(Satisfied { by, condition: self.condition.clone(), met: BTreeSet::new() })
    }

    fn new(quorum: Quorum, authenticators: Vec<String>) -> Result<Self, RequirementError> {
        if authenticators.is_empty() {
            return Err(RequirementError::Empty);
        }
        if authenticators.len() > MAX_AUTHENTICATORS {
            return Err(RequirementError::TooMany);
        }
        if let Some(twice) = first_twice(&authenticators) {
            return Err(RequirementError::Twice(twice.to_owned()));
        }
        match quorum {
            Quorum::AtLeast(0) => Err(RequirementError::Nothing),
            Quorum::AtLeast(count) if count > authenticators.len() => {
                Err(RequirementError::Unreachable { count, of: authenticators.len() })
            }
            _ => Ok(Self::made(quorum, authenticators)),
        }
    }

    fn made(quorum: Quorum, authenticators: Vec<String>) -> Self {
        Self {
            quorum,
            authenticators,
            annotations: BTreeMap::new(),
            attestations: Vec::new(),
            condition: None,
        }
    }
}

fn first_twice(names: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).find(|name| !seen.insert(*name))
}

/// For messages: `all of release, security with annotation team = "payments", and attestation scanned`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quorum {
            _ if self.authenticators.len() == 1 => {}
            Quorum::NoSignature => {}
            Quorum::All => f.write_str("all of ")?,
            Quorum::Any => f.write_str("any of ")?,
            Quorum::AtLeast(count) => write!(f, "at least {count} of ")?,
        }
        f.write_str(&self.authenticators.join(", "))?;
        let annotations: Vec<_> =
            self.annotations.iter().map(|(key, value)| format!("{} = {value:?}", sanitize(key))).collect();
        match annotations.len() {
            0 => {}
            1 => write!(f, " with annotation {}", annotations.join(", "))?,
            _ => write!(f, " with annotations {}", annotations.join(", "))?,
        }
        let and = if self.authenticators.is_empty() { "" } else { ", and " };
        match self.attestations.as_slice() {
            [] => Ok(()),
            [only] => write!(f, "{and}attestation {only}"),
            several => write!(f, "{and}attestations {}", several.join(", ")),
        }
    }
}

/// A valid signature, as [`Requirement::judge`] counts it.
#[derive(Clone, Copy, Debug)]
pub struct Vote<'a> {
    /// The name of the authenticator that recognises the signer.
    pub authenticator: &'a str,
    /// The text of the identity of the signer.
    pub identity: &'a str,
    /// The fingerprints of its keys.
    pub keys: &'a [String],
}

/// A signature by a key, whose fingerprint is the identity.
impl<'a> From<(&'a str, &'a str)> for Vote<'a> {
    fn from((authenticator, identity): (&'a str, &'a str)) -> Self {
        Self { authenticator, identity, keys: &[] }
    }
}

/// Proof that a requirement was met; only [`Requirement::judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Satisfied {
    by: Vec<(String, String)>,
    /// The condition whose signers these are.
    condition: Option<String>,
    /// The conditions that are met as well.
    met: BTreeSet<String>,
}

impl Satisfied {
    /// Adds the proof that a condition is met, if `other` is one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.met.extend(other.condition);
        self
    }

    /// Whether it is the proof for all of `requirement`: of a rule, with each of its attestations.
    #[must_use]
    pub fn is_whole(&self, requirement: &Requirement) -> bool {
        self.condition.is_none() && requirement.attestations.iter().all(|name| self.met.contains(name))
    }

    /// The authenticators that counted, each with the identity that counted for it.
    pub fn by(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by.iter().map(|(authenticator, key)| (authenticator.as_str(), key.as_str()))
    }
}

/// A requirement that was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Missing {
    needed: usize,
    counted: usize,
    verified: Vec<String>,
}

impl Missing {
    /// The authenticators of the requirement that have a valid signature, sorted by name.
    #[must_use]
    pub fn verified(&self) -> &[String] {
        &self.verified
    }
}

/// Independent of the order of the signatures.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verified.as_slice() {
            [] => f.write_str("no valid signature"),
            names => write!(f, "{} of {} needed, from {}", self.counted, self.needed, names.join(", ")),
        }?;
        // Explains why fewer authenticators count than have a valid signature.
        if self.verified.len() > self.counted { f.write_str(", which share a key") } else { Ok(()) }
    }
}

/// Why authenticators are not a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum RequirementError {
    #[error("requirement names no authenticator, so it would require no signature")]
    Empty,
    #[error("requirement names more than {MAX_AUTHENTICATORS} authenticators")]
    TooMany,
    #[error("requirement names authenticator `{0}` twice")]
    Twice(String),
    #[error("`at-least = 0` would require nothing")]
    Nothing,
    #[error("`annotations` is empty, so it would require nothing")]
    NoAnnotation,
    #[error("`annotations` has more than {MAX_ANNOTATIONS} entries")]
    TooManyAnnotations,
    #[error("`attestations` in `require` is empty, so it would require no attestation")]
    NoAttestation,
    #[error("requirement names more than {MAX_ATTESTATIONS} attestations")]
    TooManyAttestations,
    #[error("requirement names attestation `{0}` twice")]
    AttestationTwice(String),
    /// `at-least` is greater than the number of authenticators.
    #[error("`at-least` is {count}, more than the number of authenticators in `of` ({of})")]
    Unreachable { count: usize, of: usize },
}

/// A maximum matching of authenticators and keys (augmenting paths), deterministic.
pub(super) fn match_distinct<'a>(keys: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<(&'a str, &'a str)> {
    let mut matched: BTreeMap<&str, &str> = BTreeMap::new();
    for &name in keys.keys() {
        augment(name, keys, &mut matched, &mut BTreeSet::new());
    }
    let mut pairs: Vec<_> = matched.into_iter().map(|(key, name)| (name, key)).collect();
    pairs.sort_unstable();
    pairs
}

fn augment<'a>(
    name: &'a str,
    keys: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    matched: &mut BTreeMap<&'a str, &'a str>,
    visited: &mut BTreeSet<&'a str>,
) -> bool {
    for &key in keys.get(name).into_iter().flatten() {
        if !visited.insert(key) {
            continue;
        }
        let free = match matched.get(key).copied() {
            None => true,
            Some(holder) => augment(holder, keys, matched, visited),
        };
        if free {
            matched.insert(key, name);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
