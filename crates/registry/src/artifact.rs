//! An artifact with one layer under a tag, such as a policy that nodes follow: its manifest, if it has changed, and its layer.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ETAG, IF_NONE_MATCH};

use super::attachments::Fetch;
use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::hosts::Capability;
use super::manifest::{Descriptor, ManifestKind, OCI_MANIFEST, ParsedManifest, parsed};
use super::mirrors::{ApiRequest, ask, most_specific_error};
use super::request_context::RequestContext;
use super::resolve::hashed;
use super::state::RegistryState;
use pullgate_core::digest::Digest;
use pullgate_core::reference::{Reference, Repository};

/// The most bytes of such a manifest.
const MANIFEST_BYTES: u64 = 64 << 10;

/// The manifest of an artifact with one layer.
#[derive(Clone, Debug)]
pub struct Artifact {
    digest: Digest,
    layer: Descriptor,
    etag: Option<HeaderValue>,
}

impl Artifact {
    /// The digest of the manifest, computed from its bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The size of the layer in bytes, as the manifest has it.
    #[must_use]
    pub fn layer_bytes(&self) -> u64 {
        self.layer.size
    }

    /// The header ETag of the response: with it, an unchanged artifact is not sent again.
    #[must_use]
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.etag.as_ref()
    }
}

/// As [`super::Registry::artifact`].
pub(super) async fn artifact(
    state: &Arc<RegistryState>,
    reference: &Reference,
    credentials: &Credentials,
    (media_type, seen): (&str, Option<&HeaderValue>),
) -> Result<Option<Artifact>, RegistryError> {
    let repository = reference.repository();
    let (need, name) = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => (Capability::Pull, digest.to_string()),
        (None, tag) => (Capability::Resolve, tag.unwrap_or("latest").to_owned()),
    };
    let what = format!("manifest {name}");
    let mut request =
        ApiRequest::get(format!("manifests/{name}"), Some(OCI_MANIFEST), what.clone(), MANIFEST_BYTES);
    request.condition = seen.map(|etag| (IF_NONE_MATCH, etag.clone()));
    let context = context(state, repository, credentials).await?;
    let (answer, _) = ask(state, repository, need, &request, &context).await.map_err(most_specific_error)?;
    if answer.is_unchanged {
        return Ok(None);
    }
    let digest = hashed(&answer, reference.digest(), &what).await?;
    let layers = |document: ParsedManifest| match document.content {
        ManifestKind::Manifest(manifest) => manifest.layers,
        ManifestKind::Index(_) => Vec::new(),
    };
    let layers = parsed(&answer.body, answer.content_type(), &what, layers).await?;
    match <[Descriptor; 1]>::try_from(layers) {
        Ok([layer]) if layer.media_type == media_type => {
            Ok(Some(Artifact { digest, layer, etag: answer.headers.get(ETAG).cloned() }))
        }
        _ => {
            let reason = format!("it is not an artifact with one layer of type {media_type}");
            Err(RegistryError::Malformed { what, reason })
        }
    }
}

/// As [`super::Registry::artifact_layer`].
pub(super) async fn layer(
    state: &Arc<RegistryState>,
    repository: &Repository,
    credentials: &Credentials,
    (artifact, limit): (&Artifact, u64),
) -> Result<Bytes, RegistryError> {
    let context = context(state, repository, credentials).await?;
    let fetch = Fetch { state: Arc::clone(state), repository: repository.clone(), context };
    fetch.blob(&artifact.layer, (limit, Bound::Manifest)).await
}

async fn context(
    state: &RegistryState,
    repository: &Repository,
    credentials: &Credentials,
) -> Result<RequestContext, RegistryError> {
    let context = RequestContext::new(credentials.clone(), state.limits(), state.share(repository));
    context.begin_turn(state.lookups.take(repository.domain()).await?);
    Ok(context)
}
