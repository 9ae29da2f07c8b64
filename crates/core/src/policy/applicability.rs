//! Which rules of a policy apply to one request, and why the others do not.

use super::rule::Rule;
use super::{Policy, pods};
use crate::reference::Repository;

/// Whether a rule applies to a request, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// The rule applies.
    Applies,
    /// The rule covers the name, but is for pods of other namespaces.
    OtherPods,
    /// The rule covers the name and the pod, but a more specific rule applies.
    LessSpecific,
    /// The rule does not cover the name.
    OtherNames,
}

impl Policy {
    /// The applicability of every rule, in the order of the files, the default of each layer last. Takes time proportional to the
    /// number of rules: for explanations, not for pulls.
    pub fn applicability<'a>(
        &'a self,
        repository: &Repository,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&'a Rule, Applicability)> {
        let namespace = namespace.filter(|name| pods::is_namespace(name)).map(str::to_owned);
        let applicable: Vec<&Rule> =
            self.applicable_rules(repository, namespace.as_deref()).rules().collect();
        let repository = repository.clone();
        self.all_rules().map(move |rule| {
            let for_other_pods = || {
                let (Some(pods), Some(namespace)) = (rule.pods(), &namespace) else { return false };
                !pods.cover(namespace)
            };
            let applicability = if applicable.iter().any(|applies| std::ptr::eq(*applies, rule)) {
                Applicability::Applies
            } else if !rule.scope().covers(&repository) {
                Applicability::OtherNames
            } else if for_other_pods() {
                Applicability::OtherPods
            } else {
                Applicability::LessSpecific
            };
            (rule, applicability)
        })
    }
}
