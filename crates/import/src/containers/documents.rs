//! The shape of `policy.json`. Unknown fields are errors, as in containers/image.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{ImportError, shape};

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
    SignedBy(Box<SignedBy>),
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

/// A signature by GPG.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignedBy {
    key_type: String,
    key_path: Option<String>,
    key_paths: Option<Vec<String>>,
    key_data: Option<String>,
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
                return Some((place, "it has no requirements; containers/image also rejects such a policy"));
            }
            let problem = list.iter().find_map(|requirement| match requirement {
                Requirement::SigstoreSigned(signed) if signed.key_sources() != 1 => {
                    Some("sigstoreSigned needs exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki")
                }
                Requirement::SigstoreSigned(signed) => match signed.rekor_sources() {
                    1.. if signed.pki.is_some() => Some("pki cannot be combined with a key of Rekor"),
                    2.. => Some("only one of rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData and rekorPublicKeyDatas is allowed"),
                    0 if signed.fulcio.is_some() => Some("fulcio needs a key of Rekor"),
                    _ => None,
                },
                Requirement::SignedBy(signed) if signed.key_sources() != 1 => {
                    Some("signedBy needs exactly one of keyPath, keyPaths and keyData")
                }
                _ => None,
            });
            problem.map(|problem| (place, problem))
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

    pub(super) fn rekor_sources(&self) -> usize {
        [
            &self.rekor_public_key_path,
            &self.rekor_public_key_paths,
            &self.rekor_public_key_data,
            &self.rekor_public_key_datas,
        ]
        .into_iter()
        .flatten()
        .count()
    }

    /// The keys of Rekor: whether each is a file, and its path or its base64.
    pub(super) fn rekor_keys(&self, subject: &str) -> Result<Vec<(bool, String)>, ImportError> {
        let mut keys = Vec::new();
        for (is_file, one, several) in [
            (true, &self.rekor_public_key_path, &self.rekor_public_key_paths),
            (false, &self.rekor_public_key_data, &self.rekor_public_key_datas),
        ] {
            let one = one.iter().map(|value| String::deserialize(value).map(|text| vec![text]));
            let several = several.iter().map(Vec::<String>::deserialize);
            for texts in one.chain(several) {
                let texts = texts.map_err(|error| shape(subject, format!("rekorPublicKey: {error}")))?;
                keys.extend(texts.into_iter().map(|text| (is_file, text)));
            }
        }
        if keys.is_empty() { Err(shape(subject, "sigstoreSigned has no key of Rekor")) } else { Ok(keys) }
    }

    /// A name from the first key file.
    pub(super) fn name(&self) -> Option<String> {
        name_of(self.key_path.as_ref().or(self.key_paths.iter().flatten().next())?)
    }
}

impl SignedBy {
    fn key_sources(&self) -> usize {
        let present = [self.key_path.is_some(), self.key_paths.is_some(), self.key_data.is_some()];
        present.into_iter().filter(|is_present| *is_present).count()
    }

    /// Whether containers/image implements it: of several types of keys it knows only one (`signature/policy_eval_signedby.go`).
    pub(super) fn is_of_gpg(&self) -> bool {
        self.key_type == "GPGKeys"
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.key_path.iter().chain(self.key_paths.iter().flatten())
    }

    /// A keyring in base64.
    pub(super) fn data(&self) -> Option<&str> {
        self.key_data.as_deref()
    }

    /// A name from the first key file.
    pub(super) fn name(&self) -> Option<String> {
        name_of(self.paths().next()?)
    }
}

fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let endings = [".pub", ".pem", ".gpg", ".asc"];
    Some(endings.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file).to_owned())
}
