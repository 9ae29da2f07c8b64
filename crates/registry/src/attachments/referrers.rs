//! Sigstore bundles and envelopes of the Notary Project as OCI referrers.
//!
//! Sources: the distribution specification 1.1, "Listing Referrers"; `GetBundles` in `pkg/cosign/verify.go` of cosign. What
//! an index says about a referrer is a hint: cosign 3.1.1 and GHCR write `application/vnd.oci.empty.v1+json` as its
//! artifact type. So each referrer's own manifest is read.

use std::collections::BTreeMap;

use pullgate_core::signature::attestation::ENVELOPE_MEDIA_TYPE;
use pullgate_core::signature::{EnvelopeType, Format, NOTATION_ARTIFACT_TYPE, NOTATION_MEDIA_TYPES};
use reqwest::Url;

use super::super::host_client::ApiResponse;
use super::super::host_request::HostRequest;
use super::super::hosts::Host;
use super::super::limits::{Limits, REFERRER_MANIFEST};
use super::super::manifest::{Manifest, OCI_INDEX};
use super::super::mirrors::{ask, hosts};
use super::budget::Budget;
use super::envelopes::{MAX_GRAFEAS, is_of_attestor};
use super::fetch::{Fetch, each};
use super::{
    ACCEPT_IMAGE, ApiRequest, Attachment, BUNDLE, Bound, Capability, Collected, Descriptor, Digest, HashSet,
    ManifestKind, OCI_MANIFEST, ParsedManifest, RegistryError, Search, Unfetched, Wanted, fallback_tag,
    parsed,
};

/// The longest media type that is compared, in bytes (RFC 6838: 127 on each side of the slash).
const MAX_TYPE_BYTES: usize = 255;

/// Replaces a longer type; it is not the type of any signature.
const OTHER: &str = "other";

enum Page {
    /// The registry has no referrers API.
    Unsupported,
    IndexEntry {
        referrers: Vec<Descriptor>,
        next: Option<String>,
    },
}

pub(super) async fn bundles(search: &Search<'_>) -> Collected {
    let (listed, tagged) = tokio::join!(listed(search), tagged(search));
    let mut found = listed.referrers;
    found.extend(tagged.referrers);
    let mut collected = listed.collected;
    collected.add(tagged.collected);
    let limits = search.state.limits();
    let mut seen = HashSet::new();
    found.retain(|referrer| referrer.media_type == OCI_MANIFEST && seen.insert(referrer.digest.clone()));
    // The hint only decides the order, for the limit below. cosign 3.1.1 declares its bundles as "empty", so a declared
    // bundle does not come before those.
    found.sort_by_key(|referrer| match referrer.artifact_type.as_deref() {
        None | Some("application/vnd.oci.empty.v1+json") => 0,
        Some(hint) if hint.starts_with(BUNDLE) => 0,
        Some(NOTATION_ARTIFACT_TYPE) if search.wanted.notation => 0,
        Some(_) => 1,
    });
    if found.len() > limits.referrers {
        if collected.exceeded().is_none() {
            collected.problem("referrers", too_many(limits));
        }
        found.truncate(limits.referrers);
    }
    fetch_bundles(search, found, &mut collected).await;
    collected
}

async fn fetch_bundles(search: &Search<'_>, found: Vec<Descriptor>, collected: &mut Collected) {
    let limits = search.state.limits();
    let bound = limits.manifest_bytes.min(REFERRER_MANIFEST);
    let (fetch, subject, kinds) = (search.fetch(), search.digest.clone(), search.wanted);
    let layers = each(found.clone(), |referrer| {
        let (fetch, subject) = (fetch.clone(), subject.clone());
        async move { signature_layer(&fetch, &referrer, (&subject, kinds), bound).await }
    })
    .await;
    let budget = Budget::new(limits);
    // A bundle is a signature or an attestation: only its content shows which.
    let limit = match search.wanted.attestations {
        true => (limits.signature_max_size.max(limits.attestation_max_size), Bound::Attestation),
        false => (limits.signature_max_size, Bound::Signature),
    };
    let mut wanted: Vec<(String, Descriptor, Format)> = Vec::new();
    let mut layers = layers;
    // Bundles are small: sorted by size, so that large layers cannot use up the budget.
    layers.sort_by_key(|(index, result)| match result {
        Ok(Some((layer, _))) => (layer.size, *index),
        _ => (0, *index),
    });
    for (index, result) in layers {
        let Some(referrer) = found.get(index) else { continue };
        let place = format!("referrer {}", referrer.digest);
        match result {
            Ok(None) => {}
            Ok(Some((_, format))) if !kinds.has(format) => {
                collected.unfetched.push(Unfetched { place, format });
            }
            Ok(Some(_)) if wanted.len() >= limits.signatures => {
                let error = RegistryError::TooMany {
                    bound: Bound::Signatures,
                    what: "bundles",
                    limit: limits.signatures,
                };
                collected.problem("referrers", error);
                break;
            }
            Ok(Some((layer, format))) => {
                // The budget is for what is fetched; a layer above the limit of one bundle fails without it.
                let reserved = if layer.size <= limit.0 { budget.take(layer.size) } else { Ok(()) };
                match reserved {
                    Ok(()) => wanted.push((place, layer, format)),
                    Err(error) => collected.problem(place, error),
                }
            }
            Err(error) => collected.problem(place, error),
        }
    }
    let blobs = each(wanted.clone(), |(_, layer, _)| {
        let fetch = fetch.clone();
        async move { fetch.blob(&layer, limit).await }
    })
    .await;
    for (index, result) in blobs {
        let Some((place, layer, format)) = wanted.get(index) else { continue };
        match result {
            Ok(document) => {
                let place = place.clone();
                if *format == Format::Notation && EnvelopeType::of(&document).media_type() != layer.media_type
                {
                    collected.mislabelled.push(place.clone());
                }
                let is_wanted = match format {
                    // An envelope with a statement is no signature.
                    Format::Grafeas => is_of_attestor(&document).await,
                    _ => Ok(true),
                };
                match is_wanted {
                    Ok(true) => collected.attachments.push(match format {
                        Format::Notation => Attachment::Notation { place, document },
                        Format::Grafeas => Attachment::Grafeas { place, document },
                        _ => Attachment::Bundle { place, document },
                    }),
                    Ok(false) => {}
                    Err(error) => collected.problem(place, error),
                }
            }
            Err(error) => collected.problem(place, error),
        }
    }
}

