//! cosign's classic layout: a manifest under the tag `sha256-<hex>.sig` with a layer for each signature.
//!
//! Source: `specs/SIGNATURE_SPEC.md` of cosign. Layers are identified by index: two signatures over one payload are two
//! layers with one digest.
//!
//! A payload without annotations is determined by repository and digest. It is built here, and fetched only if the layer
//! is another one: bytes with the digest and the size of the layer are the layer, wherever they come from.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::limits::Limits;
use super::super::mirrors::ask;
use super::budget::Budget;
use super::fetch::each;
use super::{
    ACCEPT_IMAGE, Algorithm, ApiRequest, Attachment, Bound, Capability, Collected, Descriptor, Digest,
    ManifestKind, ParsedManifest, RegistryError, Search, hashed, parsed,
};
use pullgate_core::signature::{CertificateAnnotations, usual_payloads};

/// The media type of a layer that is a simple-signing payload.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of a layer with the signature over its bytes.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The tag for signatures of `digest`; `None` for SHA-512, which does not fit in a tag.
#[must_use]
pub fn tag(digest: &Digest) -> Option<String> {
    match digest.algorithm() {
        Algorithm::Sha256 => Some(format!("sha256-{}.sig", digest.hex())),
        Algorithm::Sha512 => None,
    }
}

pub(super) async fn signatures(search: &Search<'_>) -> Collected {
    let mut collected = Collected::default();
    let Some(tag) = tag(search.digest) else { return collected };
    let Some(layers) = layers(search, &tag, &mut collected).await else { return collected };
    let limits = search.state.limits();
    let mut wanted: Vec<(String, Descriptor, String)> = Vec::new();
    let mut considered = 0;
    for (index, layer) in layers.into_iter().enumerate() {
        if layer.media_type != PAYLOAD {
            continue;
        }
        let place = format!("{tag} layer {index}");
        // Counted with or without a signature: each adds at least one problem to report.
        considered += 1;
        if considered > limits.signatures {
            let error = RegistryError::TooMany {
                bound: Bound::Signatures,
                what: "signatures",
                limit: limits.signatures,
            };
            collected.problem(&tag, error);
            break;
        }
        match layer.annotations.get(SIGNATURE) {
            Some(signature) => {
                let signature = signature.clone();
                wanted.push((place, layer, signature));
            }
            None => {
                let reason = format!("it has no annotation {SIGNATURE}");
                collected.problem(&place, RegistryError::Malformed { what: "layer".to_owned(), reason });
            }
        }
    }
    let payloads = payloads(search, &wanted, limits).await;
    for (place, layer, signature) in wanted {
        match payloads.get(&(layer.digest.clone(), layer.size)) {
            Some(Ok(payload)) => {
                let payload = payload.clone();
                let annotation = |name: &str| layer.annotations.get(name).map(String::as_str);
                let certificate = CertificateAnnotations::of(annotation).map(Arc::new);
                collected.attachments.push(Attachment::SimpleSigning {
                    place,
                    payload,
                    signature,
                    certificate,
                });
            }
            Some(Err(error)) => collected.problem(place, error.clone()),
            None => collected.problem(place, lost()),
        }
    }
    collected
}

/// The layers of a manifest of signatures or attestations. A failure is added to the problems, unless it is "not found".
pub(super) async fn layers(
    search: &Search<'_>,
    tag: &str,
    collected: &mut Collected,
) -> Option<Vec<Descriptor>> {
    let what = format!("manifest {tag}");
    let limit = search.state.limits().manifest_bytes;
    let request = ApiRequest::get(format!("manifests/{tag}"), Some(ACCEPT_IMAGE), what.clone(), limit);
    let answer = ask(search.state, search.repository, Capability::Resolve, &request, search.context).await;
    let read = match answer {
        Err(errors) => {
            collected.problems_of_hosts(tag, errors);
            return None;
        }
        Ok((answer, _)) => match hashed(&answer, None, &what).await {
            Ok(_) => parsed(&answer.body, answer.content_type(), &what, layers_of).await,
            Err(error) => Err(error),
        },
    };
    match read {
        Ok(Some(layers)) => Some(layers),
        Ok(None) => {
            let reason = "it is an index, but must be a manifest whose layers are signatures".to_owned();
            collected.problem(tag, RegistryError::Malformed { what, reason });
            None
        }
        Err(error) => {
            collected.problem(tag, error);
            None
        }
    }
}

/// The payloads; each is built or fetched once, however many signatures it has.
async fn payloads(
    search: &Search<'_>,
    wanted: &[(String, Descriptor, String)],
    limits: &Limits,
) -> HashMap<(Digest, u64), Result<Bytes, RegistryError>> {
    let budget = Budget::new(limits);
    let mut results = HashMap::new();
    let usual = || usual_payloads(search.image, search.digest).map(|payload| (Digest::of(&payload), payload));
    let usual: Vec<(Digest, Bytes)> = if wanted.is_empty() { Vec::new() } else { usual().collect() };
    let mut distinct: Vec<Descriptor> = Vec::new();
    for (_, layer, _) in wanted {
        let key = (layer.digest.clone(), layer.size);
        if results.contains_key(&key)
            || distinct.iter().any(|known| (&known.digest, known.size) == (&key.0, key.1))
        {
            continue;
        }
        // The budget is for what is kept; a layer above the limit of one payload fails without it.
        let is_small = layer.size <= limits.payload();
        let is_layer = |(digest, payload): &&(Digest, Bytes)| {
            *digest == layer.digest && u64::try_from(payload.len()) == Ok(layer.size)
        };
        match if is_small { budget.take(layer.size) } else { Ok(()) } {
            Ok(()) => match usual.iter().find(is_layer).filter(|_| is_small) {
                Some((_, payload)) => drop(results.insert(key, Ok(payload.clone()))),
                None => distinct.push(layer.clone()),
            },
            Err(error) => drop(results.insert(key, Err(error))),
        }
    }
    let fetch = search.fetch();
    let limit = (limits.payload(), Bound::Signature);
    let fetched = each(distinct.clone(), |layer| {
        let fetch = fetch.clone();
        async move { fetch.blob(&layer, limit).await }
    })
    .await;
    for (index, result) in fetched {
        if let Some(layer) = distinct.get(index) {
            results.insert((layer.digest.clone(), layer.size), result);
        }
    }
    results
}

/// The layers of a manifest; `None` for an index. Of their annotations, only the signature is needed.
fn layers_of(document: ParsedManifest) -> Option<Vec<Descriptor>> {
    let ManifestKind::Manifest(manifest) = document.content else { return None };
    let mut layers = manifest.layers;
    for layer in &mut layers {
        let used = |name: &str| name == SIGNATURE || CertificateAnnotations::NAMES.contains(&name);
        layer.annotations.retain(|name, _| used(name));
    }
    Some(layers)
}

fn lost() -> RegistryError {
    RegistryError::Lost
}
