//! The hash of a policy, by which verdicts are kept and nodes are compared.

use std::collections::BTreeMap;

use super::{Action, Denials, Rule};
use crate::digest::Digest;
use crate::trust::{Authenticator, Remote};

/// Changes whenever the same policy would have another hash by this code.
const VERSION: &str = "pullgate policy 3";

/// Over every part that can change a verdict or its reason, each with its length in front, in an order that does not
/// depend on the order of the files.
pub(super) fn hash(
    default: &Rule,
    rules: &[Rule],
    authenticators: &BTreeMap<String, Authenticator>,
    denials: &Denials,
) -> String {
    let mut text = Text::default();
    text.push(VERSION);
    text.rule(default);
    let mut sorted: Vec<String> = rules.iter().map(|rule| Text::of(rule).0).collect();
    sorted.sort_unstable();
    text.count(sorted.len());
    sorted.iter().for_each(|rule| text.push(rule));
    text.count(authenticators.len());
    for authenticator in authenticators.values() {
        text.authenticator(authenticator);
    }
    text.count(denials.digests().len());
    for (digest, reason) in denials.digests() {
        text.push(digest.as_str());
        text.push(reason);
    }
    text.count(denials.keys().len());
    for (key, reason) in denials.keys() {
        text.push(key);
        text.push(reason);
    }
    Digest::of(text.0.as_bytes()).as_str().to_owned()
}

/// Over every part in which two rules can differ.
pub(super) fn identity(rule: &Rule) -> Digest {
    Digest::of(Text::of(rule).0.as_bytes())
}

/// A verdict without a confirmation does not count where the rule demands one.
fn remote(remote: &Remote) -> String {
    let Remote { source, timeout, rate, memory } = remote;
    let mut text = Text::default();
    text.push(source);
    for number in [timeout.as_millis(), u128::from(*rate), memory.as_millis()] {
        text.push(&number.to_string());
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn of(rule: &Rule) -> Self {
        let mut text = Self::default();
        text.rule(rule);
        text
    }

    fn list<'a>(&mut self, parts: impl Iterator<Item = &'a str>) {
        let mut parts: Vec<&str> = parts.collect();
        parts.sort_unstable();
        self.count(parts.len());
        parts.into_iter().for_each(|part| self.push(part));
    }

    fn push(&mut self, part: &str) {
        self.count(part.len());
        self.0.push_str(part);
    }

    fn count(&mut self, count: usize) {
        self.0.push_str(&count.to_string());
        self.0.push(':');
    }

    fn rule(&mut self, rule: &Rule) {
        self.push(rule.scope().as_str());
        match rule.action() {
            Action::Require(requirement) => {
                self.push("require");
                self.count(requirement.needed());
                self.list(requirement.authenticators().iter().map(String::as_str));
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
        self.list(rule.aliases().iter().map(super::Scope::as_str));
        match rule.pods() {
            Some(pods) => self.list(pods.patterns()),
            None => self.push("all pods"),
        }
        self.push(rule.mode().name());
        self.push(rule.accept().name());
    }

    fn authenticator(&mut self, authenticator: &Authenticator) {
        self.push(authenticator.name());
        let mut keys: Vec<[String; 6]> = authenticator
            .keys()
            .iter()
            .map(|key| {
                let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
                let public = &key.public;
                [
                    public.fingerprint().to_owned(),
                    public.algorithm().to_string(),
                    public.salt().to_string(),
                    time(key.not_before),
                    time(key.not_after),
                    key.remote.as_deref().map(remote).unwrap_or_default(),
                ]
            })
            .collect();
        keys.sort_unstable();
        self.count(keys.len());
        keys.iter().flatten().for_each(|part| self.push(part));
    }
}
