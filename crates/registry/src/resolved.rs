//! What a reference resolved to.

use bytes::Bytes;

use super::error::RegistryError;
use super::manifest::{Descriptor, ManifestKind, is_index, parsed};
use super::platform::Platform;
use pullgate_core::digest::Digest;

/// What a reference resolved to. Only [`super::Registry::resolve`] makes one: the digest was computed from the bytes.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    pub(super) index: bool,
    pub(super) host: String,
    pub(super) warnings: Vec<String>,
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

    /// Warnings about the host configuration of this registry; see [`super::Registry::warnings`].
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
        self.children(move |children| image_of(&digest, &children, &platform)).await?
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
fn image_of(digest: &Digest, children: &[Descriptor], platform: &Platform) -> Result<Digest, RegistryError> {
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
            return Err(none(format!("lists another index for {wanted}, which is not supported")));
        }
        return Ok(first.digest.clone());
    }
    Err(none(format!("has no image for {platform}")))
}
