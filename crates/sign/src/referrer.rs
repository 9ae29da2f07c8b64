//! Signatures as OCI referrers.
//!
//! Source: the distribution specification 1.1, "Pushing Manifests with Subject". For registries without the referrers API, the
//! client maintains an index under a tag, with `update` for concurrent writers.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::update::{Blob, Edited, refuses_absent, update, upload};
use super::{Attached, Layout, SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_core::signature::{Attachment, MAX_NOTATION_BYTES};
use pullgate_registry::{
    AttachmentProblem, Bound, Class, Collected, Condition, Limits, ManifestUpload, OCI_INDEX, OCI_MANIFEST,
    Registry, RegistryError, Stored, Target, Wanted, fallback_tag,
};

/// The media type of an empty configuration, and its content.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// The expected document under the tag, for messages.
const EXPECTED: &str = "an index of referrers";

/// The largest document that is attached, in bytes.
pub(super) const MAX_BYTES: usize = MAX_NOTATION_BYTES;

/// A signature that is attached already.
pub(super) struct Found {
    pub(super) manifest: Digest,
    /// When the signature expires.
    pub(super) expires: Option<Timestamp>,
}

/// A signature to attach.
pub(super) struct Referrer {
    pub(super) layout: Layout,
    pub(super) artifact_type: &'static str,
    /// The media type of the signature.
    pub(super) media_type: &'static str,
    pub(super) content: Bytes,
    /// When the signature expires.
    pub(super) expires: Option<Timestamp>,
    pub(super) annotations: Value,
}

/// The signatures that are attached already.
pub(super) async fn listed(registry: &Registry, request: &SignRequest<'_>) -> Collected {
    let SignRequest { repository, digest, credentials, layout, .. } = *request;
    let wanted = Wanted { notation: layout == Layout::Notation, ..Wanted::default() };
    registry.referrers(repository, digest, credentials, wanted).await
}

/// The first listed signature that `own` accepts, which returns when the signature expires.
pub(super) async fn find(
    registry: &Registry,
    request: &SignRequest<'_>,
    collected: &Collected,
    own: impl Fn(&Attachment) -> Option<Option<Timestamp>>,
) -> Result<Option<Found>, SignError> {
    for attachment in &collected.attachments {
        if let Some(expires) = own(attachment)
            && let Some(manifest) =
                attachment.place().rsplit(' ').next().and_then(|digest| Digest::parse(digest).ok())
        {
            return Ok(Some(Found { manifest, expires }));
        }
    }
    // What could not be read may be our signature; what is malformed is not.
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
    if hides_own(collected, registry.limits()) {
        let (found, limit) = (collected.attachments.len(), registry.limits().signatures);
        return Err(SignError::Full {
            place: format!("the list of referrers of {}", request.digest),
            found,
            limit,
        });
    }
    Ok(None)
}

/// Whether a limit may hide a signature by this signer, which has at most [`MAX_BYTES`]. What is larger hides none: anyone who
/// may push can attach it.
fn hides_own(collected: &Collected, limits: &Limits) -> bool {
    let allows_own = |limit: u64| usize::try_from(limit).is_ok_and(|limit| limit >= MAX_BYTES);
    let share = limits.signatures_total_size / u64::try_from(limits.signatures.max(1)).unwrap_or(u64::MAX);
    let is_larger = |problem: &AttachmentProblem| match &problem.error {
        // The manifest of one referrer; an own one has a few KiB.
        RegistryError::TooLarge { bound: Bound::Manifest, .. } => problem.place.starts_with("referrer "),
        RegistryError::TooLarge { bound: Bound::Signature, limit, .. } => allows_own(*limit),
        // The smallest are read first, so one that exceeds the total is larger than the average.
        RegistryError::TooLarge { bound: Bound::Collected, .. } => allows_own(share),
        _ => false,
    };
    let are_larger_unread = collected.problems.iter().any(|problem| {
        matches!(problem.error, RegistryError::TooLarge { bound: Bound::Signature, .. }) && is_larger(problem)
    });
    let mut hides = false;
    for problem in collected.problems.iter().filter(|problem| problem.error.class() == Class::Limit) {
        let is_of_number = matches!(problem.error, RegistryError::TooMany { bound: Bound::Signatures, .. });
        // Also here the smallest are read first.
        if is_larger(problem) || is_of_number && are_larger_unread {
            let (place, error) = (&problem.place, &problem.error);
            tracing::warn!(place, %error, "attachment skipped, because it is too large for a signature of this signer");
        } else {
            hides = true;
        }
    }
    hides
}

/// Adds a signature to the referrers of the image.
pub(super) async fn attach(
    registry: &Registry,
    request: &SignRequest<'_>,
    image: &Stored,
    referrer: &Referrer,
) -> Result<Attached, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *request;
    let blobs = [
        Blob { bytes: referrer.content.clone(), is_named: false },
        // All referrers of a repository share it.
        Blob { bytes: Bytes::from_static(EMPTY.1), is_named: true },
    ];
    let [own, shared] = &blobs;
    tokio::try_join!(upload(registry, request, own), upload(registry, request, shared))?;
    let manifest = referrer.manifest(image, digest);
    let manifest_digest = Digest::of(&manifest);
    let target = Target::Digest(&manifest_digest);
    let upload =
        ManifestUpload { media_type: OCI_MANIFEST, bytes: manifest.clone(), condition: &Condition::Any };
    let placed = registry.writer(repository, credentials).put_manifest(target, upload).await?;
    let mut tag = None;
    if !placed.listed {
        let name = fallback_tag(digest);
        let entry = referrer.entry(&manifest, &manifest_digest);
        let limit = registry.limits().referrers;
        update(registry, request, &name, None, |stored| list(&name, stored, &entry, limit)).await?;
        tag = Some(name);
    }
    let Referrer { layout, expires, .. } = *referrer;
    Ok(Attached { layout, tag, manifest: manifest_digest, added: true, expires })
}

impl Referrer {
    /// Without a time, unlike those of cosign and notation, so that the same signature has the same digest.
    fn manifest(&self, image: &Stored, subject: &Digest) -> Bytes {
        let layer = Digest::of(&self.content);
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.artifact_type,
            "config": { "mediaType": EMPTY.0, "digest": Digest::of(EMPTY.1).as_str(), "size": EMPTY.1.len() },
            "layers": [{ "mediaType": self.media_type, "digest": layer.as_str(), "size": self.content.len() }],
            "subject": { "mediaType": image.media_type, "digest": subject.as_str(), "size": image.bytes.len() },
            "annotations": self.annotations,
        })
        .to_string()
        .into()
    }

    /// The descriptor of the manifest in the index under the tag.
    fn entry(&self, manifest: &[u8], digest: &Digest) -> Value {
        json!({
            "mediaType": OCI_MANIFEST,
            "digest": digest.as_str(),
            "size": manifest.len(),
            "artifactType": self.artifact_type,
            "annotations": self.annotations,
        })
    }
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
