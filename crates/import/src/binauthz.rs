//! Google's Binary Authorization: the policy of a project, and its attestors.
//!
//! Sources: `Policy` and `Attestor` of the API binaryauthorization v1, and the policy YAML reference. An image on the allowlist
//! is exempt. For others the most specific rule decides: that of the Istio identity, of the service account, of the namespace, of
//! the cluster, or the default. All attestors of a rule must have attested the image; any key of an attestor may sign.

mod documents;

use std::collections::{BTreeMap, BTreeSet};

use self::documents::{AdmissionRule, Attestor, Policy};
use super::allowlists::{self, Entry, NamespaceRequirement, Patterns};
use super::draft::{Action, Draft};
use super::grafeas_keys::{self, AuthorityKeys};
use super::{Effect, ImportError, Imported, Options, check_namespace, shape};

/// The rule for all pods, in place of a namespace.
const EVERY_POD: &str = "";

/// The documents of a project.
#[derive(Clone, Copy, Debug)]
pub struct BinaryAuthorization<'a> {
    /// The policy, in YAML or JSON, as `gcloud container binauthz policy export` writes it.
    pub policy: &'a str,
    /// The attestors, as `gcloud container binauthz attestors describe` or `list` writes them.
    pub attestors: &'a [String],
    /// The cluster of the nodes, `LOCATION.NAME`.
    pub cluster: Option<&'a str>,
}

/// Converts the policy of a project for one cluster.
///
/// # Errors
/// When a document does not have the published shape, when there are rules for clusters and no cluster is named, and when nothing
/// requires an attestation or refuses an image.
pub fn binauthz(source: &BinaryAuthorization<'_>, options: Options) -> Result<Imported, ImportError> {
    let policy = documents::policy(source.policy)?;
    let mut converter = Converter {
        draft: Draft::new("a policy of Binary Authorization"),
        options,
        attestors: BTreeMap::new(),
        requirements: BTreeMap::new(),
    };
    for attestor in documents::attestors(source.attestors)? {
        converter.attestor(attestor)?;
    }
    converter.policy(policy, source.cluster)
}

struct Converter {
    draft: Draft,
    options: Options,
    /// The authenticator for each attestor, by its whole name; `None` if no key can be used.
    attestors: BTreeMap<String, Option<String>>,
    /// By namespace, and for [`EVERY_POD`].
    requirements: BTreeMap<String, NamespaceRequirement>,
}

impl Converter {
    fn attestor(&mut self, attestor: Attestor) -> Result<(), ImportError> {
        let subject = format!("attestor {}", attestor.name);
        let note = attestor.note().ok_or_else(|| shape(&subject, "it has no userOwnedGrafeasNote"))?;
        let mut keys = AuthorityKeys::default();
        grafeas_keys::add(&mut keys, &note.public_keys, &subject, &mut self.draft)?;
        let short = attestor.name.rsplit('/').next().unwrap_or(&attestor.name).to_owned();
        let name = if keys.is_empty() {
            let text = "it has no key that pullgate can verify; rules that require it admit nothing";
            self.draft.note(Effect::Stricter, &subject, text);
            None
        } else {
            let text = format!(
                "its attestations are in {}: set `grafeas` in [[registry.signatures]] of pullgate.toml to the project \
                 where the attestor writes attestations",
                note.note_reference
            );
            self.draft.note(Effect::None, &subject, text);
            Some(self.draft.attestor(&short, keys.pkix, keys.openpgp))
        };
        if self.attestors.insert(attestor.name.clone(), name).is_some() {
            return Err(shape(subject, "the attestor is listed twice"));
        }
        Ok(())
    }

