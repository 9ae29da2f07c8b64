//! Lists of images that are admitted without a signature, beside requirements for namespaces.

mod patterns;

use std::collections::{BTreeMap, BTreeSet};

use self::patterns::{Covered, Pattern};
use super::draft::{Action, Draft, Rule};
use super::{Effect, Options, check_namespace};

/// An entry of a list.
pub(super) struct Entry {
    pub(super) pattern: String,
    /// Without one, all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) origin: String,
    pub(super) patterns: Patterns,
}

/// Where a `*` in a pattern is a wildcard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patterns {
    /// At the end, within one directory: kritis.
    AtTheEnd,
    /// Everywhere: kritis-validation-hook.
    Anywhere,
    /// At the end, and `/**` for all directories below: Binary Authorization.
    Directories,
}

/// What is required for the pods of one namespace.
#[derive(Clone)]
pub(super) struct NamespaceRequirement {
    pub(super) origin: String,
    pub(super) action: Action,
    /// Whether the lists have no effect.
    pub(super) closed: bool,
    /// Whether what it refuses is only logged.
    pub(super) audit: bool,
}

impl NamespaceRequirement {
    /// The rule for these pods; for all if the namespace is empty.
    pub(super) fn rule(&self, scope: &str, namespace: &str) -> Rule {
        let rule = Rule::new(self.origin.clone(), scope.to_owned(), self.action.clone());
        let rule = Rule { audit: self.audit, ..rule };
        if namespace.is_empty() { rule } else { rule.of_pods(namespace) }
    }
}

/// Adds rules for what the lists admit unsigned. A scope reaches further than a pattern, so for the names below it further
/// rules restore the requirement.
pub(super) fn apply(
    draft: &mut Draft,
    options: Options,
    entries: Vec<Entry>,
    requirements: &BTreeMap<String, NamespaceRequirement>,
) {
    let mut allowed: BTreeMap<(String, Option<String>), (Covered, String)> = BTreeMap::new();
    for Entry { pattern: text, namespace, origin, patterns } in entries {
        let subject = format!("{origin}, pattern {text:?}");
        if let Some(name) = namespace.as_ref().filter(|name| check_namespace("", name).is_err()) {
            let problem =
                format!("{name:?} is not a valid name of a Kubernetes namespace; the entry is left out");
            draft.note(Effect::Stricter, subject, problem);
            continue;
        }
        let deep = text.strip_suffix("/**").filter(|_| patterns == Patterns::Directories);
        let rest = deep.unwrap_or_else(|| text.strip_suffix('*').unwrap_or(&text));
        if patterns != Patterns::Anywhere && rest.contains('*') {
            let problem = match patterns {
                Patterns::Directories => {
                    "only a `*` or `/**` at the end is a wildcard; the entry is left out"
                }
                // kritis util/allowlist.go: only a `*` at the end is special, and no name has another one.
                _ => {
                    "a `*` that is not at the end is a wildcard only in AdmissionAllowlist; the entry is left out"
                }
            };
            draft.note(Effect::Stricter, subject, problem);
            continue;
        }
        let read = deep.map_or_else(|| patterns::read(&text), patterns::below);
        match read {
            Ok(Pattern { covered, wider }) => {
                match wider {
                    Some(wider) if options.widen => draft.note(Effect::Wider, subject, wider),
                    Some(wider) => {
                        let text = format!("{wider}; the entry is left out, unless you add --widen");
                        draft.note(Effect::Stricter, subject, text);
                        continue;
                    }
                    None => {}
                }
                let known = allowed.entry((covered.scope.clone(), namespace));
                // Of two for one scope, the one that reaches further.
                let entry = known.or_insert_with(|| (covered.clone(), origin.clone()));
                if covered.below.is_none() {
                    *entry = (covered, origin);
                }
            }
            Err(problem) => draft.note(Effect::Stricter, subject, problem),
        }
    }
    let everywhere: BTreeSet<String> =
        allowed.keys().filter(|(_, pods)| pods.is_none()).map(|(scope, _)| scope.clone()).collect();
    let mut guards = BTreeMap::new();
    for ((scope, pods), (covered, origin)) in &allowed {
        let pods_of = |it: &String| it.clone();
        let affected: Vec<(&String, &NamespaceRequirement)> = match pods {
            Some(_) if everywhere.contains(scope) => continue,
            Some(namespace) => requirements.get_key_value(namespace).into_iter().collect(),
            None => requirements.iter().collect(),
        };
        if affected.is_empty() {
            let text = format!(
                "no policy requires signatures where pattern {:?} applies, so the pattern has no effect",
                covered.pattern
            );
            draft.note(Effect::None, origin.clone(), text);
            continue;
        }
        for (namespace, requirement) in affected {
            if requirement.closed {
                guards.insert((scope.clone(), namespace.clone()), requirement.clone());
            } else if pods.is_some() {
                let reason = format!("in the allowlist of {origin}");
                let rule = Rule::new(origin.clone(), scope.clone(), Action::Allow(reason));
                draft.rules.push(rule.of_pods(&pods_of(namespace)));
            }
            let Some(below) = &covered.below else { continue };
            let listed =
                everywhere.contains(below) || allowed.contains_key(&(below.clone(), Some(namespace.clone())));
            if !listed {
                guards.insert((below.clone(), namespace.clone()), requirement.clone());
            }
        }
        if pods.is_none() {
            let action = Action::Allow(format!("in the allowlist of {origin}"));
            draft.rules.push(Rule::new(origin.clone(), scope.clone(), action));
        }
    }
    for ((scope, pods), (covered, origin)) in &allowed {
        let hides = |(guard, namespace): &&(String, String)| {
            Some(guard) != covered.below.as_ref()
                && *guard != *scope
                && pods.as_ref().is_none_or(|pods| pods == namespace)
                && covered.is_hidden_by(guard)
        };
        if let Some((guard, _)) = guards.keys().find(hides) {
            let text = format!(
                "it also admits names of scope {guard:?}, but pullgate refuses these names without a signature, because another pattern needs a more specific rule"
            );
            draft.note(Effect::Stricter, format!("{origin}, pattern {:?}", covered.pattern), text);
        }
    }
    for ((scope, namespace), requirement) in guards {
        draft.rules.push(requirement.rule(&scope, &namespace));
    }
}
