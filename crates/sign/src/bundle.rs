//! Sigstore bundles as OCI referrers, written so that cosign 3 verifies them.
//!
//! Sources: `sigstore_bundle.proto` of sigstore/protobuf-specs, `pkg/cosign/bundle` of cosign, and what cosign 3.1.1 writes
//! (`tests/fixtures/cosign`); the distribution specification 1.1, "Pushing Manifests with Subject", for registries that do
//! not list referrers by themselves: there the client keeps an index under a tag, where `update` keeps what others add.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::update::{Blob, Edited, update, upload};
use super::{Attached, Layout, SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_core::signature::{
    Attachment, BUNDLE_MEDIA_TYPE, PREDICATE_TYPE, STATEMENT_MEDIA_TYPE, STATEMENT_TYPE, bundle_annotations,
    pre_authentication_encoding,
};
use pullgate_core::trust::PublicKey;
use pullgate_keys::SigningKey;
use pullgate_registry::{
    Class, Condition, ManifestUpload, OCI_INDEX, OCI_MANIFEST, Registry, Stored, Target, fallback_tag,
};

/// The media type of a configuration that says nothing, and its content.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// What belongs under the tag.
const EXPECTED: &str = "index of referrers";

/// Adds a bundle to those that refer to the image; `present` is what [`present`] found a moment ago.
pub(super) async fn attach(
    registry: &Registry,
    order: &SignRequest<'_>,
    image: &Stored,
    present: Option<Digest>,
    key: &dyn SigningKey,
) -> Result<Attached, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *order;
    if let Some(manifest) = present {
        return Ok(Attached { layout: Layout::Bundle, tag: None, manifest, added: false });
    }
    let bundle = bundle(order, key).await?;
    let blobs = [
        Blob { bytes: bundle.clone(), is_named: false },
        // All bundles of a repository share it.
        Blob { bytes: Bytes::from_static(EMPTY.1), is_named: true },
    ];
    let [own, shared] = &blobs;
    let (bundle_digest, _) = tokio::try_join!(upload(registry, order, own), upload(registry, order, shared))?;
    let referrer = referrer(image, digest, &bundle, &bundle_digest);
    let referrer_digest = Digest::of(&referrer);
    let target = Target::Digest(&referrer_digest);
    let upload =
        ManifestUpload { media_type: OCI_MANIFEST, bytes: referrer.clone(), condition: &Condition::Any };
    let placed = registry.put_manifest(repository, target, upload, credentials).await?;
    let mut tag = None;
    if !placed.listed {
        let name = fallback_tag(digest);
        let entry = entry(&referrer, &referrer_digest);
        let limit = registry.limits().referrers;
        update(registry, order, &name, None, |stored| list(&name, stored, &entry, limit)).await?;
        tag = Some(name);
    }
    Ok(Attached { layout: Layout::Bundle, tag, manifest: referrer_digest, added: true })
}

/// The manifest of a bundle by which this key signed the same already.
pub(super) async fn present(
    registry: &Registry,
    order: &SignRequest<'_>,
    key: &PublicKey,
) -> Result<Option<Digest>, SignError> {
    let collected = registry.bundles(order.repository, order.digest, order.credentials).await;
    let wanted = order.annotations.object();
    for attachment in &collected.attachments {
        let Attachment::Bundle { place, document } = attachment else { continue };
        if bundle_annotations(document, key, order.digest).is_ok_and(|found| found == wanted)
            && let Some(manifest) = place.rsplit(' ').next().and_then(|digest| Digest::parse(digest).ok())
        {
            return Ok(Some(manifest));
        }
    }
    // What could not be read may be ours; what is malformed is not.
    let open = |class| matches!(class, Class::Unanswered | Class::Unauthorized);
    let problem = collected.problems.iter().find(|problem| open(problem.error.class()));
    if let Some(problem) = problem {
        return Err(problem.error.clone().into());
    }
    if collected.exceeded().is_some() {
        let (found, limit) = (collected.attachments.len(), registry.limits().signatures);
        return Err(SignError::Full {
            place: format!("the list of what refers to {}", order.digest),
            found,
            limit,
        });
    }
    Ok(None)
}

/// A bundle v0.3 with a statement about the digest, signed by `key`.
async fn bundle(order: &SignRequest<'_>, key: &dyn SigningKey) -> Result<Bytes, SignError> {
    let statement = statement(order);
    let message = pre_authentication_encoding(STATEMENT_MEDIA_TYPE, statement.as_bytes());
    let signature = key.sign(&message).await?;
    let bundle = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": hint(key.public()) } },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": STATEMENT_MEDIA_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    Ok(bundle.to_string().into())
}