    fn policy(mut self, policy: Policy, cluster: Option<&str>) -> Result<Imported, ImportError> {
        let base = match cluster {
            None if !policy.cluster_admission_rules.is_empty() => {
                let clusters: Vec<&str> = policy.cluster_admission_rules.keys().map(String::as_str).collect();
                let problem = format!(
                    "set --cluster to the cluster of the nodes: {}, or another cluster",
                    clusters.join(", ")
                );
                return Err(shape("clusterAdmissionRules", problem));
            }
            None => &policy.default_admission_rule,
            Some(cluster) => match policy.cluster_admission_rules.get(cluster) {
                Some(rule) => rule,
                None => {
                    let text = "the policy has no rule for this cluster, so the default rule applies; check the name of the cluster, because with a wrong name the new policy may admit more images";
                    let effect =
                        if policy.cluster_admission_rules.is_empty() { Effect::None } else { Effect::Wider };
                    self.draft.note(effect, format!("cluster {cluster}"), text);
                    &policy.default_admission_rule
                }
            },
        };
        self.add(EVERY_POD, "the rule for all pods", base)?;
        for (namespace, rule) in &policy.kubernetes_namespace_admission_rules {
            check_namespace("kubernetesNamespaceAdmissionRules", namespace)?;
            self.add(namespace, &format!("the rule for namespace {namespace}"), rule)?;
        }
        let accounts = policy.kubernetes_service_account_admission_rules.keys().map(|account| {
            let namespace = account.split_once(':').map(|(namespace, _)| namespace);
            (account, namespace)
        });
        let identities = policy.istio_service_identity_admission_rules.keys().map(|identity| {
            let namespace = identity.split_once("/ns/").and_then(|(_, rest)| rest.split('/').next());
            (identity, namespace)
        });
        let narrower: Vec<(&String, Option<&str>)> = accounts.chain(identities).collect();
        for (subject, namespace) in narrower {
            let namespace = namespace.ok_or_else(|| shape(subject, "it does not name a namespace"))?;
            check_namespace(subject, namespace)?;
            self.narrower(subject, namespace);
        }
        if self.requirements.values().all(|it| matches!(it.action, Action::Allow(_))) {
            return Err(ImportError::NothingRequired("rule that requires attestations".to_owned()));
        }
        if policy.global_policy_evaluation_mode.as_deref() == Some("ENABLE") {
            let text = "the new policy does not exempt the images that Google's system policy exempts: write rules for those of these images that your nodes run";
            self.draft.note(Effect::Stricter, "globalPolicyEvaluationMode", text);
        }
        for (namespace, requirement) in &self.requirements {
            self.draft.rules.push(requirement.rule("**", namespace));
        }
        let entry = |pattern: String| Entry {
            pattern,
            namespace: None,
            origin: "admissionWhitelistPatterns".to_owned(),
            patterns: Patterns::Directories,
        };
        let listed = policy.admission_whitelist_patterns.into_iter().map(|it| entry(it.name_pattern));
        allowlists::apply(&mut self.draft, self.options, listed.collect(), &self.requirements);
        self.draft.note_shared_keys();
        self.draft.note_notes_not_compared();
        Ok(Imported { draft: self.draft })
    }

    /// A rule for some pods of a namespace, which pullgate cannot tell from the others.
    fn narrower(&mut self, subject: &str, namespace: &str) {
        if self.options.widen {
            let text =
                format!("the rule for this account is left out: the rule for namespace {namespace} applies");
            return self.draft.note(Effect::Wider, subject, text);
        }
        let text = format!(
            "pullgate has no rules for service accounts, so all images for namespace {namespace} are refused; with \
             --widen, the rule for the namespace applies instead"
        );
        self.draft.note(Effect::Stricter, subject, text);
        let reason = format!("a service account of namespace {namespace} has its own rule");
        let origin = format!("rules for service accounts of namespace {namespace}");
        let closed =
            NamespaceRequirement { origin, action: Action::Deny(reason), closed: true, audit: false };
        self.requirements.insert(namespace.to_owned(), closed);
    }

    fn add(&mut self, namespace: &str, origin: &str, rule: &AdmissionRule) -> Result<(), ImportError> {
        let action = match rule.evaluation_mode.as_str() {
            "ALWAYS_ALLOW" => Action::Allow(format!("{origin} allows all images")),
            "ALWAYS_DENY" => Action::Deny(format!("{origin} refuses all images")),
            "REQUIRE_ATTESTATION" => self.required(origin, &rule.require_attestations_by),
            other => return Err(shape(origin, format!("unknown evaluationMode {other:?}"))),
        };
        let audit = match rule.enforcement_mode.as_str() {
            "ENFORCED_BLOCK_AND_AUDIT_LOG" => false,
            "DRYRUN_AUDIT_LOG_ONLY" => true,
            other => return Err(shape(origin, format!("unknown enforcementMode {other:?}"))),
        };
        let audit = audit && !matches!(action, Action::Allow(_));
        let requirement = NamespaceRequirement { origin: origin.to_owned(), action, closed: false, audit };
        self.requirements.insert(namespace.to_owned(), requirement);
        Ok(())
    }

    fn required(&mut self, origin: &str, attestors: &[String]) -> Action {
        let mut all = BTreeSet::new();
        for attestor in attestors {
            match self.attestors.get(attestor) {
                Some(Some(name)) => {
                    all.insert(name.clone());
                }
                Some(None) => {
                    return Action::Deny(format!("{origin} requires an attestor without a usable key"));
                }
                None => {
                    let text = format!("{attestor} is not in the documents; images are refused");
                    self.draft.note(Effect::Stricter, origin, text);
                    return Action::Deny(format!("{origin} requires an attestor that was not imported"));
                }
            }
        }
        if all.is_empty() {
            return Action::Deny(format!("{origin} requires attestations and names no attestor"));
        }
        Action::All(all.into_iter().collect())
    }
}