/// The referrers API of the first host that has it.
async fn listed(search: &Search<'_>) -> Listing {
    let mut tried = 0;
    loop {
        let listing = listed_once(search).await;
        let transient = listing.referrers.is_empty()
            && listing.collected.problems.iter().any(|problem| problem.error.is_transient());
        if !transient || !search.context.wait_for_retry(tried).await {
            return listing;
        }
        tried += 1;
    }
}

async fn listed_once(search: &Search<'_>) -> Listing {
    let mut listing = Listing::default();
    let hosts = match hosts(search.state, search.repository, search.context.need(Capability::Pull)) {
        Ok(hosts) => hosts,
        Err(error) => {
            listing.collected.problem("referrers", error);
            return listing;
        }
    };
    for host in hosts {
        match listed_by(search, &host, &mut listing).await {
            // The answer of one host is enough, as for a document: the failure of a mirror before it hides nothing.
            Ok(()) => listing.collected = listing.collected.hiding_nothing(),
            Err(error) => listing.collected.problem("referrers", error),
        }
        if !listing.referrers.is_empty() {
            break;
        }
    }
    listing
}

async fn listed_by(search: &Search<'_>, host: &Host, listing: &mut Listing) -> Result<(), RegistryError> {
    let limits = search.state.limits();
    let what = "referrers".to_owned();
    let request =
        ApiRequest::get(format!("referrers/{}", search.digest), Some(OCI_INDEX), what, limits.manifest_bytes);
    let mut ask = request.to(host, search.repository);
    let mut requested = HashSet::new();
    for _ in 0..limits.referrer_pages {
        requested.insert(ask.target.clone());
        let Page::IndexEntry { referrers, next } = page(search, host, &ask, limits).await? else {
            return Ok(());
        };
        listing.referrers.extend(referrers);
        if listing.referrers.len() > limits.referrers {
            return Err(too_many(limits));
        }
        let Some(next) = next else { return Ok(()) };
        if requested.contains(&next) {
            return Err(malformed("its pages form a loop"));
        }
        ask.target = next;
    }
    Err(RegistryError::TooMany {
        bound: Bound::Pages,
        what: "pages of referrers",
        limit: limits.referrer_pages,
    })
}

async fn page(
    search: &Search<'_>,
    host: &Host,
    ask: &HostRequest,
    limits: &Limits,
) -> Result<Page, RegistryError> {
    let answer = match search.state.host_client.send(host, ask, search.context).await {
        Ok(answer) => answer,
        Err(
            RegistryError::NotFound { .. }
            | RegistryError::Status { status: 400 | 405 | 406 | 410 | 501, .. },
        ) => {
            return Ok(Page::Unsupported);
        }
        Err(error) => return Err(error),
    };
    // A registry without the API may answer with an HTML page.
    if answer.content_type() != Some(OCI_INDEX) {
        return Ok(Page::Unsupported);
    }
    let most = limits.referrers.saturating_add(1);
    let listed = move |document| listed_in(document, most);
    let referrers = parsed(&answer.body, answer.content_type(), &ask.what, listed).await?;
    let Some(referrers) = referrers else { return Ok(Page::Unsupported) };
    Ok(Page::IndexEntry { referrers, next: next_page(&answer)? })
}

