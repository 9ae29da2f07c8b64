//! The shape of `policy.json`. Unknown fields are errors, as in containers/image.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Vec<Requirement>,
    #[serde(default)]
    pub(super) transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
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
    #[serde(default)]
    pub(super) key_paths: Vec<String>,
    pub(super) key_data: Option<String>,
    #[serde(default)]
    pub(super) key_datas: Vec<String>,
    pub(super) fulcio: Option<Value>,
    pub(super) pki: Option<Value>,
    rekor_public_key_path: Option<Value>,
    rekor_public_key_paths: Option<Value>,
    rekor_public_key_data: Option<Value>,
    rekor_public_key_datas: Option<Value>,
    pub(super) signed_identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
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

impl Signed {
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
        let path = self.key_path.as_ref().or(self.key_paths.first())?;
        let file = path.rsplit('/').next()?;
        Some(file.strip_suffix(".pub").or(file.strip_suffix(".pem")).unwrap_or(file).to_owned())
    }
}
