//! cosign's classic layout, written so that cosign verifies it.
//!
//! Sources: `specs/SIGNATURE_SPEC.md`, `pkg/oci/mutate` and `pkg/oci/empty` of cosign; `pkg/signature/payload` of sigstore.
//! All signatures of a digest are layers of one manifest under one tag, and registries have no way to say "write this
//! only if nobody wrote since": so it is read again after each write, and written again when another signer won. A write
//! of ours that comes between another signer's read and write is what cosign loses, too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::SignError;
use crate::digest::Digest;
use crate::keys::SigningKey;
use crate::reference::Repository;
use crate::registry::{
    Credentials, OCI_MANIFEST, PAYLOAD_MEDIA_TYPE, Registry, RegistryError, SIGNATURE_ANNOTATION, Stored,
    Target, limits, signature_tag,
};

/// Writes that are tried when others write at the same time.
const ATTEMPTS: usize = 5;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The time that cosign gives to everything, so that nothing depends on it.
const EPOCH: &str = "0001-01-01T00:00:00Z";

/// A signature that is where verifiers look.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The tag under which it is.
    pub tag: String,
    /// The digest of the manifest of signatures.
    pub manifest: Digest,
    /// The digest of the payload.
    pub payload: Digest,
    /// Whether it was added; if not, a signature of this key over this payload was there already.
    pub added: bool,
}

/// Signs `digest` in `repository` with `key`, and adds the signature to those that are there.
///
/// The payload names the repository as it is asked for (`docker.io/library/nginx`); cosign writes `index.docker.io` for
/// Docker Hub, and looks at neither.
///
/// # Errors
/// When the registry does not play along, or what is under the tag is no manifest of signatures.
pub async fn attach(
    registry: &Registry,
    repository: &Repository,
    digest: &Digest,
    key: &dyn SigningKey,
    credentials: &Credentials,
) -> Result<Attached, SignError> {
    let tag = signature_tag(digest).ok_or_else(|| SignError::NoTag(digest.clone()))?;
    let payload = payload(repository, digest);
    let payload_digest = Digest::of(&payload);
    let attached = |manifest: Digest, added| Attached {
        tag: tag.clone(),
        manifest,
        payload: payload_digest.clone(),
        added,
    };
    let mut signature = None;
    for _ in 0..ATTEMPTS {
        let stored = registry.get_manifest_optional(repository, Target::Tag(&tag), credentials).await?;
        let mut manifest = Signatures::read(&tag, stored.as_ref())?;
        if let Some(stored) = &stored
            && manifest.holds(&payload, &payload_digest, key)
        {
            return Ok(attached(stored.digest.clone(), signature.is_some()));
        }
        if manifest.layers.len() >= limits::SIGNATURES {
            let found = manifest.layers.len();
            return Err(SignError::Full { tag, found, limit: limits::SIGNATURES });
        }
        let signature = match &signature {
            Some(signature) => String::clone(signature),
            None => {
                let made = STANDARD.encode(key.sign(&payload).await?);
                signature.insert(made).clone()
            }
        };
        manifest.layers.push(json!({
            "mediaType": PAYLOAD_MEDIA_TYPE,
            "size": payload.len(),
            "digest": payload_digest.as_str(),
            "annotations": { SIGNATURE_ANNOTATION: signature },
        }));
        let config = manifest.config();
        upload(registry, repository, &payload, &payload_digest, credentials).await?;
        let config_digest = Digest::of(&config);
        upload(registry, repository, &config, &config_digest, credentials).await?;
        let bytes = manifest.write(&config, &config_digest);
        registry.put_manifest(repository, Target::Tag(&tag), OCI_MANIFEST, bytes, credentials).await?;
    }
    let stored = registry.get_manifest_optional(repository, Target::Tag(&tag), credentials).await?;
    match &stored {
        Some(found) if Signatures::read(&tag, stored.as_ref())?.holds(&payload, &payload_digest, key) => {
            Ok(attached(found.digest.clone(), true))
        }
        _ => Err(SignError::Contended { tag, attempts: ATTEMPTS }),
    }
}

