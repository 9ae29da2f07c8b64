//! One rule: the images it applies to, and what it does with them.

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
use crate::reference::{LEGACY_DEFAULT_DOMAIN, Repository};

/// One rule: the names it applies to and what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    label: String,
    scope: Scope,
    action: Action,
    aliases: Vec<Scope>,
    pods: Option<Pods>,
    mode: Mode,
    accept: SignedObject,
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
        }
    }

    /// The same rule with other names for its scope that the payload of a signature may carry: an image that was signed
    /// as `registry-vpc.example.com/team/app` and is pulled as `registry.example.com/team/app`.
    ///
    /// # Errors
    /// When the rule requires no signatures, when its scope or an alias has a `*` in it, or an alias repeats the scope
    /// or another alias.
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

    /// The same rule for pods of these Kubernetes namespaces only.
    #[must_use]
    pub fn with_pods(self, pods: Pods) -> Self {
        Self { pods: Some(pods), ..self }
    }

    /// The same rule in this mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same rule for what must be signed, of an image for several platforms.
    #[must_use]
    pub fn with_signed_object(self, accept: SignedObject) -> Self {
        Self { accept, ..self }
    }

    /// Identifies the rule in messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The names it applies to; for the default rule, all.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What happens.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The Kubernetes namespaces it applies to; all, when absent.
    #[must_use]
    pub fn pods(&self) -> Option<&Pods> {
        self.pods.as_ref()
    }

    /// Whether it is enforced, audited or off.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What must be signed, of an image for several platforms.
    #[must_use]
    pub fn signed_object(&self) -> SignedObject {
        self.accept
    }

    /// What it comes to at `now`: `require`, `allow` or `deny`. An allowance whose time is over denies.
    #[must_use]
    pub fn verdict(&self, now: Timestamp) -> &'static str {
        match &self.action {
            Action::Require(_) => "require",
            Action::AllowUnsigned(allowance) if !allowance.is_over(now) => "allow",
            Action::AllowUnsigned(_) | Action::Deny { .. } => "deny",
        }
    }

    /// A digest over everything in which this rule can differ from another: the same for the same rule in whatever file
    /// and line. A verdict by one rule is not a verdict by another.
    #[must_use]
    pub fn identity(&self) -> Digest {
        Digest::of(CanonicalText::of(self).into_string().as_bytes())
    }

    /// Which of two rules is stricter, so that it is the one that is named where both must admit. Being enforced beats
    /// audit, which beats being off; to deny beats to require, which beats to allow; to need more keys beats to need
    /// fewer. What is left is decided by the text of the scope, so that the order is total.
    #[must_use]
    pub fn compare_strictness(&self, other: &Self) -> Ordering {
        let rank = |rule: &Self| {
            let action = match &rule.action {
                Action::Deny { .. } => (2, 0),
                Action::Require(requirement) => (1, requirement.needed()),
                Action::AllowUnsigned(_) => (0, 0),
            };
            (rule.mode, action)
        };
        rank(self)
            .cmp(&rank(other))
            .then_with(|| self.scope.as_str().cmp(other.scope.as_str()))
            .then_with(|| self.label.cmp(&other.label))
    }

    /// The other names of its scope.
    #[must_use]
    pub fn aliases(&self) -> &[Scope] {
        &self.aliases
    }

    /// The names that a signature may give to an image of `repository`, which this rule applies to: its own, with the
    /// host in lower case, then those by the rule's aliases. Names in `docker.io` are there a second time as cosign
    /// writes them, in `index.docker.io`.
    #[must_use]
    pub fn accepted_repositories(&self, repository: &Repository) -> Vec<String> {
        let own = repository.comparable();
        let rest = self.scope.remainder(&own);
        let others = self.aliases.iter().filter_map(|alias| match (rest?, alias.as_str()) {
            // An alias that is a host, or a user of docker.io, is not the name of a repository by itself.
            ("", alias) => Repository::parse(alias).ok().filter(|other| other.as_str() == alias),
            (rest, alias) => Repository::parse(&format!("{alias}/{rest}")).ok(),
        });
        let canonical = std::iter::once(own.to_string()).chain(others.map(|other| other.to_string()));
        let spellings = canonical.flat_map(|name| {
            let legacy =
                name.strip_prefix("docker.io/").map(|path| format!("{LEGACY_DEFAULT_DOMAIN}/{path}"));
            std::iter::once(name).chain(legacy)
        });
        spellings.collect()
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

/// What a rule does with the images it applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Admits them if signatures meet the requirement.
    Require(Requirement),
    /// Admits them as they are, within bounds.
    AllowUnsigned(Allowance),
    /// Refuses them.
    Deny {
        /// Why, for the person whose pull is refused.
        reason: Option<String>,
    },
}

/// Images that need no signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Why, for the record.
    pub reason: String,
    /// If not empty, only these; a tag must resolve to one of them.
    pub digests: Vec<Digest>,
    /// The first moment at which nothing is allowed any more; never, when absent.
    pub until: Option<Timestamp>,
}

impl Allowance {
    /// Every image of the scope, without end.
    #[must_use]
    pub fn of_all(reason: String) -> Self {
        Self { reason, digests: Vec::new(), until: None }
    }

    /// Whether its time is over at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// What must be signed where a name resolves to an index of images for several platforms. What was signed is what is pulled.
/// An image for one platform is both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignedObject {
    /// The index, or whatever else the name resolves to.
    #[default]
    Index,
    /// The image for the platform of the node.
    Platform,
    /// One of the two; the index is looked at first.
    Either,
}

impl SignedObject {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Index, Self::Platform, Self::Either];

    /// The word for it in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Platform => "platform",
            Self::Either => "either",
        }
    }
}

/// How a rule is enforced. Ordered from the laxest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Off: what it applies to is admitted without a check.
    Off,
    /// Evaluated as usual, but what it refuses is admitted and reported.
    Audit,
    /// What it refuses does not run.
    #[default]
    Enforce,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Off];

    /// The word for it in the policy.
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
pub enum AliasError {
    /// The rule requires no signatures whose payload could carry a name.
    #[error("aliases have no effect in a rule that requires no signature")]
    NothingRequired,
    /// The scope has a `*`, so the text to replace is not unique.
    #[error("aliases need a scope without `*`")]
    ScopeNotLiteral,
    /// An alias has a `*`.
    #[error("alias `{0}` has a `*`")]
    NotLiteral(String),
    /// An alias repeats the scope or another alias.
    #[error("alias `{0}` repeats the scope or another alias")]
    Twice(String),
}
