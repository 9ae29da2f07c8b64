//! cosign's classic layout of attestations: a manifest under the tag `sha256-<hex>.att` with a layer for each DSSE envelope.
//!
//! Source: sigstore/cosign `pkg/oci/static/attestation.go` and `pkg/oci/remote/remote.go`. What the annotation `predicateType`
//! of a layer says is not signed, and not read.
//!
//! gcloud puts attestations of Binary Authorization there, too (`command_lib/container/binauthz/sigstore_image.py`). Those of
//! attestors have another payload type, by which they are told apart.

use std::sync::Arc;

use bytes::Bytes;
use pullgate_core::signature::attestation::ENVELOPE_MEDIA_TYPE;
use pullgate_core::signature::{CertificateAnnotations, MAX_GRAFEAS_BYTES, is_envelope};
use pullgate_net::offload;

use super::budget::Budget;
use super::classic::layers;
use super::fetch::each;
use super::{Algorithm, Attachment, Bound, Collected, Descriptor, RegistryError, Search, Wanted};

/// Maximum size of an attestation of an attestor.
pub(super) const MAX_GRAFEAS: u64 = MAX_GRAFEAS_BYTES as u64;

pub(super) async fn attestations(search: &Search<'_>) -> Collected {
    let mut collected = Collected::default();
    // SHA-512 does not fit in a tag.
    let Wanted { attestations, grafeas, .. } = search.wanted;
    if !(attestations || grafeas) || search.digest.algorithm() != Algorithm::Sha256 {
        return collected;
    }
    let tag = format!("sha256-{}.att", search.digest.hex());
    let Some(layers) = layers(search, &tag, &mut collected).await else { return collected };
    let limits = search.state.limits();
    let budget = Budget::new(limits);
    // Those of attestors are small.
    let may_count = |layer: &Descriptor| {
        layer.media_type == ENVELOPE_MEDIA_TYPE && (attestations || layer.size <= MAX_GRAFEAS)
    };
    let mut wanted: Vec<(usize, Descriptor)> =
        layers.into_iter().enumerate().filter(|(_, layer)| may_count(layer)).collect();
    if wanted.len() > limits.signatures {
        let (bound, limit) = (Bound::Signatures, limits.signatures);
        collected.problem(&tag, RegistryError::TooMany { bound, what: "attestations", limit });
        wanted.truncate(limit);
    }
    // Small ones first, so that large ones cannot use up the budget.
    wanted.sort_by_key(|(index, layer)| (layer.size, *index));
    let mut fetched: Vec<(String, Descriptor)> = Vec::new();
    for (index, layer) in wanted {
        let place = format!("{tag} layer {index}");
        // The budget is for what is fetched; a layer above the limit of one attestation fails without it.
        let fits = layer.size <= limits.attestation_max_size;
        match if fits { budget.take(layer.size) } else { Ok(()) } {
            Ok(()) => fetched.push((place, layer)),
            Err(error) => collected.problem(place, error),
        }
    }
    let (fetch, limit) = (search.fetch(), (limits.attestation_max_size, Bound::Attestation));
    let blobs = each(fetched.clone(), |(_, layer)| {
        let fetch = fetch.clone();
        async move { fetch.blob(&layer, limit).await }
    })
    .await;
    for (index, result) in blobs {
        let Some((place, layer)) = fetched.get(index) else { continue };
        let result = match result {
            Ok(document) if grafeas => is_of_attestor(&document).await.map(|found| (document, found)),
            other => other.map(|document| (document, false)),
        };
        match result {
            Ok((document, true)) => {
                collected.attachments.push(Attachment::Grafeas { place: place.clone(), document });
            }
            Ok(_) if !attestations => {}
            Ok((document, false)) => {
                let annotation = |name: &str| layer.annotations.get(name).map(String::as_str);
                let certificate = CertificateAnnotations::of(annotation).map(Arc::new);
                let place = place.clone();
                collected.attachments.push(Attachment::Attestation { place, document, certificate });
            }
            Err(error) => collected.problem(place, error),
        }
    }
    collected
}

/// Whether an envelope is of an attestor, rather than one with a statement.
///
/// # Errors
/// When the task that reads it is lost.
pub(super) async fn is_of_attestor(document: &Bytes) -> Result<bool, RegistryError> {
    let (bytes, document) = (document.len(), document.clone());
    offload::document(bytes, move || is_envelope(&document)).await.ok_or(RegistryError::Lost)
}
