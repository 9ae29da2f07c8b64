//! Alibaba Cloud Security Center: the responses of `DescribeAttestors` and `DescribeBinarySecurityPolicies` (API 2018-12-03).
//!
//! A policy names clusters, their Kubernetes namespaces, and the attestors (witnesses) that must all have signed. Namespaces
//! without a policy admit everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::alternatives::{Alternative, combine};
use super::draft::{Draft, Rule, key};
use super::{Effect, ImportError, Imported, Options, check_namespace, read, shape};

const EVERYTHING: &str = "**";

/// The documents, and what they do not contain.
#[derive(Clone, Debug)]
pub struct SecurityCenter<'a> {
    /// The responses of `DescribeAttestors`, one for each page.
    pub attestors: &'a [Vec<u8>],
    /// The responses of `DescribeBinarySecurityPolicies`, one for each page.
    pub policies: &'a [Vec<u8>],
    /// The ID of the cluster of this node.
    pub cluster: &'a str,
    /// The public keys of the attestors as PEM, by name: the responses do not contain them.
    pub public_keys: &'a BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attestors {
    attestors: Vec<Attestor>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attestor {
    name: String,
    key_region_id: String,
    key_id: String,
    key_version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageInfo {
    total_count: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    binary_security_policies: Vec<Policy>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    name: String,
    status: String,
    policy: Requirement,
    clusters: Vec<Cluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Requirement {
    policy_mode: Option<String>,
    required_attestors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    cluster_id: String,
    namespaces: Vec<String>,
}

enum Status {
    Enabled,
    Disabled,
    Unknown,
}

impl Policy {
    /// The documentation of `CreateBinarySecurityPolicy` has `enable` and `disable`, that of `Modify…` `enabled` and `disabled`.
    fn status(&self) -> Status {
        match self.status.to_ascii_lowercase().as_str() {
            "enable" | "enabled" => Status::Enabled,
            "disable" | "disabled" => Status::Disabled,
            _ => Status::Unknown,
        }
    }
}

/// Converts the policies of one cluster.
///
/// # Errors
/// When a response is malformed, pages or the public key of an attestor are missing, or the cluster has no policy, which may
/// mean that its ID is misspelled.
pub fn security_center(source: &SecurityCenter<'_>, options: Options) -> Result<Imported, ImportError> {
    let (attestors, policies) = (attestors(source)?, policies(source)?);
    let mut draft = Draft::new("Security Center's DescribeAttestors and DescribeBinarySecurityPolicies");
    draft.allowed_by_default =
        Some("Security Center has no requirements for namespaces without a policy".to_owned());
    let mut by_namespace: BTreeMap<&str, Vec<&Policy>> = BTreeMap::new();
    for policy in &policies {
        let subject = format!("policy {:?}", policy.name);
        if matches!(policy.status(), Status::Disabled) {
            draft.note(Effect::None, subject, format!("its status is {:?}", policy.status));
            continue;
        }
        let mut ours =
            policy.clusters.iter().filter(|cluster| cluster.cluster_id == source.cluster).peekable();
        if ours.peek().is_none() {
            draft.note(Effect::None, subject, format!("it does not apply to cluster {}", source.cluster));
            continue;
        }
        let namespaces: BTreeSet<&str> =
            ours.flat_map(|it| it.namespaces.iter().map(String::as_str)).collect();
        if namespaces.is_empty() {
            return Err(shape(
                subject,
                "it names the cluster, but no namespaces of the cluster; add the namespaces, or disable the policy",
            ));
        }
        for namespace in namespaces {
            check_namespace(&subject, namespace)?;
            by_namespace.entry(namespace).or_default().push(policy);
        }
    }
    if by_namespace.is_empty() {
        return Err(ImportError::NothingRequired(format!("enabled policy for cluster {:?}", source.cluster)));
    }
    let used: BTreeSet<&str> = by_namespace
        .values()
        .flatten()
        .filter(|policy| matches!(policy.status(), Status::Enabled))
        .flat_map(|it| &it.policy.required_attestors)
        .map(String::as_str)
        .collect();
    missing_keys(&attestors, &used, source.public_keys)?;
    let mut names = BTreeMap::new();
    for attestor in attestors.iter().filter(|attestor| used.contains(attestor.name.as_str())) {
        let Some(pem) = source.public_keys.get(&attestor.name) else { continue };
        let key = key(pem, &attestor.name, options.algorithm)?;
        names.insert(attestor.name.as_str(), draft.authenticator(&attestor.name, vec![key]));
    }
    for (namespace, policies) in by_namespace {
        let subject = format!("namespace {namespace}");
        let alternatives: Vec<Alternative> =
            policies.iter().map(|policy| alternative(&mut draft, policy, &names)).collect();
        let action = combine(&mut draft, &subject, &alternatives);
        let from: Vec<String> = policies.iter().map(|policy| format!("{:?}", policy.name)).collect();
        let kind = if from.len() == 1 { "policy" } else { "policies" };
        let origin = format!("Security Center {kind} {}", from.join(", "));
        draft.rules.push(Rule::new(origin, EVERYTHING.to_owned(), action).of_pods(namespace));
    }
    draft.note_shared_keys();
    Ok(Imported { draft })
}

fn attestors(source: &SecurityCenter<'_>) -> Result<Vec<Attestor>, ImportError> {
    let (mut all, mut total) = (Vec::new(), None);
    for page in source.attestors {
        let page: Attestors = read(page, "DescribeAttestors")?;
        all.extend(page.attestors);
        total = total.max(page.page_info.and_then(|info| info.total_count));
    }
    complete("DescribeAttestors", total, all.iter().map(|attestor| attestor.name.as_str()))?;
    Ok(all)
}

fn policies(source: &SecurityCenter<'_>) -> Result<Vec<Policy>, ImportError> {
    let (mut all, mut total) = (Vec::new(), None);
    for page in source.policies {
        let page: Policies = read(page, "DescribeBinarySecurityPolicies")?;
        all.extend(page.binary_security_policies);
        total = total.max(page.page_info.and_then(|info| info.total_count));
    }
    complete("DescribeBinarySecurityPolicies", total, all.iter().map(|policy| policy.name.as_str()))?;
    Ok(all)
}

/// Checks that no page is missing: each page has the total number of entries. An entry of two pages counts once, so that a page
/// that is given twice does not count for another one.
fn complete<'a>(
    what: &str,
    total: Option<usize>,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ImportError> {
    let found = names.collect::<BTreeSet<_>>().len();
    match total.filter(|total| *total > found) {
        Some(total) => Err(shape(
            what,
            format!(
                "the response reports {total} entries, but the pages contain only {found}; add all pages, or request a larger PageSize"
            ),
        )),
        None => Ok(()),
    }
}

fn missing_keys(
    attestors: &[Attestor],
    used: &BTreeSet<&str>,
    given: &BTreeMap<String, String>,
) -> Result<(), ImportError> {
    let missing: Vec<String> = attestors
        .iter()
        .filter(|it| used.contains(it.name.as_str()) && !given.contains_key(&it.name))
        .map(|it| {
            let Attestor { name, key_region_id: region, key_id: key, key_version_id: version } = it;
            let file = format!("{}.pem", name.replace(|it: char| !it.is_ascii_alphanumeric(), "-"));
            format!(
                "pullgate-signer keys public 'alikms://{key}/{version}?region={region}' > {file}, and add --public-key '{name}={file}'"
            )
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(ImportError::PublicKeys(missing)) }
}

fn alternative(draft: &mut Draft, policy: &Policy, names: &BTreeMap<&str, String>) -> Alternative {
    let subject = format!("policy {:?}", policy.name);
    if !matches!(policy.status(), Status::Enabled) {
        let text = format!("its status {:?} is unknown, so it admits no image", policy.status);
        draft.note(Effect::Stricter, subject, text);
        return Alternative { all: None };
    }
    let mode = policy.policy.policy_mode.as_deref().unwrap_or("requireAttestor");
    if mode != "requireAttestor" {
        draft.note(Effect::Stricter, subject, format!("its mode {mode:?} is unknown, so it admits no image"));
        return Alternative { all: None };
    }
    let required = &policy.policy.required_attestors;
    let found: BTreeSet<String> = required.iter().filter_map(|it| names.get(it.as_str()).cloned()).collect();
    if required.is_empty() {
        draft.note(Effect::Stricter, subject, "it names no attestor, so it admits no image");
        return Alternative { all: None };
    }
    if required.iter().any(|it| !names.contains_key(it.as_str())) {
        draft.note(
            Effect::Stricter,
            subject,
            "it requires an attestor that is not in the response of DescribeAttestors",
        );
        return Alternative { all: None };
    }
    Alternative { all: Some(found) }
}
