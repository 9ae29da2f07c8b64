//! Which rule applies to an image, and what it requires.
//!
//! Exactly one rule applies to an image name and the Kubernetes namespace of the pod that requests it: the one with the
//! most specific scope that covers the name, and among equally specific ones a rule for just these pods before a rule
//! for all; the order in which rules were written does not matter. If no rule covers the name, the default applies,
//! which is a rule too. Two rules of which neither is more specific do not load.
//!
//! A request without a namespace (crictl, kubeadm) must satisfy every rule that could apply, see [`ApplicableRules`]:
//! omitting the namespace never weakens the check. A namespace is only compared, never used as a path.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::reference::Repository;
use crate::signature::{self, Format};
use crate::trust::{Authenticator, Identities, PublicKey, TrustKind};
use layer::Layer;

mod applicability;
mod applicable_rules;
mod break_glass;
mod canonical;
mod condition;
mod deny_list;
mod layer;
mod narrowed;
mod pods;
mod requirement;
mod rule;
mod scope;
mod segment;
mod tags;
mod trie;

pub use applicability::Applicability;
pub use applicable_rules::ApplicableRules;
pub use break_glass::{
    BreakGlass, BreakGlassSource, Exception, ExceptionTarget, LONGEST_EXCEPTION, MAX_EXCEPTIONS,
};
pub use condition::{Condition, MAX_CONDITIONS};
pub use deny_list::{DenyList, MAX_DENIED};
pub use narrowed::LOCAL;
pub use pods::{MAX_POD_PATTERNS, Pods, PodsError};
pub use requirement::{
    MAX_ANNOTATIONS, MAX_ATTESTATIONS, MAX_AUTHENTICATORS, Missing, Requirement, RequirementError, Satisfied,
    Vote,
};
pub use rule::{Action, AliasError, Allowance, Mode, Rule, SignedObject};
pub use scope::{MAX_RUNS, MAX_SCOPE, Scope, ScopeError};
pub use tags::{MAX_TAG_PATTERNS, Tags, TagsError};

/// Maximum number of rules in a policy.
pub const MAX_RULES: usize = 20_000;

/// A valid policy: rules without ties, and the authenticators and conditions that they name.
#[derive(Debug)]
pub struct Policy {
    layer: Layer,
    /// Other sets of rules, each of which must admit an image too.
    narrowing: Vec<Layer>,
    authenticators: BTreeMap<String, Authenticator>,
    conditions: BTreeMap<String, Condition>,
    denials: DenyList,
    hash: String,
}

impl Policy {
    /// Builds a policy from rules.
    ///
    /// # Errors
    /// All problems, not only the first. Rules are identified by their index in `rules`.
    pub fn new(
        default: Rule,
        rules: Vec<Rule>,
        authenticators: Vec<Authenticator>,
    ) -> Result<Self, Vec<PolicyError>> {
        Self::with_conditions(default, rules, authenticators, Vec::new())
    }

