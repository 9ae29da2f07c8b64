//! kritis, and Alibaba Cloud's kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist.
//!
//! Sources: kritis `pkg/kritis/apis/kritis/v1beta1`, `review/review.go`, `util/allowlist.go`; the documentation of
//! kritis-validation-hook for `publicKeyData` and AdmissionAllowlist. A namespace without a policy admits everything. A
//! namespace with policies admits an image if all authorities of one policy attest it; any key of an authority may sign. A
//! policy without authorities refuses everything, including images on the lists.

mod documents;
mod patterns;

use std::collections::{BTreeMap, BTreeSet};

use documents::{Authority, Document, Generic};
use patterns::{Covered, Pattern};

use super::alternatives::{Alternative, combine};
use super::draft::{Action, Draft, Rule};
use super::{Effect, ImportError, Imported, Options, check_namespace};

const ALLOWLIST: &str = "AdmissionAllowlist";

/// Converts the documents of a cluster: the output of `kubectl get … -o yaml`, or files for `kubectl apply`.
///
/// # Errors
/// When a text is not YAML, has something other than resources, or a resource does not have the published shape. Also when
/// there is no GenericAttestationPolicy: without one nothing requires signatures and the policy would admit everything, and
/// a failed export looks the same.
pub fn kritis(texts: &[String], options: Options) -> Result<Imported, ImportError> {
    let mut draft = Draft::new("resources of kritis");
    draft.allowed_by_default = Some("kritis has no requirements for namespaces without a policy".to_owned());
    let documents = documents::read(texts, &mut draft)?;
    let mut converter = Converter {
        draft,
        options,
        authorities: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        lists: Vec::new(),
    };
    for document in &documents {
        if let Document::Authority(authority) = document {
            converter.authority(authority)?;
        }
    }
    for document in documents {
        match document {
            Document::Authority(_) => {}
            Document::Generic(generic) => converter.generic(generic),
            Document::Allowlist(list) => {
                for entry in list.patterns {
                    converter.lists.push((entry.name_pattern, entry.namespace, ALLOWLIST.to_owned()));
                }
            }
        }
    }
    if converter.namespaces.is_empty() {
        return Err(ImportError::NothingRequired("GenericAttestationPolicy".to_owned()));
    }
    converter.finish()
}

struct Converter {
    draft: Draft,
    options: Options,
    /// The authenticator for each authority, by namespace (empty if it has none) and name; `None` if no key can be used.
    authorities: BTreeMap<(String, String), Option<String>>,
    namespaces: BTreeMap<String, Vec<Generic>>,
    /// Pattern, namespace, origin.
    lists: Vec<(String, Option<String>, String)>,
}

impl Converter {
    fn authority(&mut self, authority: &Authority) -> Result<(), ImportError> {
        let keys = documents::keys(authority, &mut self.draft, self.options)?;
        let name = if keys.is_empty() {
            let text = "it has no key that pullgate can verify; policies that require it admit nothing";
            self.draft.note(Effect::Stricter, format!("AttestationAuthority {}", authority.name), text);
            None
        } else {
            Some(self.draft.authenticator(&authority.name, keys))
        };
        self.authorities.insert((authority.namespace.clone(), authority.name.clone()), name);
        Ok(())
    }

    fn generic(&mut self, generic: Generic) {
        let origin = format!("GenericAttestationPolicy {}/{}", generic.namespace, generic.name);
        for pattern in &generic.patterns {
            self.lists.push((pattern.clone(), Some(generic.namespace.clone()), origin.clone()));
        }
        self.namespaces.entry(generic.namespace.clone()).or_default().push(generic);
    }

    /// The authorities of a policy; `None` if one of them does not exist.
    fn alternative(&mut self, generic: &Generic) -> Option<Alternative> {
        let mut all = Some(BTreeSet::new());
        for name in &generic.authorities {
            let same_namespace = (generic.namespace.clone(), name.clone());
            let cluster_scoped = (String::new(), name.clone());
            match self.authorities.get(&same_namespace).or_else(|| self.authorities.get(&cluster_scoped)) {
                Some(Some(authenticator)) => {
                    if let Some(all) = &mut all {
                        all.insert(authenticator.clone());
                    }
                }
                Some(None) => all = None,
                None => {
                    let subject = format!("GenericAttestationPolicy {}/{}", generic.namespace, generic.name);
                    let text = format!(
                        "AttestationAuthority {name} is not in the documents; kritis stops at this error, so this policy and the policies whose names sort after it admit nothing"
                    );
                    self.draft.note(Effect::Stricter, subject, text);
                    return None;
                }
            }
        }
        Some(Alternative { all })
    }

