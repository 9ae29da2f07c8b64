//! A condition of the policy: what an attestation of an image must say, and who must have signed it.

use std::fmt;

use super::Requirement;
use crate::signature::attestation::StatementTerms;

/// Maximum number of conditions in a policy.
pub const MAX_CONDITIONS: usize = 256;

/// A named condition that rules may require. Attestations meet it if they say what its terms ask for, and are signed by the
/// authenticators of its requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    terms: StatementTerms,
    by: Requirement,
}

impl Condition {
    /// A condition with these terms, met by signers that meet `by`.
    #[must_use]
    pub fn new(terms: StatementTerms, by: Requirement) -> Self {
        let by = by.of_condition(terms.condition().to_owned());
        Self { terms, by }
    }

    /// The same under a name with this prefix, by authenticators whose names have it.
    #[must_use]
    pub(super) fn prefixed(self, prefix: &str) -> Self {
        Self { terms: self.terms.prefixed(prefix), by: self.by.prefixed(prefix) }
    }

    /// The name in the policy.
    #[must_use]
    pub fn name(&self) -> &str {
        self.terms.condition()
    }

    /// What a statement must say.
    #[must_use]
    pub fn terms(&self) -> &StatementTerms {
        &self.terms
    }

    /// Whose statements count, and how many distinct identities must have signed one.
    #[must_use]
    pub fn by(&self) -> &Requirement {
        &self.by
    }

    /// Whether statements by this authenticator count. Their type is a matter of [`StatementTerms::asks_for`].
    #[must_use]
    pub fn trusts(&self, authenticator: &str) -> bool {
        self.by.authenticators().iter().any(|name| name == authenticator)
    }

    /// Everything that can change a verdict, for the hash of the policy.
    pub(super) fn entries(&self) -> Vec<String> {
        let mut entries = self.terms.entries();
        entries.push(self.by.needed().to_string());
        let mut names = self.by.authenticators().to_vec();
        names.sort_unstable();
        entries.extend(names);
        entries
    }
}

/// For messages: `scanned (vulnerabilities, none above medium, at most 7d old, by scanner)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, by {})", self.name(), self.terms, self.by)
    }
}
