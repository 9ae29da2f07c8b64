//! The hash of a policy, by which verdicts are kept and nodes are compared.

use std::collections::BTreeMap;

use super::{Action, Rule};
use crate::digest::Digest;
use crate::trust::Authenticator;

/// Changes whenever the same policy would have another hash by this code.
const VERSION: &str = "pullgate policy 1";

/// Over every part that can change a verdict or its reason, each with its length in front, in an order that does not
/// depend on the order of the files.
pub(super) fn hash(
    default: &Rule,
    rules: &[Rule],
    authenticators: &BTreeMap<String, Authenticator>,
) -> String {
    let mut text = Text::default();
    text.push(VERSION);
    text.rule(default);
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| rule.scope().as_str());
    text.count(sorted.len());
    for rule in sorted {
        text.rule(rule);
    }
    text.count(authenticators.len());
    for authenticator in authenticators.values() {
        text.authenticator(authenticator);
    }
    Digest::of(text.0.as_bytes()).as_str().to_owned()
}

#[derive(Default)]
struct Text(String);

impl Text {
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
                let mut names: Vec<&String> = requirement.authenticators().iter().collect();
                names.sort_unstable();
                self.count(names.len());
                names.into_iter().for_each(|name| self.push(name));
            }
            Action::AllowUnsigned { reason } => {
                self.push("allow");
                self.push(reason);
            }
            Action::Deny { reason } => {
                self.push("deny");
                self.push(reason.as_deref().unwrap_or_default());
            }
        }
        let mut aliases: Vec<&str> = rule.aliases().iter().map(super::Scope::as_str).collect();
        aliases.sort_unstable();
        self.count(aliases.len());
        aliases.into_iter().for_each(|alias| self.push(alias));
    }

    fn authenticator(&mut self, authenticator: &Authenticator) {
        self.push(authenticator.name());
        let mut keys: Vec<[String; 5]> = authenticator
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
                ]
            })
            .collect();
        keys.sort_unstable();
        self.count(keys.len());
        keys.iter().flatten().for_each(|part| self.push(part));
    }
}
