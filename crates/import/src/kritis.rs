//! kritis, and Alibaba Cloud's kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist.
//!
//! Sources: kritis `pkg/kritis/apis/kritis/v1beta1`, `review/review.go`, `util/allowlist.go`; the documentation of
//! kritis-validation-hook for `publicKeyData` and AdmissionAllowlist. A namespace without a policy admits everything. A
//! namespace with policies admits an image if all authorities of one policy attest it; any key of an authority may sign. A
//! policy without authorities refuses everything, including images on the lists. Authorities become attestors; those of
//! kritis-validation-hook become authenticators of keys, because what it reads is not documented.

mod documents;

use std::collections::{BTreeMap, BTreeSet};

use documents::{Authority, Document, Generic};

use super::allowlists::{self, Entry, NamespaceRequirement, Patterns};
use super::alternatives::{Alternative, combine};
use super::draft::{Action, Draft};
use super::grafeas_keys::AuthorityKeys;
use super::{Effect, ImportError, Imported, Options, check_namespace};

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
                    converter.lists.push(Entry {
                        pattern: entry.name_pattern,
                        namespace: entry.namespace,
                        origin: "AdmissionAllowlist".to_owned(),
                        patterns: Patterns::Anywhere,
                    });
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
    lists: Vec<Entry>,
}

impl Converter {
    fn authority(&mut self, authority: &Authority) -> Result<(), ImportError> {
        let (keys, is_of_attestor) = documents::keys(authority, &mut self.draft, self.options)?;
        let AuthorityKeys { pkix, openpgp } = keys.clone();
        let name = if keys.is_empty() {
            let text =
                "it has no key that pullgate can verify; policies that require this authority admit no image";
            self.draft.note(Effect::Stricter, authority.subject(), text);
            None
        } else if is_of_attestor {
            let text = format!(
                "its attestations are in {}: name the Grafeas server of this project as `grafeas` in [[registry.signatures]] of \
                 pullgate.toml; pullgate also requires the type of an attestation in what is signed",
                authority.note()
            );
            self.draft.note(Effect::None, authority.subject(), text);
            Some(self.draft.attestor(&authority.name, pkix, openpgp))
        } else {
            Some(self.draft.authenticator(&authority.name, pkix))
        };
        self.authorities.insert((authority.namespace.clone(), authority.name.clone()), name);
        Ok(())
    }

    fn generic(&mut self, generic: Generic) {
        let origin = format!("GenericAttestationPolicy {}/{}", generic.namespace, generic.name);
        for pattern in &generic.patterns {
            self.lists.push(Entry {
                pattern: pattern.clone(),
                namespace: Some(generic.namespace.clone()),
                origin: origin.clone(),
                patterns: Patterns::AtTheEnd,
            });
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
                        "AttestationAuthority {name} is not in the documents; kritis stops at this error, so this policy and all policies with later names admit no image"
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
            let names: Vec<String> = policies.iter().map(|it| format!("{:?}", it.name)).collect();
            let kind =
                if names.len() == 1 { "GenericAttestationPolicy" } else { "GenericAttestationPolicies" };
            let origin = format!("{kind} {} in namespace {namespace:?}", names.join(", "));
            let closed = policies.iter().any(|policy| policy.authorities.is_empty());
            let action = if closed {
                Action::Deny(format!(
                    "a policy of namespace {namespace} has no authorities, so it admits no image"
                ))
            } else {
                let alternatives: Vec<Alternative> =
                    policies.iter().map_while(|it| self.alternative(it)).collect();
                combine(&mut self.draft, &format!("namespace {namespace}"), &alternatives)
            };
            requirements.insert(namespace, NamespaceRequirement { origin, action, closed, audit: false });
        }
        for (namespace, requirement) in &requirements {
            self.draft.rules.push(requirement.rule("**", namespace));
        }
        allowlists::apply(&mut self.draft, self.options, self.lists, &requirements);
        self.draft.note_shared_keys();
        self.draft.note_notes_not_compared();
        Ok(Imported { draft: self.draft })
    }
}