/// The fallback tag of the referrers API.
async fn tagged(search: &Search<'_>) -> Listing {
    let mut listing = Listing::default();
    let tag = fallback_tag(search.digest);
    let what = format!("index {tag}");
    let limit = search.state.limits().manifest_bytes;
    let request = ApiRequest::get(format!("manifests/{tag}"), Some(ACCEPT_IMAGE), what.clone(), limit);
    match ask(search.state, search.repository, Capability::Resolve, &request, search.context).await {
        Err(errors) => {
            listing.collected.problems_of_hosts(&tag, errors);
        }
        Ok((answer, _)) => {
            let limits = search.state.limits();
            let most = limits.referrers.saturating_add(1);
            let (body, digest) = (answer.body.clone(), search.digest.clone());
            // A registry may show the image itself under this tag, as GitLab.
            let listed = move |document| if digest.matches(&body) { None } else { listed_in(document, most) };
            match parsed(&answer.body, answer.content_type(), &what, listed).await {
                Ok(Some(mut referrers)) => {
                    if referrers.len() > limits.referrers {
                        listing.collected.problem(&tag, too_many(limits));
                        referrers.truncate(limits.referrers);
                    }
                    listing.referrers = referrers;
                }
                // "If the response is not an index, there are no referrers": an unrelated tag of the same name.
                Ok(None) => {}
                Err(error) => listing.collected.problem(&tag, error),
            }
        }
    }
    listing
}

/// Referrers as an index lists them, and in `collected` the problems that make the list incomplete.
#[derive(Default)]
struct Listing {
    referrers: Vec<Descriptor>,
    collected: Collected,
}

/// The first `most` referrers of an index; `None` for another document. What a search does not use is dropped: the index
/// of an attacker may be as large as a manifest may be, and its list outlives its bytes.
fn listed_in(document: ParsedManifest, most: usize) -> Option<Vec<Descriptor>> {
    let ManifestKind::Index(mut referrers) = document.content else { return None };
    referrers.truncate(most);
    referrers.shrink_to_fit();
    for referrer in &mut referrers {
        referrer.annotations.clear();
        for text in std::iter::once(&mut referrer.media_type).chain(&mut referrer.artifact_type) {
            if text.len() > MAX_TYPE_BYTES {
                *text = OTHER.to_owned();
            }
        }
    }
    Some(referrers)
}

/// The layer of a referrer with a signature, and its format, or `None` when the referrer is something else.
async fn signature_layer(
    fetch: &Fetch,
    referrer: &Descriptor,
    (subject, kinds): (&Digest, Wanted),
    limit: u64,
) -> Result<Option<(Descriptor, Format)>, RegistryError> {
    let ManifestKind::Manifest(manifest) = fetch.manifest(referrer, limit).await?.content else {
        return Ok(None);
    };
    let [layer] = manifest.layers.as_slice() else { return Ok(None) };
    let format = if layer.media_type.starts_with(BUNDLE) {
        Format::Bundle
    } else if is_notation(&manifest, layer) {
        Format::Notation
    } else if layer.media_type == ENVELOPE_MEDIA_TYPE && kinds.grafeas && layer.size <= MAX_GRAFEAS {
        Format::Grafeas
    } else {
        return Ok(None);
    };
    let layer = || Descriptor { annotations: BTreeMap::new(), ..layer.clone() };
    match manifest.subject {
        Some(found) if found.digest == *subject => Ok(Some((layer(), format))),
        _ if !kinds.has(format) => Ok(None),
        _ => Err(RegistryError::Malformed {
            what: format!("manifest {}", referrer.digest),
            reason: "its `subject` names another digest".to_owned(),
        }),
    }
}

/// Whether a manifest is a signature of the Notary Project: notation writes the type into the config, and newer releases as
/// the artifact type (`registry/repository.go` of notation-go). Signatures of dm-verity have another type.
fn is_notation(manifest: &Manifest, layer: &Descriptor) -> bool {
    let kind = manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type);
    kind == NOTATION_ARTIFACT_TYPE && NOTATION_MEDIA_TYPES.contains(&layer.media_type.as_str())
}

/// The target of the header Link with `rel="next"` (RFC 8288), which must be on the host that sent it.
pub(crate) fn next_page(answer: &ApiResponse) -> Result<Option<String>, RegistryError> {
    for header in answer.headers.get_all(http::header::LINK) {
        for link in header.to_str().unwrap_or_default().split(',') {
            let Some((target, parameters)) =
                link.trim().strip_prefix('<').and_then(|link| link.split_once('>'))
            else {
                continue;
            };
            let is_next = parameters.split(';').any(|parameter| {
                let parameter = parameter.trim();
                parameter.eq_ignore_ascii_case("rel=next") || parameter.eq_ignore_ascii_case("rel=\"next\"")
            });
            if !is_next {
                continue;
            }
            let next =
                answer.url.join(target).map_err(|_| malformed("the link to its next page is not a URL"))?;
            if next.origin() != answer.url.origin() {
                return Err(malformed("its next page is on another host"));
            }
            return Ok(Some(path_and_query(&next)));
        }
    }
    Ok(None)
}

pub(super) fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn malformed(reason: &str) -> RegistryError {
    RegistryError::Malformed { what: "referrers".to_owned(), reason: reason.to_owned() }
}

fn too_many(limits: &Limits) -> RegistryError {
    RegistryError::TooMany { bound: Bound::Referrers, what: "referrers", limit: limits.referrers }
}