    /// As [`Self::new`], with conditions that rules may require.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_conditions(
        default: Rule,
        rules: Vec<Rule>,
        authenticators: Vec<Authenticator>,
        conditions: Vec<Condition>,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        if rules.len() > MAX_RULES {
            return Err(vec![PolicyError::TooManyRules]);
        }
        let mut by_name = BTreeMap::new();
        for authenticator in authenticators {
            if let Some(twice) = by_name.insert(authenticator.name().to_owned(), authenticator) {
                errors.push(PolicyError::SameAuthenticator { name: twice.name().to_owned() });
            }
        }
        let by_condition = check_conditions(conditions, &by_name, &mut errors);
        for (rule, required) in
            rules.iter().enumerate().filter_map(|(at, rule)| Some((at, rule.requirement()?)))
        {
            errors.extend(check_requirement(rule, required, &by_name));
            let unknown = required.attestations().iter().filter(|name| !by_condition.contains_key(*name));
            errors.extend(unknown.map(|name| PolicyError::UnknownAttestation { rule, name: name.clone() }));
        }
        let all: Vec<&Rule> = rules.iter().collect();
        errors.extend(ties(&all).into_iter().map(|(first, second)| PolicyError::Tie { first, second }));
        if !errors.is_empty() {
            return Err(errors);
        }
        let (layer, narrowing) = (Layer::new(default, rules), Vec::new());
        let (denials, hash) = (DenyList::default(), String::new());
        let (authenticators, conditions) = (by_name, by_condition);
        Ok(Self { layer, narrowing, authenticators, conditions, denials, hash }.hashed())
    }

    /// The same policy with this deny list; it has another hash.
    ///
    /// An authenticator without keys, or a requirement that cannot be met any more, is not an error: a key must be
    /// revocable at once, whatever depends on it.
    #[must_use]
    pub fn with_deny_list(mut self, denials: DenyList) -> Self {
        let revoked = |key: &PublicKey| denials.of_key(key).map(str::to_owned);
        let authenticators = self.authenticators.into_iter();
        let without = |it: Authenticator| it.without(&revoked).denying(denials.key_reasons());
        self.authenticators = authenticators.map(|(name, it)| (name, without(it))).collect();
        self.denials = denials;
        self.hashed()
    }

    fn hashed(self) -> Self {
        Self { hash: canonical::hash(&self), ..self }
    }

    /// Whether one of these rules names an authenticator that reads signatures of this format.
    #[must_use]
    pub fn reads(&self, rules: &ApplicableRules<'_>, format: Format) -> bool {
        let required = rules.rules().filter_map(|rule| match rule.action() {
            Action::Require(requirement) => Some(requirement.authenticators()),
            Action::AllowUnsigned(_) | Action::Deny { .. } => None,
        });
        let mut authenticators = required.flatten().filter_map(|name| self.authenticator(name));
        authenticators.any(|authenticator| signature::reads(authenticator.signers(), format))
    }

    /// The deny list, which overrides every rule.
    #[must_use]
    pub fn deny_list(&self) -> &DenyList {
        &self.denials
    }

    /// The rules that apply to a repository that a pod in `namespace` requests: at least one.
    ///
    /// If the namespace is unknown, or not a name that Kubernetes allows, every rule that could apply for some
    /// namespace. If the policy was [narrowed](Self::narrowed_by), the rules of each of its layers.
    #[must_use]
    pub fn applicable_rules(&self, repository: &Repository, namespace: Option<&str>) -> ApplicableRules<'_> {
        let (general, mut others) = self.layer.applicable(repository, namespace);
        for layer in &self.narrowing {
            let (rule, more) = layer.applicable(repository, namespace);
            others.push(rule);
            others.extend(more);
        }
        ApplicableRules::strictest_of(general, others.into_iter())
    }

    /// Whether the same rules apply to a repository for every pod.
    #[must_use]
    pub fn is_same_for_all_pods(&self, repository: &Repository) -> bool {
        self.layers().all(|layer| layer.applicable(repository, None).1.is_empty())
    }

    /// The authenticator called `name`, if the policy has one.
    #[must_use]
    pub fn authenticator(&self, name: &str) -> Option<&Authenticator> {
        self.authenticators.get(name)
    }

    /// The condition called `name`, if the policy has one.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.get(name)
    }

    /// All conditions, sorted by name.
    pub fn conditions(&self) -> impl ExactSizeIterator<Item = &Condition> {
        self.conditions.values()
    }

    /// The authenticators that a verdict by this requirement may rest on: its own, and those of its conditions.
    pub fn authenticators_of<'p>(
        &'p self,
        required: &'p Requirement,
    ) -> impl Iterator<Item = &'p Authenticator> {
        let conditions = required.attestations().iter().filter_map(|name| self.condition(name));
        let names = conditions.flat_map(|condition| condition.by().authenticators());
        required.authenticators().iter().chain(names).filter_map(|name| self.authenticator(name))
    }

    /// All authenticators, sorted by name.
    pub fn authenticators(&self) -> impl Iterator<Item = &Authenticator> {
        self.authenticators.values()
    }

    /// What the authenticators trust that has ended or will within `notice`, in one line each.
    #[must_use]
    pub fn ending(&self, now: Timestamp, notice: SignedDuration) -> BTreeSet<String> {
        self.authenticators.values().flat_map(|it| it.set().ending(now, notice)).collect()
    }

    /// When each thing ends that the authenticators trust and that the operator must renew.
    pub fn ends(&self) -> impl Iterator<Item = (TrustKind, Timestamp)> {
        self.authenticators.values().flat_map(|authenticator| authenticator.set().ends())
    }

    /// The rules, in the order of the files, without defaults.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.layers().flat_map(|layer| &layer.rules)
    }

    /// The rule for names that no other rule covers. A [narrowed](Self::narrowed_by) policy has more of them.
    #[must_use]
    pub fn default_rule(&self) -> &Rule {
        &self.layer.default
    }

    /// The rules of each layer, followed by its default.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.layers().flat_map(Layer::all)
    }

    /// Whether `rule` is a default of this policy.
    #[must_use]
    pub fn is_default(&self, rule: &Rule) -> bool {
        self.layers().any(|layer| std::ptr::eq(&layer.default, rule))
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.layer).chain(&self.narrowing)
    }

    /// `sha256:` over everything that can change a verdict: scopes, actions, aliases, conditions, and keys with their algorithm
    /// and validity period. Comments, file names, order and spelling do not matter.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Why rules are not a valid policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum PolicyError {
    #[error("policy has more than {MAX_RULES} rules")]
    TooManyRules,
    #[error("duplicate authenticator `{name}`")]
    SameAuthenticator { name: String },
    #[error("authenticator `{name}` does not exist")]
    UnknownAuthenticator { rule: usize, name: String },
    #[error("attestation `{name}` does not exist")]
    UnknownAttestation { rule: usize, name: String },
    #[error("duplicate attestation `{name}`")]
    SameAttestation { name: String },
    #[error("policy has more than {MAX_CONDITIONS} attestations")]
    TooManyAttestations,
    /// An authenticator of a condition is missing, or of a kind that reads no attestations.
    #[error("attestation `{condition}` cannot be verified by authenticator `{name}`")]
    NoVerifier { condition: String, name: String },
    /// The authenticators of a requirement have too few distinct keys.
    #[error(
        "requirement can never be met: it needs signatures by {needed} different keys, but its authenticators have only {keys}"
    )]
    TooFewKeys {
        /// Index of the rule.
        rule: usize,
        /// The number of distinct keys that is required.
        needed: usize,
        /// The maximum number of keys that can count together.
        keys: usize,
    },
    /// Two equally specific rules cover the same name.
    #[error("two rules are equally specific and can match the same image name")]
    Tie {
        /// Index of the earlier rule.
        first: usize,
        /// Index of the later rule.
        second: usize,
    },
}

