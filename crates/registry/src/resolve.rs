//! From a reference to the bytes of its manifest.

use bytes::Bytes;

use super::Registry;
use super::credentials::Credentials;
use super::error::{Bound, RegistryError, remote};
use super::host_client::ApiResponse;
use super::hosts::Capability;
use super::manifest::{Descriptor, ManifestKind, ParsedManifest, is_index};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest, most_specific_error};
use super::platform::Platform;
use super::request_context::RequestContext;
use pullgate_core::digest::{ContentDigests, Digest};
use pullgate_core::reference::Reference;
use pullgate_net::memory::Share;
use pullgate_net::offload;

/// What a reference resolved to. Only [`Registry::resolve`] makes one: the digest was computed from the bytes.
#[derive(Clone, Debug)]
pub struct Resolved {
    digest: Digest,
    media_type: String,
    bytes: Bytes,
    index: bool,
    host: String,
    warnings: Vec<String>,
    share: Share,
}

impl Resolved {
    /// The digest of the bytes, which is that of the reference if it had one.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// One of the four media types of OCI and Docker images and indexes.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The document itself.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The memory of the lookup that read it, perhaps for several callers.
    #[must_use]
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Whether it is an index of images for several platforms.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.index
    }

    /// The host, with its port, that answered.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Warnings about the host configuration of this registry; see [`Registry::warnings`].
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The image for `platform`: the one that an index lists for it, or the image itself.
    ///
    /// The bytes of the index match [`Resolved::digest`], and it lists images by digest.
    ///
    /// # Errors
    /// When the index has no image for the platform, or more than one, or does not say what one of its images is for, or
    /// has another index for it.
    pub async fn image_for(&self, platform: &Platform) -> Result<Digest, RegistryError> {
        if !self.is_index() {
            return Ok(self.digest().clone());
        }
        let (digest, platform) = (self.digest().clone(), platform.clone());
        self.children(move |children| image_of(&digest, children, &platform)).await?
    }

    /// The digests among those that an index lists, for all platforms, that are `wanted`; empty for an image.
    ///
    /// # Errors
    /// Never for a document that was resolved.
    pub async fn named(
        &self,
        wanted: impl Fn(&Digest) -> bool + Send + 'static,
    ) -> Result<Vec<Digest>, RegistryError> {
        if !self.is_index() {
            return Ok(Vec::new());
        }
        let listed = |children: Vec<Descriptor>| children.into_iter().map(|child| child.digest);
        self.children(move |children| listed(children).filter(wanted).collect()).await
    }

    async fn children<T: Send + 'static>(
        &self,
        pick: impl FnOnce(Vec<Descriptor>) -> T + Send + 'static,
    ) -> Result<T, RegistryError> {
        let what = format!("manifest {}", self.digest());
        parsed(&self.bytes, Some(&self.media_type), &what, |document| {
            pick(match document.content {
                ManifestKind::Index(children) => children,
                ManifestKind::Manifest(_) => Vec::new(),
            })
        })
        .await
    }
}

/// The image for `platform` among the `children` of the index `digest`.
fn image_of(
    digest: &Digest,
    children: Vec<Descriptor>,
    platform: &Platform,
) -> Result<Digest, RegistryError> {
    let none = |reason: String| RegistryError::Platform { what: format!("index {digest}"), reason };
    if children.iter().any(|child| child.platform.is_none()) {
        return Err(none("does not say which platform each of its images is for".to_owned()));
    }
    for wanted in platform.runnable() {
        let mut matching = children.iter().filter(|child| child.platform.as_ref() == Some(&wanted));
        let Some(first) = matching.next() else { continue };
        if matching.any(|other| other.digest != first.digest) {
            return Err(none(format!("has more than one image for {wanted}")));
        }
        if is_index(&first.media_type) {
            return Err(none(format!("has another index for {wanted}")));
        }
        return Ok(first.digest.clone());
    }
    Err(none(format!("has no image for {platform}")))
}

impl Registry {
    /// Fetches the manifest or index of a reference, and hashes it.
    ///
    /// The hosts are those that containerd uses for the same reference: for a tag those with the capability to resolve, for
    /// a digest those to pull from. Equal lookups at the same time, with equal credentials, share one request. There is no
    /// HEAD, and the header `Docker-Content-Digest` can only make it fail.
    ///
    /// # Errors
    /// When no host has it, or the first answer is not unambiguously an image.
    pub async fn resolve(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Resolved, RegistryError> {
        self.resolve_for(&self.memory().share(), reference, credentials).await
    }

    /// As [`Registry::resolve`], with the memory of one lookup.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub async fn resolve_for(
        &self,
        share: &Share,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Resolved, RegistryError> {
        let key = self.key("resolve", &[&reference.to_string()], credentials);
        let (registry, reference) = (self.clone(), reference.clone());
        let context = RequestContext::new(credentials.clone(), self.limits(), share.clone());
        let work = async move {
            context.begin_turn(registry.inner.lookups.take(reference.repository().domain()).await?);
            // Boxed, so that futures that wait for a permit are small.
            Box::pin(registry.resolve_now(&reference, &context)).await
        };
        self.inner.resolving.join(key, work).await.unwrap_or(Err(RegistryError::Lost))
    }

    async fn resolve_now(
        &self,
        reference: &Reference,
        context: &RequestContext,
    ) -> Result<Resolved, RegistryError> {
        let repository = reference.repository();
        let (need, name) = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => (Capability::Pull, digest.to_string()),
            (None, tag) => (Capability::Resolve, tag.unwrap_or("latest").to_owned()),
        };
        let what = format!("manifest {name}");
        let limit = self.limits().manifest_bytes;
        let request = ApiRequest::get(format!("manifests/{name}"), Some(ACCEPT_IMAGE), what.clone(), limit);
        let (answer, host) =
            self.ask(repository, need, &request, context).await.map_err(most_specific_error)?;
        let digest = hashed(&answer, reference.digest(), &what).await?;
        let kind = |document: ParsedManifest| {
            (document.media_type, matches!(document.content, ManifestKind::Index(_)))
        };
        let (media_type, index) = parsed(&answer.body, answer.content_type(), &what, kind).await?;
        if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > limit {
            return Err(RegistryError::TooLarge { bound: Bound::Manifest, what, limit });
        }
        Ok(Resolved {
            digest,
            media_type,
            bytes: answer.body,
            index,
            host: host.authority,
            warnings: self.warnings(repository.domain())?,
            share: context.share.clone(),
        })
    }
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
            return Err(RegistryError::HeaderMismatch { what, header: remote(claim), found });
        }
    }
    Ok(expected.unwrap_or(found))
}

/// What `pick` takes from the document `body`, which is parsed on a thread of its own if it is large. Only what is picked
/// stays in memory.
pub(super) async fn parsed<T: Send + 'static>(
    body: &Bytes,
    media_type: Option<&str>,
    what: &str,
    pick: impl FnOnce(ParsedManifest) -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let (document, media_type, what) = (body.clone(), media_type.map(str::to_owned), what.to_owned());
    let parse = move || ParsedManifest::parse(&document, media_type.as_deref(), &what).map(pick);
    offload::document(body.len(), parse).await.unwrap_or(Err(RegistryError::Lost))
}
