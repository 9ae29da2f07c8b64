//! One rule: the images that it applies to, and what it does with them.

mod canonical;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

pub(super) use self::canonical::CanonicalText;

use super::pods::Pods;
use super::requirement::Requirement;
use super::scope::Scope;
use crate::digest::Digest;
use crate::reference::Repository;
use crate::signature::{Format, RepositoryIdentity};

/// One rule: the image names that it applies to, and what it does with the images.
#[derive(Clone, Debug)]
pub struct Rule {
    label: String,
    scope: Scope,
    action: Action,
    aliases: Vec<Scope>,
    pods: Option<Pods>,
    mode: Mode,
    accept: SignedObject,
    layouts: BTreeSet<Format>,
    repository: RepositoryIdentity,
}

impl Rule {
    /// A rule. `label` identifies it in messages, such as `namespace "docker.io/library" (policy.toml:12)`.
    #[must_use]
    pub fn new(label: String, scope: Scope, action: Action) -> Self {
        Self {
            label,
            scope,
            action,
            aliases: Vec::new(),
            pods: None,
            mode: Mode::default(),
            accept: SignedObject::default(),
            layouts: BTreeSet::from(Format::ALL),
            repository: RepositoryIdentity::default(),
        }
    }

    /// Sets aliases of the scope, which the payload of a signature may contain instead: an image that was signed as
    /// `registry-vpc.example.com/team/app` and is pulled as `registry.example.com/team/app`.
    ///
    /// # Errors
    /// When the rule requires no signatures, when its scope or an alias contains a `*`, or when an alias repeats the
    /// scope or another alias.
    pub fn with_aliases(self, aliases: Vec<Scope>) -> Result<Self, AliasError> {
        if self.requirement().is_none() {
            return Err(AliasError::NothingRequired);
        }
        if !self.scope.is_literal() {
            return Err(AliasError::ScopeNotLiteral);
        }
        let mut seen = BTreeSet::from([self.scope.as_str()]);
        for alias in &aliases {
            if !alias.is_literal() {
                return Err(AliasError::NotLiteral(alias.to_string()));
            }
            if !seen.insert(alias.as_str()) {
                return Err(AliasError::Twice(alias.to_string()));
            }
        }
        Ok(Self { aliases, ..self })
    }

    /// Limits the rule to pods in these Kubernetes namespaces.
    #[must_use]
    pub fn with_pods(self, pods: Pods) -> Self {
        Self { pods: Some(pods), ..self }
    }

    /// Sets the mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets what must be signed of a multi-platform image.
    #[must_use]
    pub fn with_signed_object(self, accept: SignedObject) -> Self {
        Self { accept, ..self }
    }

    /// Sets the formats in which a signature counts; by default all.
    #[must_use]
    pub fn with_layouts(self, layouts: BTreeSet<Format>) -> Self {
        Self { layouts, ..self }
    }

    /// Sets whether a bundle must name its repository.
    #[must_use]
    pub fn with_repository_identity(self, repository: RepositoryIdentity) -> Self {
        Self { repository, ..self }
    }

    /// The same rule, which names authenticators and conditions with this prefix.
    #[must_use]
    pub(super) fn prefixed(self, prefix: &str) -> Self {
        let action = match self.action {
            Action::Require(requirement) => Action::Require(requirement.prefixed(prefix)),
            other @ (Action::AllowUnsigned(_) | Action::Deny { .. }) => other,
        };
        Self { action, ..self }
    }

    /// The text that identifies the rule in messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The image names that it applies to; for the default rule, all.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What the rule does with an image that it applies to.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The Kubernetes namespaces of the pods that it applies to; `None` for all.
    #[must_use]
    pub fn pods(&self) -> Option<&Pods> {
        self.pods.as_ref()
    }

    /// How strictly the rule is enforced.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What must be signed of a multi-platform image.
    #[must_use]
    pub fn signed_object(&self) -> SignedObject {
        self.accept
    }

    /// The formats in which a signature counts. Unless [`Self::repository_identity`] requires it, a bundle need not name its
    /// repository: where it counts, an image that the same key signed for another repository does too.
    #[must_use]
    pub fn layouts(&self) -> &BTreeSet<Format> {
        &self.layouts
    }

    /// Whether attestations have to be looked for.
    #[must_use]
    pub fn asks_for_attestations(&self) -> bool {
        let asks = |requirement: &Requirement| !requirement.attestations().is_empty();
        self.mode != Mode::Off && self.requirement().is_some_and(asks)
    }

    /// Whether a bundle must name its repository.
    #[must_use]
    pub fn repository_identity(&self) -> RepositoryIdentity {
        self.repository
    }

