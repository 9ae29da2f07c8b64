//! The documents, in YAML or JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::grafeas_keys::PublicKeyEntry;
use crate::{ImportError, shape, yaml};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) default_admission_rule: AdmissionRule,
    #[serde(default)]
    pub(super) cluster_admission_rules: BTreeMap<String, AdmissionRule>,
    #[serde(default)]
    pub(super) kubernetes_namespace_admission_rules: BTreeMap<String, AdmissionRule>,
    #[serde(default)]
    pub(super) kubernetes_service_account_admission_rules: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) istio_service_identity_admission_rules: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) admission_whitelist_patterns: Vec<NamePattern>,
    pub(super) global_policy_evaluation_mode: Option<String>,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "etag")]
    _etag: Option<String>,
    #[serde(rename = "updateTime")]
    _update_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AdmissionRule {
    pub(super) evaluation_mode: String,
    pub(super) enforcement_mode: String,
    #[serde(default)]
    pub(super) require_attestations_by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NamePattern {
    pub(super) name_pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attestor {
    pub(super) name: String,
    user_owned_grafeas_note: Option<Note>,
    /// The same in v1beta1.
    user_owned_drydock_note: Option<Note>,
}

impl Attestor {
    pub(super) fn note(&self) -> Option<&Note> {
        self.user_owned_grafeas_note.as_ref().or(self.user_owned_drydock_note.as_ref())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    pub(super) note_reference: String,
    #[serde(default)]
    pub(super) public_keys: Vec<PublicKeyEntry>,
}

pub(super) fn policy(text: &str) -> Result<Policy, ImportError> {
    let [policy] = <[Value; 1]>::try_from(yaml(text)?)
        .map_err(|_| shape("policy", "it must be exactly one document"))?;
    of(policy, "policy")
}

/// The attestors of all texts: documents, or lists of them.
pub(super) fn attestors(texts: &[String]) -> Result<Vec<Attestor>, ImportError> {
    let mut attestors = Vec::new();
    for text in texts {
        for value in yaml(text)? {
            let listed = match value {
                Value::Array(listed) => listed,
                one => vec![one],
            };
            for value in listed {
                attestors.push(of(value, "attestor")?);
            }
        }
    }
    Ok(attestors)
}

fn of<T: serde::de::DeserializeOwned>(value: Value, place: &str) -> Result<T, ImportError> {
    serde_json::from_value(value).map_err(|error| shape(place, error.to_string()))
}
