//! Images from which the runtime restores a container instead of starting one.
//!
//! containerd 2.1 to 2.3 does that when the document that an image record is of has the annotation that a checkpoint has
//! (`internal/cri/server/container_checkpoint_linux.go`, `checkIfCheckpointOCIImage`), and then pulls the image that the
//! checkpoint names itself (`CRImportCheckpoint`). CRI-O looks for the same annotation, and for an older one.

use crate::api::Image;
use crate::containerd::content::{self, ContentError};
use crate::containerd::{Upstream, images};
use crate::digest::Digest;
use pullgate_net::offload;

use crate::json::{self, Bounds, JsonError, Keys, folded};

/// The name of the container that was checkpointed: checkpointctl's `CheckpointAnnotationName`, and CRI-O's own before.
const ANNOTATIONS: [&str; 2] =
    ["org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name"];

/// The largest manifest or index that is read, in bytes: what a pull may bring.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// As containerd reads it, which takes "Annotations" for "annotations".
const BOUNDS: Bounds = Bounds { depth: 24, values: 1 << 17, keys: Keys::AsGo };

/// Whether the runtime would restore a container from this image. It may use any record of the image, so the documents
/// of all records count.
///
/// # Errors
/// When the runtime cannot be asked, or holds a document that cannot be read.
pub(super) async fn is_in(upstream: &Upstream, image: &Image) -> Result<bool, CheckpointError> {
    let names = image.repo_tags.iter().chain(&image.repo_digests).chain(std::iter::once(&image.id));
    let targets = images::targets(upstream, names.map(String::as_str)).await?;
    for target in targets {
        let unreadable = || CheckpointError::Unreadable(target.digest.clone());
        let digest = Digest::parse(&target.digest).map_err(|_| unreadable())?;
        let size = u64::try_from(target.size).ok().filter(|size| *size <= MAX_DOCUMENT_BYTES);
        // A document that the runtime has lost cannot be restored from.
        let Some(document) = content::read(upstream, &digest, size.ok_or_else(unreadable)?).await? else {
            continue;
        };
        let size = document.len();
        let check = move || digest.matches(&document).then(|| carries(&document));
        if offload::document(size, check).await.flatten().ok_or_else(unreadable)?? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a manifest or an index has the annotation of a checkpoint.
fn carries(document: &[u8]) -> Result<bool, JsonError> {
    let document = json::parse(document, BOUNDS)?;
    let Some(members) = document.as_object() else { return Ok(false) };
    let annotations = members.iter().filter(|(key, _)| folded(key) == "annotations");
    let mut annotations = annotations.filter_map(|(_, value)| value.as_object());
    Ok(annotations.any(|found| ANNOTATIONS.iter().any(|name| found.contains_key(*name))))
}

/// Why it is not known whether an image is a checkpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    /// The records of the image cannot be listed.
    #[error("containerd's images service failed")]
    Records(#[from] Box<tonic::Status>),
    /// A document cannot be read.
    #[error("containerd does not give out the image's document")]
    Content(#[from] ContentError),
    /// A document does not match its digest, or is too large.
    #[error("containerd's document {0} does not match its record, or is too large")]
    Unreadable(String),
    /// A document can be read in two ways.
    #[error("the image's document is not strict JSON")]
    Json(#[from] JsonError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_is_found_as_containerd_finds_it() {
        for (document, expected) in [
            (r#"{"annotations":{"org.criu.checkpoint.container.name":"app"}}"#, Some(true)),
            (r#"{"manifests":[],"Annotations":{"org.criu.checkpoint.container.name":""}}"#, Some(true)),
            (r#"{"annotations":{"io.kubernetes.cri-o.annotations.checkpoint.name":"app"}}"#, Some(true)),
            (r#"{"annotations":{"a":"org.criu.checkpoint.container.name"}}"#, Some(false)),
            // Keys of a map are compared exactly.
            (r#"{"annotations":{"Org.criu.checkpoint.container.name":"app"}}"#, Some(false)),
            // Of a child, which containerd ignores.
            (r#"{"manifests":[{"annotations":{"org.criu.checkpoint.container.name":"app"}}]}"#, Some(false)),
            (r#"{"config":{},"layers":[]}"#, Some(false)),
            (r#"{"annotations":null}"#, Some(false)),
            (r#"{"annotations":{},"Annotations":{"org.criu.checkpoint.container.name":"app"}}"#, None),
            ("{", None),
        ] {
            assert_eq!(carries(document.as_bytes()).ok(), expected, "{document}");
        }
    }
}