    /// The verdict at `now`: `require`, `allow` or `deny`. An expired allowance denies.
    #[must_use]
    pub fn verdict(&self, now: Timestamp) -> &'static str {
        match &self.action {
            Action::Require(_) => "require",
            Action::AllowUnsigned(allowance) if !allowance.is_over(now) => "allow",
            Action::AllowUnsigned(_) | Action::Deny { .. } => "deny",
        }
    }

    /// A digest over everything in which rules can differ; file and line do not matter. A verdict is valid only for the
    /// rule that it was made with.
    #[must_use]
    pub fn identity(&self) -> Digest {
        Digest::of(CanonicalText::of(self).into_string().as_bytes())
    }

    /// Compares strictness; where two rules must both admit, messages name the stricter one. `enforce` is stricter than
    /// `audit`, that than `off`; `deny` is stricter than `require`, that than `allow`; more required keys are stricter
    /// than fewer. The text of the scope makes the order total.
    #[must_use]
    pub fn compare_strictness(&self, other: &Self) -> Ordering {
        let rank = |rule: &Self| {
            let action = match &rule.action {
                Action::Deny { .. } => (2, 0),
                Action::Require(requirement) => (1, requirement.needed() + requirement.attestations().len()),
                Action::AllowUnsigned(_) => (0, 0),
            };
            (rule.mode, action)
        };
        rank(self)
            .cmp(&rank(other))
            .then_with(|| self.scope.as_str().cmp(other.scope.as_str()))
            .then_with(|| self.label.cmp(&other.label))
    }

    /// The aliases of its scope.
    #[must_use]
    pub fn aliases(&self) -> &[Scope] {
        &self.aliases
    }

    /// The repositories that a signature may be for, for an image of `repository`, which this rule must apply to: its
    /// own, then those with the aliases, all in canonical form.
    #[must_use]
    pub fn accepted_repositories(&self, repository: &Repository) -> Vec<String> {
        let own = repository.canonical();
        let rest = self.scope.remainder(&own);
        let others = self.aliases.iter().filter_map(|alias| match (rest?, alias.as_str()) {
            // An alias that is a host, or a user of docker.io, is not itself the name of a repository.
            ("", alias) => Repository::parse(alias).ok().filter(|other| other.as_str() == alias),
            (rest, alias) => Repository::parse(&format!("{alias}/{rest}")).ok(),
        });
        let others = others.map(|other| other.canonical().into_owned());
        std::iter::once(own.to_string()).chain(others).collect()
    }

    pub(super) fn requirement(&self) -> Option<&Requirement> {
        match &self.action {
            Action::Require(requirement) => Some(requirement),
            Action::AllowUnsigned(_) | Action::Deny { .. } => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// What a rule does with images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Admit them if signatures meet the requirement.
    Require(Requirement),
    /// Admit them unsigned, within limits.
    AllowUnsigned(Allowance),
    /// Refuse them.
    Deny {
        /// Shown in the refusal.
        reason: Option<String>,
    },
}

/// Limits of an allowance for unsigned images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The operator's reason, for the log.
    pub reason: String,
    /// If not empty, only these digests; a tag must resolve to one of them.
    pub digests: Vec<Digest>,
    /// The first instant at which the allowance has expired; `None` if it never does.
    pub until: Option<Timestamp>,
}

impl Allowance {
    /// An allowance for all images of the scope that does not expire.
    #[must_use]
    pub fn of_all(reason: String) -> Self {
        Self { reason, digests: Vec::new(), until: None }
    }

    /// Whether it has expired at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// What must be signed where a name resolves to a multi-platform index. What was signed is what is pulled. For a
/// single-platform image, there is no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignedObject {
    /// The index, or whatever the name resolves to.
    #[default]
    Index,
    /// The image for the platform of the node.
    Platform,
    /// Either of them; the index is checked first.
    Either,
}

impl SignedObject {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Index, Self::Platform, Self::Either];

    /// The word in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Platform => "platform",
            Self::Either => "either",
        }
    }
}

/// How a rule is enforced, from the least to the most strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Images are admitted without a check.
    Off,
    /// Images are checked; what would be refused is admitted and logged.
    Audit,
    /// Images are checked; what is refused does not run.
    #[default]
    Enforce,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Off];

    /// The word in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// Why a rule cannot have these aliases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum AliasError {
    /// The rule requires no signatures, whose payload could contain a name.
    #[error("aliases have no effect in a rule that requires no signature")]
    NothingRequired,
    /// The scope contains a `*`, so there is no unique text to replace.
    #[error("a rule with `aliases` must have a scope without `*`")]
    ScopeNotLiteral,
    #[error("alias `{0}` contains `*`; an alias must be a name without patterns")]
    NotLiteral(String),
    #[error("alias `{0}` repeats the scope or another alias")]
    Twice(String),
}