/// Pairs of rules, by their index, that are equally specific and can cover the same name for the same pod.
#[must_use]
pub fn ties(rules: &[&Rule]) -> Vec<(usize, usize)> {
    trie::ties(rules)
}

/// The conditions by their names.
fn check_conditions(
    conditions: Vec<Condition>,
    known: &BTreeMap<String, Authenticator>,
    errors: &mut Vec<PolicyError>,
) -> BTreeMap<String, Condition> {
    let mut by_name = BTreeMap::new();
    if conditions.len() > MAX_CONDITIONS {
        errors.push(PolicyError::TooManyAttestations);
    }
    for condition in conditions {
        let reads =
            |name: &&String| known.get(*name).is_some_and(|it| signature::reads_attestations(it.signers()));
        for name in condition.by().authenticators().iter().filter(|name| !reads(name)) {
            let (condition, name) = (condition.name().to_owned(), name.clone());
            errors.push(PolicyError::NoVerifier { condition, name });
        }
        if let Some(twice) = by_name.insert(condition.name().to_owned(), condition) {
            errors.push(PolicyError::SameAttestation { name: twice.name().to_owned() });
        }
    }
    by_name
}

/// The errors of a requirement, given the existing authenticators.
fn check_requirement(
    rule: usize,
    required: &Requirement,
    known: &BTreeMap<String, Authenticator>,
) -> Vec<PolicyError> {
    let mut errors = Vec::new();
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // Where a pattern gives the identities, one is always left that no other authenticator has.
    let mut patterns = 0;
    for name in required.authenticators() {
        match known.get(name).map(Authenticator::identities) {
            Some(Identities::Named(own)) => {
                keys.insert(name, own.into_iter().collect());
            }
            Some(Identities::Any) => patterns += 1,
            None => errors.push(PolicyError::UnknownAuthenticator { rule, name: name.clone() }),
        }
    }
    let (needed, most) = (required.needed(), requirement::match_distinct(&keys).len() + patterns);
    if errors.is_empty() && most < needed {
        errors.push(PolicyError::TooFewKeys { rule, needed, keys: most });
    }
    errors
}

#[cfg(test)]
mod tests;