    fn finish(mut self) -> Result<Imported, ImportError> {
        let mut requirements: BTreeMap<String, NamespaceRequirement> = BTreeMap::new();
        for (namespace, mut policies) in std::mem::take(&mut self.namespaces) {
            check_namespace("GenericAttestationPolicy", &namespace)?;
            // As the API server lists them, and so kritis evaluates them.
            policies.sort_by(|one, other| one.name.cmp(&other.name));
            let names: Vec<&str> = policies.iter().map(|it| it.name.as_str()).collect();
            let origin = format!("GenericAttestationPolicy {} of namespace {namespace}", names.join(", "));
            let closed = policies.iter().any(|policy| policy.authorities.is_empty());
            let action = if closed {
                Action::Deny(format!(
                    "a policy of namespace {namespace} has no authorities and admits nothing"
                ))
            } else {
                let alternatives: Vec<Alternative> =
                    policies.iter().map_while(|it| self.alternative(it)).collect();
                combine(&mut self.draft, &format!("namespace {namespace}"), &alternatives)
            };
            requirements.insert(namespace, NamespaceRequirement { origin, action, closed });
        }
        for (namespace, requirement) in &requirements {
            self.draft.rules.push(requirement.rule("**", namespace));
        }
        self.lists(&requirements);
        self.draft.note_shared_keys();
        Ok(Imported { draft: self.draft })
    }

    /// Adds rules for what the lists admit unsigned. A scope reaches further than a pattern, so for the names below it further
    /// rules restore the requirement.
    fn lists(&mut self, requirements: &BTreeMap<String, NamespaceRequirement>) {
        let mut allowed: BTreeMap<(String, Option<String>), (Covered, String)> = BTreeMap::new();
        for (text, namespace, origin) in std::mem::take(&mut self.lists) {
            let subject = format!("{origin}, pattern {text:?}");
            if let Some(name) = namespace.as_ref().filter(|name| check_namespace("", name).is_err()) {
                let problem =
                    format!("{name:?} is not a valid name of a Kubernetes namespace; the entry is left out");
                self.draft.note(Effect::Stricter, subject, problem);
                continue;
            }
            if origin != ALLOWLIST && text.strip_suffix('*').unwrap_or(&text).contains('*') {
                // kritis util/allowlist.go: only a `*` at the end is special, and no name has another one.
                let problem = "a `*` that is not at the end is a wildcard only in AdmissionAllowlist; the entry is left out";
                self.draft.note(Effect::Stricter, subject, problem);
                continue;
            }
            match patterns::read(&text) {
                Ok(Pattern { covered, wider }) => {
                    match wider {
                        Some(wider) if self.options.widen => self.draft.note(Effect::Wider, subject, wider),
                        Some(wider) => {
                            let text = format!("{wider}; the entry is left out, unless you add --widen");
                            self.draft.note(Effect::Stricter, subject, text);
                            continue;
                        }
                        None => {}
                    }
                    allowed.entry((covered.scope.clone(), namespace)).or_insert((covered, origin));
                }
                Err(problem) => self.draft.note(Effect::Stricter, subject, problem),
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
                self.draft.note(Effect::None, origin.clone(), text);
                continue;
            }
            for (namespace, requirement) in affected {
                if requirement.closed {
                    guards.insert((scope.clone(), namespace.clone()), requirement.clone());
                } else if pods.is_some() {
                    let reason = format!("on the list of {origin}");
                    let rule = Rule::new(origin.clone(), scope.clone(), Action::Allow(reason));
                    self.draft.rules.push(rule.of_pods(&pods_of(namespace)));
                }
                let below = (covered.below.clone(), namespace.clone());
                let listed = everywhere.contains(&covered.below)
                    || allowed.contains_key(&(covered.below.clone(), Some(namespace.clone())));
                if !listed {
                    guards.insert(below, requirement.clone());
                }
            }
            if pods.is_none() {
                let action = Action::Allow(format!("on the list of {origin}"));
                self.draft.rules.push(Rule::new(origin.clone(), scope.clone(), action));
            }
        }
        for ((scope, pods), (covered, origin)) in &allowed {
            let hides = |(guard, namespace): &&(String, String)| {
                *guard != covered.below
                    && *guard != *scope
                    && pods.as_ref().is_none_or(|pods| pods == namespace)
                    && covered.is_hidden_by(guard)
            };
            if let Some((guard, _)) = guards.keys().find(hides) {
                let text = format!(
                    "it also admits names of scope {guard:?}, but these are refused without a signature, because a rule that another pattern needs is more specific"
                );
                self.draft.note(Effect::Stricter, format!("{origin}, pattern {:?}", covered.pattern), text);
            }
        }
        for ((scope, namespace), requirement) in guards {
            self.draft.rules.push(requirement.rule(&scope, &namespace));
        }
    }
}

/// The combined requirement of the policies of one namespace.
#[derive(Clone)]
struct NamespaceRequirement {
    origin: String,
    action: Action,
    /// Whether the lists have no effect.
    closed: bool,
}

impl NamespaceRequirement {
    fn rule(&self, scope: &str, namespace: &str) -> Rule {
        Rule::new(self.origin.clone(), scope.to_owned(), self.action.clone()).of_pods(namespace)
    }
}