/// The statement, with its fields in cosign's order.
fn statement(order: &SignRequest<'_>) -> String {
    let digest = json!({ order.digest.algorithm().name(): order.digest.hex() });
    let annotations = Value::Object(order.annotations.object());
    format!(
        "{{\"_type\":{},\"subject\":[{{\"digest\":{digest},\"annotations\":{annotations}}}],\
         \"predicateType\":{},\"predicate\":{{}}}}",
        Value::from(STATEMENT_TYPE),
        Value::from(PREDICATE_TYPE),
    )
}

/// What helps a verifier with many keys to find the right one: the SHA-256 of the key, as cosign writes it.
fn hint(key: &PublicKey) -> String {
    let hex = key.fingerprint().rsplit(':').next().unwrap_or_default();
    let bytes = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    });
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

/// The manifest that holds the bundle. It says nothing of the time, unlike cosign's: so what is the same twice is one.
fn referrer(image: &Stored, subject: &Digest, bundle: &[u8], bundle_digest: &Digest) -> Bytes {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE_MEDIA_TYPE,
        "config": { "mediaType": EMPTY.0, "digest": Digest::of(EMPTY.1).as_str(), "size": EMPTY.1.len() },
        "layers": [{ "mediaType": BUNDLE_MEDIA_TYPE, "digest": bundle_digest.as_str(), "size": bundle.len() }],
        "subject": { "mediaType": image.media_type, "digest": subject.as_str(), "size": image.bytes.len() },
        "annotations": annotations(),
    })
    .to_string()
    .into()
}

/// The descriptor of the referrer in the index under the tag.
fn entry(referrer: &[u8], digest: &Digest) -> Value {
    json!({
        "mediaType": OCI_MANIFEST,
        "digest": digest.as_str(),
        "size": referrer.len(),
        "artifactType": BUNDLE_MEDIA_TYPE,
        "annotations": annotations(),
    })
}

fn annotations() -> Value {
    json!({
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": PREDICATE_TYPE,
    })
}

/// The index with the entry added, or nothing if it is there.
fn list(
    tag: &str,
    stored: Option<&Stored>,
    entry: &Value,
    limit: usize,
) -> Result<Option<Edited>, SignError> {
    let not = |reason| SignError::NotOurs { tag: tag.to_owned(), expected: EXPECTED, reason };
    let (mut fields, mut manifests) = match stored {
        None => (Map::new(), Vec::new()),
        // To a reader that would be "no referrers"; but it is somebody's.
        Some(stored) if stored.media_type != OCI_INDEX => return Err(not("it is not an OCI index")),
        Some(stored) => {
            // The registry client has looked at the document: no key is there twice.
            let Ok(Value::Object(mut fields)) = serde_json::from_slice(&stored.bytes) else {
                return Err(not("it is not an object"));
            };
            let Some(Value::Array(manifests)) = fields.remove("manifests") else {
                return Err(not("it has no manifests"));
            };
            (fields, manifests)
        }
    };
    if manifests.iter().any(|manifest| manifest.get("digest") == entry.get("digest")) {
        return Ok(None);
    }
    let found = manifests.len();
    if found >= limit {
        return Err(SignError::Full { place: format!("tag {tag}"), found, limit });
    }
    manifests.push(entry.clone());
    fields.insert("schemaVersion".to_owned(), json!(2));
    fields.insert("mediaType".to_owned(), json!(OCI_INDEX));
    fields.insert("manifests".to_owned(), Value::Array(manifests));
    let document = Value::Object(fields).to_string().into();
    Ok(Some(Edited { media_type: OCI_INDEX, document, blobs: [None, None] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Annotations;
    use pullgate_core::reference::Repository;
    use pullgate_core::trust::{Algorithm, PssSalt};
    use pullgate_registry::Credentials;

    /// A bundle by cosign 3.1.1, and its key.
    const BUNDLE: &[u8] = include_bytes!("../../../tests/fixtures/cosign/bundle-p256/blob-0");
    const KEY: &str = include_str!("../../../tests/fixtures/cosign/bundle-p256/public-key.pem");
    const DIGEST: &str = "sha256:c1f1497a4d4964f88db08957b2973cf8bcee10146ce0947f66a8006836536cc9";

    #[test]
    fn statement_and_hint_are_cosigns() {
        let key = PublicKey::from_pem(KEY, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let digest = Digest::parse(DIGEST).unwrap();
        let bundle: Value = serde_json::from_slice(BUNDLE).unwrap();
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], hint(&key));
        let order = SignRequest {
            repository: &Repository::parse("registry.example/app").unwrap(),
            digest: &digest,
            layout: Layout::Bundle,
            annotations: &Annotations::default(),
            credentials: &Credentials::anonymous(),
            recheck_delay: super::super::SETTLE,
        };
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        assert_eq!(statement(&order).as_bytes(), payload);
        assert_eq!(bundle_annotations(BUNDLE, &key, &digest).unwrap(), Map::new());
        assert!(bundle_annotations(BUNDLE, &key, &Digest::of(b"")).is_err());
    }
}
