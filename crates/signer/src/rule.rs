//! Signature rules: which pushed image is signed by which key. Pure; the time is an argument.

use std::fmt;

use jiff::Timestamp;

use pullgate_core::digest::Digest;
use pullgate_core::policy::{Scope, Tags};
use pullgate_core::reference::Repository;
use pullgate_core::trust::Algorithm;
use pullgate_registry::is_attachment_tag;
use pullgate_sign::Layout;

/// A rule as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// Whose key signs.
    pub authenticator: String,
    /// What the key signs with.
    pub algorithm: Algorithm,
    /// The namespaces or repositories whose images are signed.
    pub scopes: Vec<Scope>,
    /// What makes it sign.
    pub trigger: Trigger,
    /// How signatures are stored.
    pub layout: Layout,
    /// The tags whose images are signed.
    pub tags: Tags,
}

/// What makes a rule sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Each push, and requests.
    Automatic,
    /// Requests alone.
    Manual,
}

impl Trigger {
    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// What tells a rule from every other, and from what it was before it was changed: who changes anything about it, its key
/// included, has a new rule, which begins when it is first seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(String);

impl RuleId {
    /// How many characters one has.
    pub const LENGTH: usize = 32;

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rule {
    /// What tells this rule, with a key of this fingerprint, from others.
    #[must_use]
    pub fn id(&self, fingerprint: &str) -> RuleId {
        let mut scopes: Vec<&str> = self.scopes.iter().map(Scope::as_str).collect();
        scopes.sort_unstable();
        let fields = [
            self.name.as_str(),
            &self.authenticator,
            self.algorithm.name(),
            fingerprint,
            &scopes.join(" "),
            self.trigger.name(),
            self.layout.name(),
            &self.tags.to_string(),
        ];
        // None of the fields can have a line end in it.
        let hash = Digest::of(fields.join("\n").as_bytes());
        RuleId(hash.hex().chars().take(RuleId::LENGTH).collect())
    }

    /// Whether images of this repository are its matter.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        self.scopes.iter().any(|scope| scope.covers(repository))
    }

    /// Whether an image under this tag of this repository is its matter. Tags under which signatures are kept never are.
    #[must_use]
    pub fn covers_tag(&self, repository: &Repository, tag: &str) -> bool {
        !is_attachment_tag(tag) && self.tags.cover(tag) && self.covers(repository)
    }
}

/// A rule, and from when on it signs.
#[derive(Clone, Debug)]
pub struct ActiveRule {
    /// The rule.
    pub rule: Rule,
    /// What tells it from others.
    pub id: RuleId,
    /// When it was first seen. What was pushed before is signed on request only.
    pub since: Timestamp,
}

/// The rules by which an image that was pushed at a time is signed without anybody asking for it.
///
/// An image without a tag is signed by none: it is a part of an index, or nothing that a list of tags would show, so
/// nobody could tell whether it had been there before the rule.
pub fn applying<'r>(
    rules: &'r [ActiveRule],
    repository: &Repository,
    tag: Option<&str>,
    pushed: Timestamp,
) -> impl Iterator<Item = &'r ActiveRule> {
    rules.iter().filter(move |applied| {
        applied.rule.trigger == Trigger::Automatic
            && applied.since <= pushed
            && tag.is_some_and(|tag| applied.rule.covers_tag(repository, tag))
    })
}

#[cfg(test)]
mod tests;
