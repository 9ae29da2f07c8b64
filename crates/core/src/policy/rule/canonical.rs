//! The canonical text of rules and policies, which is hashed.

use super::{Action, Rule};
use crate::digest::Digest;
use crate::policy::Scope;

/// Length-prefixed parts of a rule or policy: two that differ in any part have different texts.
#[derive(Default)]
pub(in crate::policy) struct CanonicalText(String);

impl CanonicalText {
    pub(in crate::policy) fn of(rule: &Rule) -> Self {
        let mut text = Self::default();
        text.rule(rule);
        text
    }

    pub(in crate::policy) fn list<'a>(&mut self, parts: impl Iterator<Item = &'a str>) {
        let mut parts: Vec<&str> = parts.collect();
        parts.sort_unstable();
        self.count(parts.len());
        parts.into_iter().for_each(|part| self.push(part));
    }

    pub(in crate::policy) fn push(&mut self, part: &str) {
        self.count(part.len());
        self.0.push_str(part);
    }

    pub(in crate::policy) fn count(&mut self, count: usize) {
        self.0.push_str(&count.to_string());
        self.0.push(':');
    }

    pub(in crate::policy) fn rule(&mut self, rule: &Rule) {
        self.push(rule.scope().as_str());
        match rule.action() {
            Action::Require(requirement) => {
                self.push("require");
                self.count(requirement.needed());
                self.list(requirement.authenticators().iter().map(String::as_str));
                self.count(requirement.annotations().len());
                for (key, value) in requirement.annotations() {
                    self.push(key);
                    self.push(value);
                }
                self.list(requirement.attestations().iter().map(String::as_str));
            }
            Action::AllowUnsigned(allowance) => {
                self.push("allow");
                self.push(&allowance.reason);
                self.list(allowance.digests.iter().map(Digest::as_str));
                self.push(&allowance.until.map(|until| until.to_string()).unwrap_or_default());
            }
            Action::Deny { reason } => {
                self.push("deny");
                self.push(reason.as_deref().unwrap_or_default());
            }
        }
        self.list(rule.aliases().iter().map(Scope::as_str));
        match rule.pods() {
            Some(pods) => self.list(pods.patterns()),
            None => self.push("all pods"),
        }
        self.push(rule.mode().name());
        self.push(rule.signed_object().name());
        self.push(rule.repository_identity().name());
        self.list(rule.layouts().iter().map(|format| format.layout()));
    }

    pub(in crate::policy) fn into_string(self) -> String {
        self.0
    }
}
