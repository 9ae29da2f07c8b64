//! Whether an image of the runtime is what a digest stands for: shown by hashes, whoever says so.

use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::registry::{ImageRefs, IndexEntry, parse_refs};

/// Whether `evidence` has the document of its digest, and that is one from which images follow.
pub(super) fn is_consistent(evidence: &Evidence) -> bool {
    evidence.digest.matches(&evidence.document)
        && parse_refs(&evidence.document, &evidence.media_type).is_ok()
}

/// Whether the document of `evidence` is an index: a runtime that is given its digest chooses an image from it.
pub(super) fn is_index(evidence: &Evidence) -> bool {
    matches!(parse_refs(&evidence.document, &evidence.media_type), Ok(ImageRefs::Index(_)))
}

/// Whether the digest of `evidence` leads to the image `id`: its document hashes to it, and the document has the
/// configuration `id`, or lists a manifest that has.
pub(super) fn leads_to(evidence: &Evidence, id: &Digest) -> bool {
    if !evidence.digest.matches(&evidence.document) {
        return false;
    }
    match parse_refs(&evidence.document, &evidence.media_type) {
        Ok(ImageRefs::Image(config)) => config == *id,
        Ok(ImageRefs::Index(listed)) => {
            let manifests = evidence.images.iter().filter_map(|image| image.manifest.as_ref());
            manifests.into_iter().any(|manifest| lists(&listed, manifest, id))
        }
        Err(_) => false,
    }
}

/// Whether `manifest` is listed and has the configuration `id`.
pub(super) fn lists(listed: &[IndexEntry], manifest: &[u8], id: &Digest) -> bool {
    let own = listed.iter().find(|listed| {
        u64::try_from(manifest.len()).is_ok_and(|size| size == listed.size) && listed.digest.matches(manifest)
    });
    let found = own.and_then(|listed| parse_refs(manifest, &listed.media_type).ok());
    matches!(found, Some(ImageRefs::Image(config)) if config == *id)
}
