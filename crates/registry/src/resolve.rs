//! From a reference to the bytes of its manifest.

use std::sync::Arc;

use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::host_client::ApiResponse;
use super::hosts::Capability;
use super::manifest::{ManifestKind, ParsedManifest, parsed};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest, ask, most_specific_error};
use super::request_context::RequestContext;
use super::resolved::Resolved;
use super::state::RegistryState;
use pullgate_core::digest::{ContentDigests, Digest};
use pullgate_core::reference::Reference;
use pullgate_core::untrusted::excerpt;
use pullgate_net::memory::Share;
use pullgate_net::offload;

/// As [`super::Registry::resolve`].
pub(super) async fn resolve(
    state: &Arc<RegistryState>,
    share: &Share,
    reference: &Reference,
    credentials: &Credentials,
) -> Result<Resolved, RegistryError> {
    // What a digest names does not depend on the tag that is written beside it.
    let name = reference.digest().map_or_else(|| reference.clone(), |digest| reference.with_digest(digest));
    let key = state.key("resolve", &[&name.to_string()], credentials);
    let (shared, reference) = (Arc::clone(state), reference.clone());
    let context = RequestContext::new(credentials.clone(), state.limits(), share.clone());
    let work = async move {
        context.begin_turn(shared.lookups.take(reference.repository().domain()).await?);
        // Boxed, so that futures that wait for a permit are small.
        Box::pin(resolve_now(&shared, &reference, &context)).await
    };
    state.resolving.join_in(share, key, work).await.unwrap_or(Err(RegistryError::Lost))
}

async fn resolve_now(
    state: &RegistryState,
    reference: &Reference,
    context: &RequestContext,
) -> Result<Resolved, RegistryError> {
    let repository = reference.repository();
    let (need, name) = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => (Capability::Pull, digest.to_string()),
        (None, tag) => (Capability::Resolve, tag.unwrap_or("latest").to_owned()),
    };
    let what = format!("manifest {name}");
    let limit = state.limits().manifest_bytes;
    let request = ApiRequest::get(format!("manifests/{name}"), Some(ACCEPT_IMAGE), what.clone(), limit);
    let (answer, host) =
        ask(state, repository, need, &request, context).await.map_err(most_specific_error)?;
    let digest = hashed(&answer, reference.digest(), &what).await?;
    let name = what.clone();
    let kind = move |document: ParsedManifest| {
        document.reject_nested(&name)?;
        Ok::<_, RegistryError>((document.media_type, matches!(document.content, ManifestKind::Index(_))))
    };
    let (media_type, index) = parsed(&answer.body, answer.content_type(), &what, kind).await??;
    if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > limit {
        return Err(RegistryError::TooLarge { bound: Bound::Manifest, what, limit });
    }
    Ok(Resolved {
        digest,
        media_type,
        bytes: answer.body,
        index,
        host: host.authority,
        warnings: state.warnings(repository.domain())?,
    })
}

/// The digest of a response body, which must be the requested one, and match the registry's header.
pub(super) async fn hashed(
    answer: &ApiResponse,
    expected: Option<&Digest>,
    what: &str,
) -> Result<Digest, RegistryError> {
    let claims = answer.headers.get_all("docker-content-digest").iter();
    let claims: Vec<String> = claims.map(|header| header.to_str().unwrap_or_default().to_owned()).collect();
    let (body, expected, what) = (answer.body.clone(), expected.cloned(), what.to_owned());
    let check = move || check_digests(&body, &claims, expected, what);
    offload::document(answer.body.len(), check).await.unwrap_or(Err(RegistryError::Lost))
}

/// The digest of `body`: `expected`, if there is one, and not against what the registry `claims`.
fn check_digests(
    body: &[u8],
    claims: &[String],
    expected: Option<Digest>,
    what: String,
) -> Result<Digest, RegistryError> {
    let digests = ContentDigests::of(body);
    let found = digests.sha256().clone();
    if let Some(expected) = expected.clone().filter(|expected| !digests.has(expected)) {
        return Err(RegistryError::DigestMismatch { what, expected, found });
    }
    for claim in claims {
        // A registry may use any algorithm; an unknown one is ignored.
        let known = claim.starts_with("sha256:") || claim.starts_with("sha512:");
        if known && !Digest::parse(claim).is_ok_and(|claimed| digests.has(&claimed)) {
            return Err(RegistryError::HeaderMismatch { what, header: excerpt(claim), found });
        }
    }
    Ok(expected.unwrap_or(found))
}
