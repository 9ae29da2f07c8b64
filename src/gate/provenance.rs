//! Whether an image of the runtime is what a digest names: shown by hashes alone.
//!
//! These functions hash and parse documents of some megabytes: they are called on blocking threads, or with
//! [`offload`], and never on the thread that serves calls.

use std::sync::Arc;

use bytes::Bytes;
use pullgate_net::offload;

use crate::digest::{ContentDigests, Digest};
use crate::ledger::Evidence;
use crate::policy::Policy;
use crate::registry::{ImageRefs, IndexEntry, parse_refs};

/// Whether `evidence` has the document of its digest, and that is one from which images follow: then, whether it is an
/// index. A runtime that is given the digest of an index chooses an image from it.
pub(super) fn consistent(evidence: &Evidence) -> Option<bool> {
    let refs = parse_refs(&evidence.document, &evidence.media_type).ok()?;
    evidence.digest.matches(&evidence.document).then_some(matches!(refs, ImageRefs::Index(_)))
}

/// As [`consistent`], on another thread if it takes long.
pub(super) async fn check_consistent(evidence: &Arc<Evidence>) -> Option<bool> {
    let checked = Arc::clone(evidence);
    offload::document(evidence.bytes(), move || consistent(&checked)).await.flatten()
}

/// Whether the digest of `evidence` leads to the image `id`: its document hashes to it, and the document has the
/// configuration `id`, or lists a manifest that has.
pub(super) fn leads_to(evidence: &Evidence, id: &Digest) -> bool {
    leading(evidence, id).is_some()
}

/// As [`leads_to`]; if so, whether the document is an index.
pub(super) fn leading(evidence: &Evidence, id: &Digest) -> Option<bool> {
    if !evidence.digest.matches(&evidence.document) {
        return None;
    }
    let (is_index, leads) = match parse_refs(&evidence.document, &evidence.media_type).ok()? {
        ImageRefs::Image(config) => (false, config == *id),
        ImageRefs::Index(listed) => {
            let manifests = evidence.images.iter().filter_map(|image| image.manifest.as_ref());
            (true, manifests.into_iter().any(|manifest| lists(&listed, manifest, id)))
        }
    };
    leads.then_some(is_index)
}

/// The digests that the document of evidence leads to, as far as it can be read, and that `policy` denies. All of them
/// would be another document in memory.
pub(super) fn denied(evidence: &Evidence, policy: &Policy) -> Vec<Digest> {
    let deny_list = policy.deny_list();
    if !deny_list.has_digests() {
        return Vec::new();
    }
    let mut digests = vec![evidence.digest.clone()];
    match parse_refs(&evidence.document, &evidence.media_type) {
        Ok(ImageRefs::Index(listed)) => digests.extend(listed.into_iter().map(|listed| listed.digest)),
        Ok(ImageRefs::Image(config)) => digests.push(config),
        Err(_) => {}
    }
    digests.retain(|digest| deny_list.of_digest(digest).is_some());
    digests
}

/// As [`denied`], on another thread if it takes long. Everything counts as denied that could not be read.
pub(super) async fn find_denied(evidence: &Arc<Evidence>, policy: Option<&Arc<Policy>>) -> Vec<Digest> {
    let Some(policy) = policy.cloned() else { return Vec::new() };
    let (read, document) = (Arc::clone(evidence), evidence.document.len());
    let all = Arc::clone(&policy);
    let found = offload::document(document, move || denied(&read, &policy)).await;
    found.unwrap_or_else(|| all.deny_list().digests().map(|(digest, _)| digest.clone()).collect())
}

/// What in `evidence` connects it to the image `id`.
pub(super) enum Link {
    /// It leads to the image.
    Leads,
    /// The manifests that the document lists and that may have the configuration: at most `most`, each of at most
    /// `size` bytes.
    Listed(Vec<IndexEntry>),
}

/// See [`Link`]; no manifest is listed where the image does not follow from the document.
pub(super) async fn link(evidence: &Arc<Evidence>, id: &Digest, (most, size): (usize, u64)) -> Option<Link> {
    let (read, id) = (Arc::clone(evidence), id.clone());
    let find = move || {
        if leads_to(&read, &id) {
            return Link::Leads;
        }
        let listed = match parse_refs(&read.document, &read.media_type) {
            Ok(ImageRefs::Index(listed)) => listed,
            _ => Vec::new(),
        };
        Link::Listed(listed.into_iter().filter(|listed| listed.size <= size).take(most).collect())
    };
    offload::document(evidence.bytes(), find).await
}

/// Whether `manifest` is the one that `listed` names and has the configuration `id`.
pub(super) async fn is_manifest_of(listed: &IndexEntry, manifest: &Bytes, id: &Digest) -> bool {
    let (listed, bytes, id) = (listed.clone(), manifest.clone(), id.clone());
    let check = move || lists(&[listed], &bytes, &id);
    offload::document(manifest.len(), check).await.unwrap_or(false)
}

/// Whether `manifest` is listed and has the configuration `id`. It is hashed once, however many entries have its size.
fn lists(listed: &[IndexEntry], manifest: &[u8], id: &Digest) -> bool {
    let size = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
    let digests = ContentDigests::of(manifest);
    let own = listed.iter().find(|listed| listed.size == size && digests.has(&listed.digest));
    let found = own.and_then(|listed| parse_refs(manifest, &listed.media_type).ok());
    matches!(found, Some(ImageRefs::Image(config)) if config == *id)
}
