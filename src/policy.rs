//! Which rule speaks for an image, and what it asks.
//!
//! Exactly one rule speaks for a name: the one with the most specific scope that covers it, whatever the order in which
//! rules were written; if none does, the default, which is a rule too. Two rules of which neither is more specific do
//! not load. Nothing here does I/O, and nothing about the requester takes part, so a pull cannot choose its rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::reference::{LEGACY_DEFAULT_DOMAIN, Repository};
use crate::trust::Authenticator;

mod canonical;
mod requirement;
mod scope;
mod segment;
mod trie;

pub use requirement::{MAX_AUTHENTICATORS, Missing, Requirement, RequirementError, Satisfied};
pub use scope::{MAX_RUNS, MAX_SCOPE, Scope, ScopeError};

/// How many rules a policy may have.
pub const MAX_RULES: usize = 20_000;

/// A policy that loaded: rules that are not at odds with each other, and the authenticators that they name.
#[derive(Debug)]
pub struct Policy {
    default: Rule,
    rules: Vec<Rule>,
    authenticators: BTreeMap<String, Authenticator>,
    trie: trie::Trie,
    hash: String,
}

impl Policy {
    /// Puts rules together.
    ///
    /// # Errors
    /// Everything that is wrong, not only what is found first. Rules are named by their place in `rules`.
    pub fn new(
        default: Rule,
        rules: Vec<Rule>,
        authenticators: Vec<Authenticator>,
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
        for (rule, required) in
            rules.iter().enumerate().filter_map(|(at, rule)| Some((at, rule.requirement()?)))
        {
            errors.extend(check_requirement(rule, required, &by_name));
        }
        let scopes: Vec<&Scope> = rules.iter().map(|rule| &rule.scope).collect();
        errors.extend(ties(&scopes).into_iter().map(|(first, second)| PolicyError::Tie { first, second }));
        if !errors.is_empty() {
            return Err(errors);
        }
        let trie = trie::Trie::new(&scopes);
        let hash = canonical::hash(&default, &rules, &by_name);
        Ok(Self { default, rules, authenticators: by_name, trie, hash })
    }

    /// The rule that speaks for a repository: there is always one.
    #[must_use]
    pub fn rule_for(&self, repository: &Repository) -> &Rule {
        let found = self.trie.find(&repository.comparable_domain(), repository.path());
        found.and_then(|rule| self.rules.get(rule)).unwrap_or(&self.default)
    }

    /// The authenticator with this name.
    #[must_use]
    pub fn authenticator(&self, name: &str) -> Option<&Authenticator> {
        self.authenticators.get(name)
    }

    /// All authenticators, sorted by name.
    pub fn authenticators(&self) -> impl Iterator<Item = &Authenticator> {
        self.authenticators.values()
    }

    /// The rules, in the order of the files; the default is not among them.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What happens to a name that no rule covers.
    #[must_use]
    pub fn default_rule(&self) -> &Rule {
        &self.default
    }

    /// `sha256:` over all that can change a verdict: scopes, actions, aliases, and keys with their algorithm and
    /// validity. Comments, files, order and spelling do not take part.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// One rule: the names it speaks for and what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    label: String,
    scope: Scope,
    action: Action,
    aliases: Vec<Scope>,
}

impl Rule {
    /// A rule. `label` is what people know it by, such as `namespace "docker.io/library" (policy.toml:12)`.
    #[must_use]
    pub fn new(label: String, scope: Scope, action: Action) -> Self {
        Self { label, scope, action, aliases: Vec::new() }
    }

    /// The same rule with other names for its scope that the payload of a signature may carry: an image that was signed
    /// as `registry-vpc.example.com/team/app` and is pulled as `registry.example.com/team/app`.
    ///
    /// # Errors
    /// When the rule requires no signatures, when its scope or an alias has a `*` in it, or an alias is the scope itself
    /// or there twice.
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

    /// What people know it by.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The names it speaks for; for the default, all.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What happens.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The other names of its scope.
    #[must_use]
    pub fn aliases(&self) -> &[Scope] {
        &self.aliases
    }

    /// The names that a signature may give to an image of `repository`, which this rule speaks for: its own, with the
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

    fn requirement(&self) -> Option<&Requirement> {
        match &self.action {
            Action::Require(requirement) => Some(requirement),
            Action::AllowUnsigned { .. } | Action::Deny { .. } => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// What a rule does with the images it speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Admits them if signatures meet the requirement.
    Require(Requirement),
    /// Admits them as they are.
    AllowUnsigned {
        /// Why, for the record.
        reason: String,
    },
    /// Refuses them.
    Deny {
        /// Why, for the person whose pull is refused.
        reason: Option<String>,
    },
}

/// Why rules are not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than [`MAX_RULES`].
    #[error("policy has more than {MAX_RULES} rules")]
    TooManyRules,
    /// Two authenticators have one name.
    #[error("authenticator `{name}` is there twice")]
    SameAuthenticator {
        /// The name.
        name: String,
    },
    /// A rule requires an authenticator that does not exist.
    #[error("authenticator `{name}` does not exist")]
    UnknownAuthenticator {
        /// The rule.
        rule: usize,
        /// The name.
        name: String,
    },
    /// The authenticators of a requirement have too few keys that are different.
    #[error(
        "requirement can never be met: {needed} different keys are needed and its authenticators have {keys}"
    )]
    TooFewKeys {
        /// The rule.
        rule: usize,
        /// How many distinct keys are needed.
        needed: usize,
        /// The most that can be counted at once.
        keys: usize,
    },
    /// Two rules cover one name and neither is more specific.
    #[error("two rules are equally specific and can cover the same name")]
    Tie {
        /// The earlier rule.
        first: usize,
        /// The later one.
        second: usize,
    },
}

/// Why a rule cannot have these aliases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// The rule requires no signatures whose payload could carry a name.
    #[error("aliases say nothing beside a rule that requires no signature")]
    NothingRequired,
    /// The scope has a `*`, so that there is no one text to replace.
    #[error("aliases need a scope without `*`")]
    ScopeNotLiteral,
    /// An alias has a `*`.
    #[error("alias `{0}` has a `*`")]
    NotLiteral(String),
    /// An alias repeats the scope or another alias.
    #[error("alias `{0}` repeats the scope or another alias")]
    Twice(String),
}

/// Pairs of scopes, by their place in the list, of which neither is more specific although both can cover one name.
#[must_use]
pub fn ties(scopes: &[&Scope]) -> Vec<(usize, usize)> {
    trie::ties(scopes)
}

/// What is wrong with a requirement in the light of the authenticators there are.
fn check_requirement(
    rule: usize,
    required: &Requirement,
    known: &BTreeMap<String, Authenticator>,
) -> Vec<PolicyError> {
    let mut errors = Vec::new();
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in required.authenticators() {
        match known.get(name) {
            Some(authenticator) => {
                let own = authenticator.keys().iter().map(|key| key.public.fingerprint());
                keys.insert(name, own.collect());
            }
            None => errors.push(PolicyError::UnknownAuthenticator { rule, name: name.clone() }),
        }
    }
    let (needed, most) = (required.needed(), requirement::match_distinct(&keys).len());
    if errors.is_empty() && most < needed {
        errors.push(PolicyError::TooFewKeys { rule, needed, keys: most });
    }
    errors
}

#[cfg(test)]
mod tests;
