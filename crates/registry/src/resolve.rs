//! From a reference to the bytes of its manifest.

use bytes::Bytes;

use super::Registry;
use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::host_client::ApiResponse;
use super::hosts::Capability;
use super::manifest::{Descriptor, ManifestKind, ParsedManifest, is_index};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest, most_specific_error};
use super::platform::Platform;
use super::request_context::RequestContext;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Reference;
use pullgate_core::untrusted::excerpt;

/// What a reference resolved to. Only [`Registry::resolve`] makes one: the digest was computed from the bytes.
#[derive(Clone, Debug)]
pub struct Resolved {
    digest: Digest,
    media_type: String,
    bytes: Bytes,
    index: bool,
    host: String,
    warnings: Vec<String>,
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
    pub fn image_for(&self, platform: &Platform) -> Result<Digest, RegistryError> {
        if !self.is_index() {
            return Ok(self.digest().clone());
        }
        let none =
            |reason: String| RegistryError::Platform { what: format!("index {}", self.digest()), reason };
        let children = self.children()?;
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

    /// The digests that an index lists, for all platforms; empty for an image.
    ///
    /// # Errors
    /// Never for a document that was resolved.
    pub fn named(&self) -> Result<Vec<Digest>, RegistryError> {
        Ok(self.children()?.into_iter().map(|child| child.digest).collect())
    }

    fn children(&self) -> Result<Vec<Descriptor>, RegistryError> {
        let what = format!("manifest {}", self.digest());
        match ParsedManifest::parse(self.bytes(), Some(self.media_type()), &what)?.content {
            ManifestKind::Index(children) => Ok(children),
            ManifestKind::Manifest(_) => Ok(Vec::new()),
        }
    }
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
        let key = self.key("resolve", &[&reference.to_string()], credentials);
        let (registry, reference) = (self.clone(), reference.clone());
        let context = RequestContext::new(credentials.clone(), self.limits());
        let work = async move {
            let _permit = registry.inner.lookups.take(reference.repository().domain()).await?;
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
            warnings: self.warnings(repository.domain())?,
        })
    }
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
