//! Looks up in the registry whether an image exists under a tag and may be signed.

use serde_json::Value;

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_registry::{
    Credentials, PAYLOAD_MEDIA_TYPE, Registry, RegistryError, Stored, Target, is_attachment_tag,
};

/// Media types of the layers of signatures and attestations (cosign's `pkg/types`).
const SIGNATURES: [&str; 2] = [PAYLOAD_MEDIA_TYPE, "application/vnd.dsse.envelope.v1+json"];

#[derive(Clone, Debug)]
pub(super) enum Found {
    /// An image or another artifact that can be signed.
    Image(Stored),
    /// An attachment of an image: signatures, attestations, and everything with a subject.
    Attached,
    /// No tag refers to it any more.
    Superseded,
    /// The repository does not have it.
    Missing,
}

/// Looks up `digest` under `tags`, the last one first; without `tags`, by digest alone.
///
/// A tag is required because a sender of notifications could otherwise have an untagged image signed that was left from
/// before the rule: the baseline cannot list images without a tag.
pub(super) async fn look(
    registry: &Registry,
    (repository, digest): (&Repository, &Digest),
    tags: &[String],
    needs_tag: bool,
    credentials: &Credentials,
) -> Result<Found, RegistryError> {
    for tag in tags.iter().rev() {
        let stored = registry.writer(repository, credentials).get_manifest_optional(Target::Tag(tag)).await?;
        if let Some(stored) = stored.filter(|stored| digest.matches(&stored.bytes)) {
            return Ok(if is_attachment_tag(tag) { Found::Attached } else { sorted(stored) });
        }
    }
    let stored =
        registry.writer(repository, credentials).get_manifest_optional(Target::Digest(digest)).await?;
    Ok(match stored {
        None => Found::Missing,
        Some(_) if needs_tag => Found::Superseded,
        Some(stored) => sorted(stored),
    })
}

fn sorted(stored: Stored) -> Found {
    if is_image(&stored.bytes) { Found::Image(stored) } else { Found::Attached }
}

fn is_image(manifest: &[u8]) -> bool {
    // The registry client has checked the document: no duplicate keys.
    let Ok(document) = serde_json::from_slice::<Value>(manifest) else { return false };
    if document.get("subject").is_some_and(|subject| !subject.is_null()) {
        return false;
    }
    let layers = document.get("layers").and_then(Value::as_array);
    let of_signature = |layer: &Value| {
        let media_type = layer.get("mediaType").and_then(Value::as_str);
        media_type.is_some_and(|media_type| SIGNATURES.contains(&media_type))
    };
    !layers.is_some_and(|layers| !layers.is_empty() && layers.iter().all(of_signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_not_an_image() {
        let simple = r#"{"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json"}]}"#;
        let mixed = r#"{"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json"},{"mediaType":"x"}]}"#;
        for (document, found) in [
            (r#"{"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"}]}"#, true),
            (r#"{"layers":[]}"#, true),
            (r#"{"manifests":[]}"#, true),
            (r#"{"layers":[],"subject":null}"#, true),
            (mixed, true),
            (simple, false),
            (r#"{"layers":[{"mediaType":"application/vnd.dsse.envelope.v1+json"}]}"#, false),
            (r#"{"layers":[],"subject":{"digest":"sha256:x"}}"#, false),
            (r#"{"manifests":[],"subject":{"digest":"sha256:x"}}"#, false),
        ] {
            assert_eq!(is_image(document.as_bytes()), found, "{document}");
        }
    }
}
