//! Whether the runtime would restore a container from an image: the annotation of the one record that it uses, and of
//! that of the id, which it uses if the name goes meanwhile.
//!
//! containerd resolves the id in the request, takes the first reference of that image, and reads the document of its
//! record (`internal/cri/server`: `checkIfCheckpointOCIImage`, `toContainerdImage`). The references of an image are
//! sorted by `reference/docker/sort.go`: names with tag and digest, with a tag, with a digest, then the id; each group by
//! the alphabet.

use containerd_client::types::Descriptor;

use crate::api::Image;
use crate::containerd::content::{self, ContentError};
use crate::containerd::{Upstream, images};
use crate::digest::Digest;
use crate::gate::is_checkpoint;
use crate::json::JsonError;
use pullgate_net::offload;

/// The largest manifest or index that is read, in bytes: what a pull may bring.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// The name of the record that the runtime would restore a container from; `None` when it would start one.
///
/// # Errors
/// When the runtime cannot be asked, has no record of the image, or holds a document that cannot be read.
pub(super) async fn found_in(upstream: &Upstream, image: &Image) -> Result<Option<String>, CheckpointError> {
    let used = used_record(image);
    let targets = images::targets(upstream, [used, &image.id].into_iter()).await?;
    if targets.is_empty() {
        return Err(CheckpointError::NoRecord);
    }
    for target in targets {
        if is_checkpoint_record(upstream, &target).await? {
            let of_used = images::targets(upstream, std::iter::once(used)).await?;
            let is_used = of_used.iter().any(|found| found.digest == target.digest);
            return Ok(Some(if is_used { used.to_owned() } else { image.id.clone() }));
        }
    }
    Ok(None)
}

async fn is_checkpoint_record(upstream: &Upstream, target: &Descriptor) -> Result<bool, CheckpointError> {
    let unreadable = || CheckpointError::Unreadable(target.digest.clone());
    let digest = Digest::parse(&target.digest).map_err(|_| unreadable())?;
    let size = u64::try_from(target.size).ok().filter(|size| *size <= MAX_DOCUMENT_BYTES);
    // A document that the runtime has lost cannot be restored from.
    let Some(document) = content::read(upstream, &digest, size.ok_or_else(unreadable)?).await? else {
        return Ok(false);
    };
    let size = document.len();
    let check = move || digest.matches(&document).then(|| is_checkpoint(&document));
    Ok(offload::document(size, check).await.flatten().ok_or_else(unreadable)??)
}

/// The first of the image's references, as containerd sorts them.
fn used_record(image: &Image) -> &str {
    let has_tag = |name: &&String| {
        let (name, _) = name.split_once('@').unwrap_or((name.as_str(), ""));
        name.rsplit('/').next().is_some_and(|last| last.contains(':'))
    };
    let tagged_and_digested = image.repo_digests.iter().filter(has_tag).min();
    let first = tagged_and_digested.or(image.repo_tags.iter().min()).or(image.repo_digests.iter().min());
    first.unwrap_or(&image.id)
}

/// Why it is not known whether an image is a checkpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    /// The records of the image cannot be listed.
    #[error("containerd's images service failed")]
    Records(#[from] Box<tonic::Status>),
    /// There is no record of the image any more.
    #[error("containerd has no record of the image")]
    NoRecord,
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
    fn the_record_is_the_one_that_containerd_uses() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (tags, digests, expected) in [
            (&["b.example/app:1", "a.example/app:1"][..], &["a.example/app@sha256:1"][..], "a.example/app:1"),
            (&[], &["b.example/app@sha256:1", "a.example/app@sha256:1"], "a.example/app@sha256:1"),
            (&["a.example/app:1"], &["b.example:5000/app@sha256:1"], "a.example/app:1"),
            (&["a.example/app:1"], &["b.example/app:1@sha256:1"], "b.example/app:1@sha256:1"),
            (&[], &[], "sha256:id"),
        ] {
            let image = Image {
                id: "sha256:id".to_owned(),
                repo_tags: names(tags),
                repo_digests: names(digests),
                ..Image::default()
            };
            assert_eq!(used_record(&image), expected, "{tags:?} {digests:?}");
        }
    }
}
