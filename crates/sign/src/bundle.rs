//! Sigstore bundles as OCI referrers, written so that cosign 3 verifies them.
//!
//! Sources: `sigstore_bundle.proto` of sigstore/protobuf-specs, `pkg/cosign/bundle` of cosign, and what cosign 3.1.1 writes
//! (`tests/fixtures/cosign`); the distribution specification 1.1, "Pushing Manifests with Subject", for registries without
//! the referrers API: there the client maintains an index under a tag, with `update` for concurrent writers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::update::{Blob, Edited, refuses_absent, update, upload};
use super::{Attached, Layout, SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_core::signature::{
    Attachment, BUNDLE_MEDIA_TYPE, PREDICATE_TYPE, REPOSITORY_ANNOTATION, STATEMENT_MEDIA_TYPE,
    STATEMENT_TYPE, bundle_annotations, pre_authentication_encoding,
};
use pullgate_core::trust::PublicKey;
use pullgate_keys::SigningKey;
use pullgate_registry::{
    Class, Condition, ManifestUpload, OCI_INDEX, OCI_MANIFEST, Registry, Stored, Target, fallback_tag,
};

/// The media type of an empty configuration, and its content.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// The expected document under the tag, for messages.
const EXPECTED: &str = "an index of referrers";

/// Adds a bundle to the referrers of the image; `present` is the result of [`present`].
pub(super) async fn attach(
    registry: &Registry,
    request: &SignRequest<'_>,
    image: &Stored,
    present: Option<Digest>,
    key: &SigningKey,
) -> Result<Attached, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *request;
    if let Some(manifest) = present {
        return Ok(Attached { layout: Layout::Bundle, tag: None, manifest, added: false });
    }
    let bundle = bundle(request, key).await?;
    let blobs = [
        Blob { bytes: bundle.clone(), is_named: false },
        // All bundles of a repository share it.
        Blob { bytes: Bytes::from_static(EMPTY.1), is_named: true },
    ];
    let [own, shared] = &blobs;
    let (bundle_digest, _) =
        tokio::try_join!(upload(registry, request, own), upload(registry, request, shared))?;
    let referrer = referrer(image, digest, &bundle, &bundle_digest);
    let referrer_digest = Digest::of(&referrer);
    let target = Target::Digest(&referrer_digest);
    let upload =
        ManifestUpload { media_type: OCI_MANIFEST, bytes: referrer.clone(), condition: &Condition::Any };
    let placed = registry.writer(repository, credentials).put_manifest(target, upload).await?;
    let mut tag = None;
    if !placed.listed {
        let name = fallback_tag(digest);
        let entry = entry(&referrer, &referrer_digest);
        let limit = registry.limits().referrers;
        update(registry, request, &name, None, |stored| list(&name, stored, &entry, limit)).await?;
        tag = Some(name);
    }
    Ok(Attached { layout: Layout::Bundle, tag, manifest: referrer_digest, added: true })
}

/// The manifest of an existing bundle by this key with the same statement.
pub(super) async fn present(
    registry: &Registry,
    request: &SignRequest<'_>,
    key: &PublicKey,
) -> Result<Option<Digest>, SignError> {
    let collected = registry.bundles(request.repository, request.digest, request.credentials).await;
    let wanted = signed_annotations(request);
    for attachment in &collected.attachments {
        let Attachment::Bundle { place, document } = attachment else { continue };
        if bundle_annotations(document, key, request.digest).is_ok_and(|found| found == wanted)
            && let Some(manifest) = place.rsplit(' ').next().and_then(|digest| Digest::parse(digest).ok())
        {
            return Ok(Some(manifest));
        }
    }
    // What could not be read may be our bundle; what is malformed is not.
    let open = |class| matches!(class, Class::Unanswered | Class::Unauthorized);
    let tag = fallback_tag(request.digest);
    let mut refused_tag = None;
    for problem in collected.problems.iter().filter(|problem| open(problem.error.class())) {
        if problem.place == tag && problem.error.class() == Class::Unauthorized {
            refused_tag = Some(&problem.error);
        } else {
            return Err(problem.error.clone().into());
        }
    }
    if let Some(error) = refused_tag
        && !refuses_absent(registry, request, &tag).await
    {
        return Err(error.clone().into());
    }
    if collected.exceeded().is_some() {
        let (found, limit) = (collected.attachments.len(), registry.limits().signatures);
        return Err(SignError::Full {
            place: format!("the list of referrers of {}", request.digest),
            found,
            limit,
        });
    }
    Ok(None)
}

