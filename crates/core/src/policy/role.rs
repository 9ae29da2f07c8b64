//! What each rule of a policy has to say to one question, and why some are silent.

use super::rule::Rule;
use super::{Policy, pods};
use crate::reference::Repository;

/// The part that a rule plays in a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It speaks.
    Speaks,
    /// It covers the name, but is for pods of other namespaces.
    OtherPods,
    /// It covers the name and the pod, but a more specific rule speaks.
    LessSpecific,
    /// It does not cover the name.
    OtherNames,
}

impl Policy {
    /// The part of every rule in a question, in the order of the files, the default last. As slow as there are rules: for
    /// people, not for pulls.
    pub fn roles<'a>(
        &'a self,
        repository: &Repository,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&'a Rule, Role)> {
        let namespace = namespace.filter(|name| pods::is_namespace(name)).map(str::to_owned);
        let speaking: Vec<&Rule> = self.rule_for(repository, namespace.as_deref()).rules().collect();
        let repository = repository.clone();
        self.rules.iter().chain(std::iter::once(&self.default)).map(move |rule| {
            let for_others = || {
                let (Some(pods), Some(namespace)) = (rule.pods(), &namespace) else { return false };
                !pods.cover(namespace)
            };
            let role = if speaking.iter().any(|speaks| std::ptr::eq(*speaks, rule)) {
                Role::Speaks
            } else if !rule.scope().covers(&repository) {
                Role::OtherNames
            } else if for_others() {
                Role::OtherPods
            } else {
                Role::LessSpecific
            };
            (rule, role)
        })
    }
}
