//! Reads the resources from YAML.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::draft::{self, Draft};
use crate::grafeas_keys::{self, AuthorityKeys, PublicKeyEntry};
use crate::{Effect, ImportError, Options, shape, yaml};

const GROUP: &str = "kritis.grafeas.io/";

pub(super) enum Document {
    Authority(Authority),
    Generic(Generic),
    Allowlist(Allowlist),
}

pub(super) struct Authority {
    pub(super) namespace: String,
    pub(super) name: String,
    spec: AuthoritySpec,
}

impl Authority {
    /// It, in notes.
    pub(super) fn subject(&self) -> String {
        format!("AttestationAuthority {}", self.name)
    }

    /// Where its attestations are, as it says.
    pub(super) fn note(&self) -> &str {
        self.spec.note_reference.as_deref().unwrap_or("its note")
    }
}

pub(super) struct Generic {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) authorities: Vec<String>,
    pub(super) patterns: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Allowlist {
    #[serde(default)]
    pub(super) patterns: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name_pattern: String,
    pub(super) namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuthoritySpec {
    note_reference: Option<String>,
    #[serde(default)]
    public_keys: Vec<PublicKeyEntry>,
    /// kritis-validation-hook: base64 of the PEM of the key in KMS. kritis before 0.3: base64 of a PGP key.
    public_key_data: Option<String>,
    #[serde(rename = "publicKeyId")]
    _public_key_id: Option<String>,
    #[serde(rename = "privateKeySecretName")]
    _private_key_secret_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenericSpec {
    #[serde(default)]
    attestation_authority_names: Vec<String>,
    #[serde(default, alias = "admissionWhitelistPatterns")]
    admission_allowlist_patterns: Vec<Entry>,
}

/// Reads the resources of all texts. Resources of other systems are noted. Anything that is not a resource is an error: it
/// may be the error message of a failed export, in place of the policies that require signatures.
pub(super) fn read(texts: &[String], draft: &mut Draft) -> Result<Vec<Document>, ImportError> {
    let mut documents = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let values = yaml(text)?;
        if values.is_empty() {
            return Err(shape(format!("file {}", index + 1), "it is empty"));
        }
        for value in values {
            resource(value, draft, &mut documents)?;
        }
    }
    Ok(documents)
}

fn resource(value: Value, draft: &mut Draft, documents: &mut Vec<Document>) -> Result<(), ImportError> {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, version) = (text("/kind"), text("/apiVersion"));
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    if kind.is_empty() || version.is_empty() {
        return Err(shape("a document", "it has no kind and apiVersion, so it is not a Kubernetes resource"));
    }
    match value.get("items") {
        Some(Value::Array(items)) if kind.ends_with("List") => {
            for item in items {
                resource(item.clone(), draft, documents)?;
            }
            return Ok(());
        }
        _ if kind == "List" => return Err(shape(kind, "it has no items")),
        _ => {}
    }
    let place = format!("{kind} {name}");
    if !version.starts_with(GROUP) {
        if kind == "GenericAttestationPolicy" {
            return Err(shape(
                place,
                format!("its apiVersion is {version:?}, but that of kritis begins with {GROUP}"),
            ));
        }
        draft.note(Effect::None, place, "it is not a kritis resource");
        return Ok(());
    }
    if name.is_empty() {
        return Err(shape(kind, "it has no metadata.name"));
    }
    let spec = value.get("spec").cloned().unwrap_or(Value::Object(Map::new()));
    match kind.as_str() {
        "AttestationAuthority" => {
            let spec = of(spec, &place)?;
            documents.push(Document::Authority(Authority { namespace, name, spec }));
        }
        "GenericAttestationPolicy" => {
            let spec: GenericSpec = of(spec, &place)?;
            let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
            let patterns = spec.admission_allowlist_patterns.into_iter().map(|it| it.name_pattern).collect();
            let authorities = spec.attestation_authority_names;
            documents.push(Document::Generic(Generic { namespace, name, authorities, patterns }));
        }
        "AdmissionAllowlist" => documents.push(Document::Allowlist(of(spec, &place)?)),
        "ImageSecurityPolicy" | "VulnzSigningPolicy" | "BuildPolicy" => draft.note(
            Effect::Wider,
            place,
            "its requirements for vulnerabilities or builds are not converted, because kritis reads the facts from Grafeas, but pullgate from attestations of the image; write a condition `[attestation.NAME]` with type `vulnerabilities` or `slsa-provenance`",
        ),
        "KritisConfig" => draft.note(Effect::None, place, "it does not restrict images"),
        _ => return Err(shape(place, "unknown kind of kritis resource")),
    }
    Ok(())
}

fn of<T: serde::de::DeserializeOwned>(spec: Value, place: &str) -> Result<T, ImportError> {
    serde_json::from_value(spec).map_err(|error| shape(place, error.to_string()))
}

/// The keys of an authority that pullgate can verify with, and whether its attestations are those of kritis: what
/// kritis-validation-hook reads is not documented.
pub(super) fn keys(
    authority: &Authority,
    draft: &mut Draft,
    options: Options,
) -> Result<(AuthorityKeys, bool), ImportError> {
    let subject = authority.subject();
    let mut keys = AuthorityKeys::default();
    let mut is_of_attestor = !authority.spec.public_keys.is_empty();
    if let Some(data) = &authority.spec.public_key_data {
        match grafeas_keys::text(data, grafeas_keys::PUBLIC_KEY) {
            Some(pem) => keys.pkix.push(draft::key(&pem, &subject, options.algorithm)?),
            None => {
                is_of_attestor = true;
                grafeas_keys::add_openpgp(&mut keys.openpgp, data, &subject, draft);
            }
        }
    }
    grafeas_keys::add(&mut keys, &authority.spec.public_keys, &subject, draft)?;
    if keys.pkix.iter().any(|key| key.algorithm().is_pss()) && is_of_attestor {
        let text = "kritis accepts RSA-PSS signatures with a salt of any length, but this policy accepts only a salt as long as \
                    the hash; the signer of kritis uses longer salts, so set salt-length = \"maximum\" to accept its signatures";
        draft.note(Effect::Stricter, subject, text);
    }
    Ok((keys, is_of_attestor))
}
