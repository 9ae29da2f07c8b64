//! The payload: the descriptor of the signed artifact.

use serde_json::{Map, Value, json};

use super::attributes::Protected;
use super::error::NotationError;
use crate::signature::fields::{Fields, object, parse};
use crate::signature::{SignatureError, Subject, annotations, repository};
use crate::untrusted::quoted;

/// The content type of a payload.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

const PAYLOAD: &str = "Notary payload";
const MAX_DEPTH: usize = 8;

/// The payload for a target. Annotations are what a signer adds (`--user-metadata`).
pub(super) fn write(subject: &Subject<'_>) -> Vec<u8> {
    let (media_type, size) = subject.content;
    let mut target = json!({ "mediaType": media_type, "digest": subject.digest.as_str(), "size": size });
    if let (Some(target), false) = (target.as_object_mut(), subject.annotations.is_empty()) {
        target.insert("annotations".to_owned(), json!(subject.annotations));
    }
    json!({ "targetArtifact": target }).to_string().into_bytes()
}

/// Checks type and content of a payload whose signature was verified. The annotations that a rule requires must be there, and
/// with `identity = "required"` the repository.
pub(super) fn check(
    protected: &Protected,
    payload: &[u8],
    subject: &Subject<'_>,
) -> Result<(), SignatureError> {
    let added = read(protected, payload, subject)?;
    repository::check_annotation(&added, subject)?;
    annotations::check(subject.annotations, &added)
}

/// The annotations of a payload for this target. Other fields beside the target do not affect the decision.
pub(super) fn read(
    protected: &Protected,
    payload: &[u8],
    subject: &Subject<'_>,
) -> Result<Map<String, Value>, SignatureError> {
    if protected.content_type != PAYLOAD_TYPE {
        return Err(SignatureError::WrongType { what: PAYLOAD, found: quoted(&protected.content_type) });
    }
    let malformed = |cause| SignatureError::Malformed { what: PAYLOAD, cause };
    let document = parse(payload, MAX_DEPTH).and_then(|value| object(value, PAYLOAD));
    let mut artifact =
        document.and_then(|mut document| document.object("targetArtifact")).map_err(malformed)?;
    let digest = artifact.string("digest").map_err(malformed)?;
    let media_type = artifact.string("mediaType").map_err(malformed)?;
    let size = artifact.required("size").map_err(malformed)?;
    let added = artifact.optional("annotations").map(|value| object(value, "annotations"));
    let added = added.transpose().map_err(malformed)?.map(Fields::rest).unwrap_or_default();
    if digest != subject.digest.as_str() {
        return Err(SignatureError::OtherDigest { found: quoted(&digest) });
    }
    let (wanted, bytes) = subject.content;
    if media_type != wanted {
        return Err(NotationError::OtherTarget { part: "media type" }.into());
    }
    if size.as_u64().and_then(|size| usize::try_from(size).ok()) != Some(bytes) {
        return Err(NotationError::OtherTarget { part: "size" }.into());
    }
    Ok(added)
}
