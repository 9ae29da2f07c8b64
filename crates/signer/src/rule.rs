//! Signing rules: which pushed image is signed with which key. No I/O; the time is an argument.

use std::fmt;

use jiff::Timestamp;

use super::attaching::{Attaching, TimestampSettings};
use pullgate_core::digest::Digest;
use pullgate_core::policy::{Scope, Tags};
use pullgate_core::reference::Repository;
use pullgate_core::trust::Algorithm;
use pullgate_registry::is_attachment_tag;
use pullgate_sign::Layout;

/// A rule of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: String,
    /// The authenticator whose key signs.
    pub authenticator: String,
    pub algorithm: Algorithm,
    /// The namespaces or repositories of its images.
    pub scopes: Vec<Scope>,
    pub trigger: Trigger,
    pub layout: Layout,
    /// What signatures have beside their layout.
    pub attaching: Attaching,
    /// The tags of its images.
    pub tags: Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Each push, and requests.
    Automatic,
    /// Only requests.
    Manual,
}

impl Trigger {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// Identifies a rule in one version: any change to it, its key included, makes a new rule, which begins when it is first
/// seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(String);

impl RuleId {
    /// The length in characters.
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
    /// The id of this rule with a key of this fingerprint.
    #[must_use]
    pub fn id(&self, fingerprint: &str) -> RuleId {
        let mut scopes: Vec<&str> = self.scopes.iter().map(Scope::as_str).collect();
        scopes.sort_unstable();
        let (scopes, tags) = (scopes.join(" "), self.tags.to_string());
        let mut fields = vec![
            self.name.as_str(),
            &self.authenticator,
            self.algorithm.name(),
            fingerprint,
            &scopes,
            self.trigger.name(),
            self.layout.name(),
            &tags,
        ];
        // Only where they say something, so that rules without them keep their ids.
        let expires_in = self.attaching.expires_in.map(|after| format!("{} s", after.as_secs()));
        if self.layout == Layout::Notation {
            fields.push(self.attaching.envelope.name());
            fields.extend(expires_in.as_deref());
        }
        // A new token in the query is no other rule.
        fields.extend(self.attaching.timestamp.as_ref().map(TimestampSettings::shown));
        // No field can contain a line break.
        let hash = Digest::of(fields.join("\n").as_bytes());
        RuleId(hash.hex().chars().take(RuleId::LENGTH).collect())
    }

    /// Whether the rule applies to images of this repository.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        self.scopes.iter().any(|scope| scope.covers(repository))
    }

    /// Whether the rule applies to this tag of this repository. It never applies to tags of signatures.
    #[must_use]
    pub fn covers_tag(&self, repository: &Repository, tag: &str) -> bool {
        !is_attachment_tag(tag) && self.tags.cover(tag) && self.covers(repository)
    }
}

/// A rule, and since when it is active.
#[derive(Clone, Debug)]
pub struct ActiveRule {
    pub rule: Rule,
    pub id: RuleId,
    /// When it was first seen. Images that were pushed before are signed on request only.
    pub since: Timestamp,
}

/// The rules that sign an image automatically, by the time of its push.
///
/// No rule applies to an image without a tag: it is a part of an index, or not in any listing of tags, so that it could be
/// older than the rule.
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