/// The simple-signing payload, byte for byte as cosign writes it.
fn payload(repository: &Repository, digest: &Digest) -> Bytes {
    format!(
        "{{\"critical\":{{\"identity\":{{\"docker-reference\":{}}},\"image\":{{\"docker-manifest-digest\":{}}},\
         \"type\":\"cosign container image signature\"}},\"optional\":null}}",
        Value::from(repository.to_string()),
        Value::from(digest.as_str()),
    )
    .into()
}

async fn upload(
    registry: &Registry,
    repository: &Repository,
    bytes: &Bytes,
    digest: &Digest,
    credentials: &Credentials,
) -> Result<(), RegistryError> {
    if !registry.blob_exists(repository, digest, credentials).await? {
        registry.upload_blob(repository, bytes.clone(), credentials).await?;
    }
    Ok(())
}

/// The manifest under the tag, with all it holds besides what is added.
struct Signatures {
    fields: Map<String, Value>,
    layers: Vec<Value>,
}

impl Signatures {
    fn read(tag: &str, stored: Option<&Stored>) -> Result<Self, SignError> {
        let Some(stored) = stored else { return Ok(Self { fields: Map::new(), layers: Vec::new() }) };
        let not = |reason| SignError::NotSignatures { tag: tag.to_owned(), reason };
        if stored.media_type != OCI_MANIFEST {
            return Err(not("it is no OCI manifest"));
        }
        // The registry client has looked at the document: no key is there twice.
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&stored.bytes) else {
            return Err(not("it is not an object"));
        };
        let Some(Value::Array(layers)) = fields.remove("layers") else { return Err(not("it has no layers")) };
        if layers
            .iter()
            .any(|layer| layer.get("mediaType").and_then(Value::as_str) != Some(PAYLOAD_MEDIA_TYPE))
        {
            return Err(not("it has layers that are no payloads"));
        }
        Ok(Self { fields, layers })
    }

    /// Whether a layer is this payload with a signature that this key verifies.
    fn holds(&self, payload: &[u8], digest: &Digest, key: &dyn SigningKey) -> bool {
        let public = key.public();
        self.layers.iter().any(|layer| {
            let same = layer.get("digest").and_then(Value::as_str) == Some(digest.as_str());
            let signature = layer
                .get("annotations")
                .and_then(|annotations| annotations.get(SIGNATURE_ANNOTATION)?.as_str())
                .and_then(|text| STANDARD.decode(text).ok());
            same && signature.is_some_and(|signature| public.verify(payload, &signature).is_ok())
        })
    }

    /// The image configuration that belongs to the layers, as cosign writes it.
    fn config(&self) -> Bytes {
        let history: Vec<Value> = self.layers.iter().map(|_| json!({ "created": EPOCH })).collect();
        let digests: Vec<Value> =
            self.layers.iter().filter_map(|layer| layer.get("digest").cloned()).collect();
        json!({
            "architecture": "",
            "created": EPOCH,
            "history": history,
            "os": "",
            "rootfs": { "type": "layers", "diff_ids": digests },
            "config": {},
        })
        .to_string()
        .into()
    }

    fn write(self, config: &[u8], digest: &Digest) -> Bytes {
        let Self { mut fields, layers } = self;
        fields.insert("schemaVersion".to_owned(), json!(2));
        fields.insert("mediaType".to_owned(), json!(OCI_MANIFEST));
        fields.insert(
            "config".to_owned(),
            json!({ "mediaType": CONFIG, "size": config.len(), "digest": digest.as_str() }),
        );
        fields.insert("layers".to_owned(), Value::Array(layers));
        Value::Object(fields).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_cosigns() {
        let repository = Repository::parse("registry.example:5000/team/app").unwrap();
        let expected = concat!(
            r#"{"critical":{"identity":{"docker-reference":"registry.example:5000/team/app"},"#,
            r#""image":{"docker-manifest-digest":"#,
            r#""sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"#,
            r#""type":"cosign container image signature"},"optional":null}"#
        );
        assert_eq!(payload(&repository, &Digest::of(b"")), expected.as_bytes());
    }
}
