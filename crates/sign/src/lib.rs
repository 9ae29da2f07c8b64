//! Signs images and attaches the signatures where verifiers look for them.
//!
//! [`sign`] handles one digest in one or both of cosign's layouts, adds nothing that exists already, and preserves
//! signatures that others add at the same time.

mod advice;
mod annotations;
mod bundle;
mod classic;
mod layout;
mod update;

use std::time::Duration;

pub use annotations::{AnnotationError, Annotations, MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS};
pub use layout::{Layout, UnknownLayout};

use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_core::trust::PublicKey;
use pullgate_keys::{KeysError, SigningKey};
use pullgate_registry::{Credentials, Registry, RegistryError, Stored, Target};

/// The default of [`SignRequest::recheck_delay`].
pub const RECHECK_DELAY: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
pub struct SignRequest<'a> {
    /// The repository of the image and of its signatures.
    pub repository: &'a Repository,
    /// The digest of the manifest or index, which must exist in the registry.
    pub digest: &'a Digest,
    /// The layout of the signature.
    pub layout: Layout,
    pub annotations: &'a Annotations,
    /// The credentials for reading and writing.
    pub credentials: &'a Credentials,
    /// How long to wait before reading a tag again that another signer may have overwritten: longer than others need
    /// between reading and writing. With zero it is read at once, which is enough without other signers; signers that share
    /// a [`Registry`] do not conflict.
    pub recheck_delay: Duration,
}

/// The signatures of one request.
#[derive(Clone, Debug)]
pub struct Signed {
    /// One per layout, classic first.
    pub attached: Vec<Attached>,
}

impl Signed {
    /// Whether any signature was added.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.attached.iter().any(|attached| attached.added)
    }
}

/// A signature in the registry.
#[derive(Clone, Debug)]
pub struct Attached {
    /// [`Layout::Classic`] or [`Layout::Bundle`].
    pub layout: Layout,
    /// The tag of the signature; `None` where the registry itself lists referrers.
    pub tag: Option<String>,
    /// The digest of the signature's manifest.
    pub manifest: Digest,
    /// Whether it was added; otherwise this key had signed the same before.
    pub added: bool,
}

/// Signs a digest with `key`, unless the key has signed it with the same annotations already.
///
/// As for cosign, a signature of the same key with other annotations is another signature.
///
/// # Errors
/// When the registry does not have the digest or fails, the key does not sign, or the limit of signatures is reached. With
/// both layouts one may have been attached; signing again is always safe.
pub async fn sign(
    registry: &Registry,
    request: &SignRequest<'_>,
    key: &SigningKey,
) -> Result<Signed, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *request;
    sign_found(registry, request, key, async {
        let found =
            registry.writer(repository, credentials).get_manifest_optional(Target::Digest(digest)).await?;
        found.ok_or_else(|| SignError::NoImage { repository: repository.clone(), digest: digest.clone() })
    })
    .await
}

/// As [`sign`], with `image` fetching the manifest, whose digest must be the request's. Existing signatures are read
/// meanwhile; nothing is signed or written before `image` succeeds.
///
/// # Errors
/// Those of `image`, which take precedence, and of [`sign`].
pub async fn sign_found<E: From<SignError>>(
    registry: &Registry,
    request: &SignRequest<'_>,
    key: &SigningKey,
    image: impl Future<Output = Result<Stored, E>>,
) -> Result<Signed, E> {
    let SignRequest { repository, digest, layout, .. } = *request;
    // Two concurrent requests for the same signature add it once.
    let lock = registry.lock_tag(repository, &format!("{digest} {}", key.public().fingerprint())).await;
    let _lock = lock.map_err(SignError::from)?;
    let classic = async {
        if layout == Layout::Bundle { Ok(None) } else { classic::seen(registry, request).await.map(Some) }
    };
    let bundle = async {
        if layout == Layout::Classic {
            return Ok(None);
        }
        bundle::present(registry, request, key.public()).await.map(Some)
    };
    let (image, classic, bundle) = tokio::join!(image, classic, bundle);
    let (image, classic, bundle) = (image?, classic?, bundle?);
    let classic = async {
        Ok::<_, SignError>(match classic {
            Some(seen) => Some(classic::attach(registry, request, seen, key).await?),
            None => None,
        })
    };
    let bundle = async {
        Ok::<_, SignError>(match bundle {
            Some(present) => Some(bundle::attach(registry, request, &image, present, key).await?),
            None => None,
        })
    };
    // Both run to completion, even if one fails.
    let (classic, bundle) = tokio::join!(classic, bundle);
    Ok(Signed { attached: classic?.into_iter().chain(bundle?).collect() })
}

/// The layouts in which [`sign`] would add a signature.
///
/// # Errors
/// When the registry does not answer.
pub async fn missing(
    registry: &Registry,
    request: &SignRequest<'_>,
    key: &PublicKey,
) -> Result<Vec<Layout>, SignError> {
    let mut missing = Vec::new();
    if request.layout != Layout::Bundle && !classic::is_present(registry, request, key).await? {
        missing.push(Layout::Classic);
    }
    if request.layout != Layout::Classic && bundle::present(registry, request, key).await?.is_none() {
        missing.push(Layout::Bundle);
    }
    Ok(missing)
}

/// Why a signature was not attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A request to the registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// The image does not exist.
    #[error("{repository} has no {digest}")]
    NoImage { repository: Repository, digest: Digest },
    /// An index with more manifests than the limit.
    #[error("the index lists {found} images, but --recursive signs at most {limit}")]
    Children { found: usize, limit: usize },
    /// An index in an index.
    #[error("it is an index inside another index, which no node pulls; sign it by its own name")]
    Nested,
    /// cosign's classic layout has no tag for SHA-512 digests.
    #[error("cosign's classic layout has no signature tag for {0}; use --layout bundle")]
    NoTag(Digest),
    /// The document under the tag is of another kind.
    #[error("tag {tag} exists, but is not {expected}: {reason}")]
    NotOurs {
        tag: String,
        /// The expected kind of document.
        expected: &'static str,
        /// Why it is not that.
        reason: &'static str,
    },
    /// The limit of signatures is reached.
    #[error("{place} has {found} signatures already, and verifiers read at most {limit}")]
    Full {
        /// The tag, or the subject's digest.
        place: String,
        found: usize,
        limit: usize,
    },
    /// The registry accepted the document and does not show it.
    #[error("the registry accepted {}, but then returned {shown} for this tag", writes_of(*writes, tag))]
    NotKept {
        tag: String,
        /// Writes in a row without effect.
        writes: usize,
        /// What is under the tag.
        shown: &'static str,
    },
    /// Other writers were faster in every attempt.
    #[error("other signers wrote tag {tag} {attempts} times in a row while the signature was added")]
    Contended { tag: String, attempts: usize },
}

fn writes_of(writes: usize, tag: &str) -> String {
    if writes == 1 { format!("a write of tag {tag}") } else { format!("{writes} writes of tag {tag}") }
}
