//! cosign's classic layout, written so that cosign verifies it.
//!
//! Sources: `specs/SIGNATURE_SPEC.md`, `pkg/oci/mutate` and `pkg/oci/empty` of cosign; `pkg/signature/payload` of sigstore.
//! All signatures of a digest are layers of one manifest under one tag; `update` handles concurrent signers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::update::{Blob, Edited, Seen, look, update};
use super::{Annotations, Attached, Layout, SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_core::signature::{names_in_payload, simple_payload};
use pullgate_core::trust::PublicKey;
use pullgate_keys::SigningKey;
use pullgate_registry::{
    OCI_MANIFEST, PAYLOAD_MEDIA_TYPE, Registry, SIGNATURE_ANNOTATION, Stored, signature_tag,
};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// cosign's time in all documents, so that they are reproducible.
const EPOCH: &str = "0001-01-01T00:00:00Z";
/// The expected document under the tag, for messages.
const EXPECTED: &str = "a manifest of signatures";

/// The current manifest of the digest's signatures.
pub(super) async fn seen(registry: &Registry, request: &SignRequest<'_>) -> Result<Seen, SignError> {
    Ok(look(registry, request, &tag(request)?).await?)
}

fn tag(request: &SignRequest<'_>) -> Result<String, SignError> {
    signature_tag(request.digest).ok_or_else(|| SignError::NoTag(request.digest.clone()))
}

/// Adds a signature to the manifest under the tag, starting from `seen`.
///
/// The payload names the repository as in the image reference (`docker.io/library/nginx`); cosign writes `index.docker.io`
/// for Docker Hub and verifies neither. A payload with cosign's name counts as present.
pub(super) async fn attach(
    registry: &Registry,
    request: &SignRequest<'_>,
    seen: Seen,
    key: &SigningKey,
) -> Result<Attached, SignError> {
    let SignRequest { repository, digest, .. } = *request;
    let tag = tag(request)?;
    let attached = |manifest, added| Attached {
        layout: Layout::Classic,
        tag: Some(tag.clone()),
        manifest,
        added,
        expires: None,
    };
    let known = payloads(request);
    let own = payload(repository.as_str(), digest, request.annotations);
    // Checks first whether a signature is needed: signing may cost money or a touch of a token.
    if let Some(stored) = &seen.stored
        && Signatures::read(&tag, Some(stored))?.has_signature(&known, key.public())
    {
        return Ok(attached(stored.digest.clone(), false));
    }
    let signature = STANDARD.encode(key.sign(&own).await?);
    let payload_digest = Digest::of(&own);
    let layer = json!({
        "mediaType": PAYLOAD_MEDIA_TYPE,
        "size": own.len(),
        "digest": payload_digest.as_str(),
        "annotations": { SIGNATURE_ANNOTATION: signature },
    });
    let edit = |stored: Option<&Stored>| {
        let mut signatures = Signatures::read(&tag, stored)?;
        if signatures.has_signature(&known, key.public()) {
            return Ok(None);
        }
        let found = signatures.layers.len();
        let limit = registry.limits().signatures;
        if found >= limit {
            return Err(SignError::Full { place: format!("tag {tag}"), found, limit });
        }
        // Keys that sign the same payload share it; every list of layers has its own configuration.
        let payload = Blob { bytes: own.clone(), is_named: signatures.has_layer(&payload_digest) };
        signatures.layers.push(layer.clone());
        let config = signatures.config();
        let document = signatures.write(&config);
        let config = Blob { bytes: config, is_named: false };
        Ok(Some(Edited { media_type: OCI_MANIFEST, document, blobs: [Some(payload), Some(config)] }))
    };
    let updated = update(registry, request, &tag, Some(seen), edit).await?;
    Ok(attached(updated.manifest, updated.written))
}

/// Whether this key's signature over the same payload is under the tag.
pub(super) async fn is_present(
    registry: &Registry,
    request: &SignRequest<'_>,
    key: &PublicKey,
) -> Result<bool, SignError> {
    let stored = seen(registry, request).await?.stored;
    Ok(Signatures::read(&tag(request)?, stored.as_ref())?.has_signature(&payloads(request), key))
}

/// The payloads that count as the requested one: ours, and cosign's if it differs.
fn payloads(request: &SignRequest<'_>) -> Vec<(Digest, Bytes)> {
    let SignRequest { repository, digest, annotations, .. } = *request;
    let names = names_in_payload(repository);
    let payloads = names.iter().map(|name| payload(name, digest, annotations));
    payloads.map(|payload| (Digest::of(&payload), payload)).collect()
}

fn payload(name: &str, digest: &Digest, annotations: &Annotations) -> Bytes {
    simple_payload(name, digest, &annotations.go_json())
}

/// The manifest under the tag, with all fields that are not changed.
struct Signatures {
    fields: Map<String, Value>,
    layers: Vec<Value>,
}

impl Signatures {
    fn read(tag: &str, stored: Option<&Stored>) -> Result<Self, SignError> {
        let Some(stored) = stored else { return Ok(Self { fields: Map::new(), layers: Vec::new() }) };
        let not = |reason| SignError::NotOurs { tag: tag.to_owned(), expected: EXPECTED, reason };
        if stored.media_type != OCI_MANIFEST {
            return Err(not("it is not an OCI manifest"));
        }
        // The registry client has checked the document: no duplicate keys.
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&stored.bytes) else {
            return Err(not("it is not an object"));
        };
        let Some(Value::Array(layers)) = fields.remove("layers") else { return Err(not("it has no layers")) };
        if layers
            .iter()
            .any(|layer| layer.get("mediaType").and_then(Value::as_str) != Some(PAYLOAD_MEDIA_TYPE))
        {
            return Err(not("it has layers that are not payloads"));
        }
        Ok(Self { fields, layers })
    }

    /// Whether a layer is one of these payloads with a signature that this key verifies.
    fn has_signature(&self, payloads: &[(Digest, Bytes)], key: &PublicKey) -> bool {
        self.layers.iter().any(|layer| {
            let digest = layer.get("digest").and_then(Value::as_str);
            let payload = payloads.iter().find(|(known, _)| digest == Some(known.as_str()));
            let signature = layer
                .get("annotations")
                .and_then(|annotations| annotations.get(SIGNATURE_ANNOTATION)?.as_str())
                .and_then(|text| STANDARD.decode(text).ok());
            payload
                .zip(signature)
                .is_some_and(|((_, payload), signature)| key.verify(payload, &signature).is_ok())
        })
    }

    /// Whether a layer is this blob.
    fn has_layer(&self, blob: &Digest) -> bool {
        self.layers.iter().any(|layer| layer.get("digest").and_then(Value::as_str) == Some(blob.as_str()))
    }

    /// The image configuration for the layers, as cosign writes it.
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

    fn write(self, config: &[u8]) -> Bytes {
        let Self { mut fields, layers } = self;
        fields.insert("schemaVersion".to_owned(), json!(2));
        fields.insert("mediaType".to_owned(), json!(OCI_MANIFEST));
        fields.insert(
            "config".to_owned(),
            json!({ "mediaType": CONFIG, "size": config.len(), "digest": Digest::of(config).as_str() }),
        );
        fields.insert("layers".to_owned(), Value::Array(layers));
        Value::Object(fields).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_equals_cosigns() {
        let expected = concat!(
            r#"{"critical":{"identity":{"docker-reference":"registry.example:5000/team/app"},"#,
            r#""image":{"docker-manifest-digest":"#,
            r#""sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"#,
            r#""type":"cosign container image signature"},"optional":"#
        );
        for (annotations, optional) in
            [(&[][..], "null}"), (&["commit=abc", "build=42"], r#"{"build":"42","commit":"abc"}}"#)]
        {
            let annotations = Annotations::parse(annotations).unwrap();
            let found = payload("registry.example:5000/team/app", &Digest::of(b""), &annotations);
            assert_eq!(found, format!("{expected}{optional}"));
        }
        // The bytes that cosign 3.1.1 signed.
        let fixture = include_bytes!("../../../tests/fixtures/cosign/classic-annotated-p256/blob-0");
        let digest = "sha256:c1f1497a4d4964f88db08957b2973cf8bcee10146ce0947f66a8006836536cc9";
        let annotations = Annotations::parse(["build=42", "commit=abc"]).unwrap();
        let found = payload("127.0.0.1:5000/fixtures/app", &Digest::parse(digest).unwrap(), &annotations);
        assert_eq!(found, &fixture[..]);
    }
}
