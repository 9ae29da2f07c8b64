//! From a reference to the bytes of its manifest.

use std::sync::Arc;

use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::host_client::ApiResponse;
use super::hosts::Capability;
use super::manifest::{ManifestKind, ParsedManifest};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest, ask, most_specific_error};
use super::request_context::RequestContext;
use super::resolved::Resolved;
use super::state::RegistryState;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Reference;
use pullgate_core::untrusted::excerpt;

/// As [`super::Registry::resolve`].
pub(super) async fn resolve(
    state: &Arc<RegistryState>,
    reference: &Reference,
    credentials: &Credentials,
) -> Result<Resolved, RegistryError> {
    let key = state.key("resolve", &[&reference.to_string()], credentials);
    let (shared, reference) = (Arc::clone(state), reference.clone());
    let context = RequestContext::new(credentials.clone(), state.limits());
    let work = async move {
        let _permit = shared.lookups.take(reference.repository().domain()).await?;
        // Boxed, so that futures that wait for a permit are small.
        Box::pin(resolve_now(&shared, &reference, &context)).await
    };
    state.resolving.join(key, work).await.unwrap_or(Err(RegistryError::Lost))
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
    let digest = hashed(&answer, reference.digest(), &what)?;
    let document = ParsedManifest::parse(&answer.body, answer.content_type(), &what)?;
    document.reject_nested(&what)?;
    let index = matches!(document.content, ManifestKind::Index(_));
    if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > limit {
        return Err(RegistryError::TooLarge { bound: Bound::Manifest, what, limit });
    }
    Ok(Resolved {
        digest,
        media_type: document.media_type,
        bytes: answer.body,
        index,
        host: host.authority,
        warnings: state.warnings(repository.domain())?,
    })
}

/// The digest of a response body, which must be the requested one, and match the registry's header.
pub(super) fn hashed(
    answer: &ApiResponse,
    expected: Option<&Digest>,
    what: &str,
) -> Result<Digest, RegistryError> {
    let found = Digest::of(&answer.body);
    if let Some(expected) = expected
        && !expected.matches(&answer.body)
    {
        return Err(RegistryError::DigestMismatch {
            what: what.to_owned(),
            expected: expected.clone(),
            found,
        });
    }
    for header in answer.headers.get_all("docker-content-digest") {
        // A registry may use any algorithm; an unknown one is ignored.
        let claim = header.to_str().unwrap_or_default();
        let known = claim.starts_with("sha256:") || claim.starts_with("sha512:");
        let holds = Digest::parse(claim).is_ok_and(|claimed| claimed.matches(&answer.body));
        if known && !holds {
            return Err(RegistryError::HeaderMismatch {
                what: what.to_owned(),
                header: excerpt(claim),
                found,
            });
        }
    }
    Ok(expected.cloned().unwrap_or(found))
}