/// A bundle v0.3 with a statement about the digest, signed by `key`.
async fn bundle(request: &SignRequest<'_>, key: &SigningKey) -> Result<Bytes, SignError> {
    let statement = statement(request);
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

fn statement(request: &SignRequest<'_>) -> String {
    let digest = json!({ request.digest.algorithm().name(): request.digest.hex() });
    let annotations = Value::Object(signed_annotations(request));
    format!(
        "{{\"_type\":{},\"subject\":[{{\"digest\":{digest},\"annotations\":{annotations}}}],\
         \"predicateType\":{},\"predicate\":{{}}}}",
        Value::from(STATEMENT_TYPE),
        Value::from(PREDICATE_TYPE),
    )
}

/// The annotations of the request and the name of the repository, unless they have one: then a bundle counts only there,
/// as a classic signature does, where a policy has `identity = "required"`.
fn signed_annotations(request: &SignRequest<'_>) -> Map<String, Value> {
    let mut annotations = request.annotations.object();
    let name = || Value::from(request.repository.canonical());
    annotations.entry(REPOSITORY_ANNOTATION).or_insert_with(name);
    annotations
}

/// A hint for verifiers with many keys: the SHA-256 of the key, as cosign writes it.
fn hint(key: &PublicKey) -> String {
    let hex = key.fingerprint().rsplit(':').next().unwrap_or_default();
    let bytes = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    });
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

/// The manifest of the bundle. Without a time, unlike cosign's, so that the same bundle has the same digest.
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

/// The index with the entry added, or `None` if it is there already.
fn list(
    tag: &str,
    stored: Option<&Stored>,
    entry: &Value,
    limit: usize,
) -> Result<Option<Edited>, SignError> {
    let not = |reason| SignError::NotOurs { tag: tag.to_owned(), expected: EXPECTED, reason };
    let (mut fields, mut manifests) = match stored {
        None => (Map::new(), Vec::new()),
        // Readers treat it as "no referrers", but it must not be overwritten.
        Some(stored) if stored.media_type != OCI_INDEX => return Err(not("it is not an OCI index")),
        Some(stored) => {
            // The registry client has checked the document: no duplicate keys.
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
    fn statement_and_hint_equal_cosigns() {
        let key = PublicKey::from_pem(KEY, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let digest = Digest::parse(DIGEST).unwrap();
        let bundle: Value = serde_json::from_slice(BUNDLE).unwrap();
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], hint(&key));
        let request = SignRequest {
            repository: &Repository::parse("registry.example/app").unwrap(),
            digest: &digest,
            layout: Layout::Bundle,
            annotations: &Annotations::default(),
            credentials: &Credentials::anonymous(),
            recheck_delay: super::super::RECHECK_DELAY,
        };
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        // Except for the repository, which cosign does not name.
        let own = statement(&request);
        let named = r#""annotations":{"docker-reference":"registry.example/app"}"#;
        assert_eq!(own.replace(named, r#""annotations":{}"#).as_bytes(), payload);
        assert!(own.contains(named), "{own}");
        assert_eq!(bundle_annotations(BUNDLE, &key, &digest).unwrap(), Map::new());
        assert!(bundle_annotations(BUNDLE, &key, &Digest::of(b"")).is_err());
    }
}
