//! The shape of `policy.json`. Unknown fields are errors, as in containers/image.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Vec<Requirement>,
    #[serde(default)]
    pub(super) transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Requirement {
    InsecureAcceptAnything {},
    Reject {},
    SignedBy(IgnoredAny),
    SignedBaseLayer(IgnoredAny),
    SigstoreSigned(Box<Signed>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Signed {
    pub(super) key_path: Option<String>,
    pub(super) key_paths: Option<Vec<String>>,
    pub(super) key_data: Option<String>,
    pub(super) key_datas: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) fulcio: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(super) pki: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    rekor_public_key_path: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    rekor_public_key_paths: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    rekor_public_key_data: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    rekor_public_key_datas: Option<Value>,
    pub(super) signed_identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Identity {
    MatchExact {},
    MatchRepoDigestOrExact {},
    MatchRepository {},
    #[serde(rename_all = "camelCase")]
    ExactReference {
        #[serde(rename = "dockerReference")]
        _docker_reference: String,
    },
    #[serde(rename_all = "camelCase")]
    ExactRepository {
        #[serde(rename = "dockerRepository")]
        _docker_repository: String,
    },
    #[serde(rename = "remapIdentity", rename_all = "camelCase")]
    Remap {
        #[serde(rename = "prefix")]
        _prefix: String,
        #[serde(rename = "signedPrefix")]
        _signed_prefix: String,
    },
}

/// A field that is there, also if its value is `null`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl Document {
    /// Why containers/image does not load the document although it has the right shape: `signature/policy_config.go`,
    /// `signature/policy_config_sigstore.go`.
    pub(super) fn problem(&self) -> Option<(String, &'static str)> {
        let scopes = self.transports.iter().flat_map(|(transport, scopes)| {
            scopes.iter().map(move |(scope, list)| (format!("transport {transport}, scope {scope:?}"), list))
        });
        let mut lists = std::iter::once(("default".to_owned(), &self.default)).chain(scopes);
        lists.find_map(|(place, list)| {
            if list.is_empty() {
                return Some((place, "it has no requirements, which containers/image rejects, too"));
            }
            let signed = list.iter().filter_map(|it| match it {
                Requirement::SigstoreSigned(signed) => Some(signed),
                _ => None,
            });
            if signed.clone().any(|signed| signed.key_sources() != 1) {
                let problem = "sigstoreSigned needs exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki";
                return Some((place, problem));
            }
            let mut logged = signed.filter(|signed| signed.pki.is_some() && signed.requires_rekor());
            logged.next().map(|_| (place, "pki cannot be combined with a key of Rekor"))
        })
    }
}

impl Signed {
    fn key_sources(&self) -> usize {
        [
            self.key_path.is_some(),
            self.key_paths.is_some(),
            self.key_data.is_some(),
            self.key_datas.is_some(),
            self.fulcio.is_some(),
            self.pki.is_some(),
        ]
        .into_iter()
        .filter(|is_present| *is_present)
        .count()
    }

    pub(super) fn requires_rekor(&self) -> bool {
        [
            &self.rekor_public_key_path,
            &self.rekor_public_key_paths,
            &self.rekor_public_key_data,
            &self.rekor_public_key_datas,
        ]
        .into_iter()
        .any(Option::is_some)
    }

    /// A name from the first key file.
    pub(super) fn name(&self) -> Option<String> {
        let path = self.key_path.as_ref().or(self.key_paths.iter().flatten().next())?;
        let file = path.rsplit('/').next()?;
        Some(file.strip_suffix(".pub").or(file.strip_suffix(".pem")).unwrap_or(file).to_owned())
    }
}
