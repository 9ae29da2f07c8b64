//! Reads the resources from YAML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::draft::{self, Draft};
use crate::{Effect, ImportError, MAX_DOCUMENT_BYTES, Options, shape};
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

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
    #[serde(rename = "noteReference")]
    _note_reference: Option<String>,
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
#[serde(rename_all = "camelCase")]
struct PublicKeyEntry {
    key_type: Option<String>,
    pkix_public_key: Option<Pkix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pkix {
    public_key_pem: String,
    signature_algorithm: String,
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
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(ImportError::TooLong);
        }
        let values: Vec<Value> =
            serde_saphyr::from_multiple(text).map_err(|error| ImportError::Yaml(first_line(&error)))?;
        let values: Vec<Value> = values.into_iter().filter(|value| !value.is_null()).collect();
        if values.is_empty() {
            return Err(shape(format!("file {}", index + 1), "it is empty"));
        }
        for value in values {
            resource(value, draft, &mut documents)?;
        }
    }
    Ok(documents)
}

fn first_line(error: &serde_saphyr::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
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
            "pullgate does not check its requirements for vulnerabilities or builds; require a signature by the key of the system that checks them",
        ),
        "KritisConfig" => draft.note(Effect::None, place, "it does not restrict images"),
        _ => return Err(shape(place, "unknown kind of kritis resource")),
    }
    Ok(())
}

fn of<T: serde::de::DeserializeOwned>(spec: Value, place: &str) -> Result<T, ImportError> {
    serde_json::from_value(spec).map_err(|error| shape(place, error.to_string()))
}

/// The keys of an authority that pullgate can verify with.
pub(super) fn keys(
    authority: &Authority,
    draft: &mut Draft,
    options: Options,
) -> Result<Vec<PublicKey>, ImportError> {
    let subject = format!("AttestationAuthority {}", authority.name);
    let mut keys = Vec::new();
    if let Some(data) = &authority.spec.public_key_data {
        match pem(data) {
            Some(pem) => keys.push(draft::key(&pem, &subject, options.algorithm)?),
            None => draft.note(
                Effect::Stricter,
                subject.clone(),
                "its publicKeyData is not a PEM public key; it may be a PGP key",
            ),
        }
    }
    for entry in &authority.spec.public_keys {
        let Some(pkix) = &entry.pkix_public_key else {
            let kind = entry.key_type.as_deref().unwrap_or("unknown");
            draft.note(
                Effect::Stricter,
                subject.clone(),
                format!("a key of type {kind} is left out: pullgate verifies only PKIX keys"),
            );
            continue;
        };
        let Some(algorithm) = algorithm(&pkix.signature_algorithm) else {
            let text = format!(
                "a key with algorithm {:?} is left out: pullgate does not verify it",
                pkix.signature_algorithm
            );
            draft.note(Effect::Stricter, subject.clone(), text);
            continue;
        };
        if algorithm.is_pss() {
            let text = "kritis accepts RSA-PSS signatures with a salt of any length, but this policy only one as long as the hash; the signer of \
                        kritis uses longer salts: to accept its signatures, set salt-length = \"maximum\"";
            draft.note(Effect::Stricter, subject.clone(), text);
        }
        let text = pem(&pkix.public_key_pem)
            .ok_or_else(|| shape(&subject, "publicKeyPem is not a PEM public key"))?;
        let key = PublicKey::from_pem(&text, algorithm, PssSalt::default());
        keys.push(key.map_err(|error| ImportError::Key { subject: subject.clone(), error })?);
    }
    Ok(keys)
}

/// The PEM text, which may be encoded in base64.
fn pem(text: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    if text.trim_start().starts_with(BEGIN) {
        return Some(text.to_owned());
    }
    let joined: String = text.split_whitespace().collect();
    let decoded = String::from_utf8(STANDARD.decode(joined).ok()?).ok()?;
    decoded.trim_start().starts_with(BEGIN).then_some(decoded)
}

/// The algorithm. Source: `pkg/attestlib/signature_algorithm.go`, and one more spelling that only its documentation has.
fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "rsa-pss-2048-sha256" | "rsa-pss-3072-sha256" | "rsa-pss-4096-sha256" | "rsa-pss-4096s-ha256" => {
            Algorithm::RsaPssSha256
        }
        "rsa-pss-4096-sha512" => Algorithm::RsaPssSha512,
        "rsa-sign-pkcs1-2048-sha256" | "rsa-sign-pkcs1-3072-sha256" | "rsa-sign-pkcs1-4096-sha256" => {
            Algorithm::RsaPkcs1Sha256
        }
        "rsa-sign-pkcs1-4096-sha512" => Algorithm::RsaPkcs1Sha512,
        "ecdsa-p256-sha256" => Algorithm::EcdsaSha256,
        "ecdsa-p384-sha384" => Algorithm::EcdsaSha384,
        "ecdsa-p521-sha512" => Algorithm::EcdsaSha512,
        _ => return None,
    })
}
