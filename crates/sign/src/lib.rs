//! Signs images and attaches the signatures where verifiers look for them.
//!
//! [`sign`] handles one digest in one or both of cosign's layouts or in that of the Notary Project, adds nothing that exists already, and preserves
//! signatures that others add at the same time.

mod advice;
mod annotations;
mod bundle;
mod certificates;
mod classic;
mod cooldown;
mod layout;
mod notation;
mod referrer;
mod timestamp;
mod update;

use std::time::Duration;

pub use annotations::{AnnotationError, Annotations, MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS};
pub use certificates::{CertificateChain, CertificateChainError};
pub use cooldown::Cooldown;
pub use layout::{Layout, UnknownLayout};
pub use notation::NotationOptions;
pub use timestamp::{TimestampAuthority, TimestampRequestError};

use jiff::Timestamp;

use self::referrer::Found;
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_core::signature::SignatureError;
use pullgate_core::trust::{Algorithm, PublicKey};
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
    /// How to sign with [`Layout::Notation`], which needs it.
    pub notation: Option<&'a NotationOptions>,
    /// The authority for timestamps of bundles and Notation signatures; classic ones have none.
    pub timestamps: Option<&'a TimestampAuthority>,
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
    /// Not [`Layout::Both`].
    pub layout: Layout,
    /// The tag of the signature; `None` where the registry itself lists referrers.
    pub tag: Option<String>,
    /// The digest of the signature's manifest.
    pub manifest: Digest,
    /// Whether it was added; otherwise this key had signed the same before.
    pub added: bool,
    /// When the signature expires; only Notation signatures do.
    pub expires: Option<Timestamp>,
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
    sign_found(registry, request, key, image_of(registry, request)).await
}

async fn image_of(registry: &Registry, request: &SignRequest<'_>) -> Result<Stored, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *request;
    let found =
        registry.writer(repository, credentials).get_manifest_optional(Target::Digest(digest)).await?;
    found.ok_or_else(|| SignError::NoImage { repository: repository.clone(), digest: digest.clone() })
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
        if layout.is_classic() { classic::seen(registry, request).await.map(Some) } else { Ok(None) }
    };
    let listed =
        async { if layout.is_referrer() { Some(referrer::listed(registry, request).await) } else { None } };
    let (image, classic, listed) = tokio::join!(image, classic, listed);
    let (image, classic) = (image?, classic?);
    let present = match &listed {
        None => None,
        Some(listed) if layout == Layout::Notation => {
            Some((Layout::Notation, notation::present(registry, request, listed, &image).await?))
        }
        Some(listed) => {
            Some((Layout::Bundle, bundle::present(registry, request, listed, key.public()).await?))
        }
    };
    let classic = async {
        Ok::<_, SignError>(match classic {
            Some(seen) => Some(classic::attach(registry, request, seen, key).await?),
            None => None,
        })
    };
    let referrer = async {
        let signature = match present {
            None => return Ok(None),
            Some((layout, Some(Found { manifest, expires }))) => {
                return Ok(Some(Attached { layout, tag: None, manifest, added: false, expires }));
            }
            Some((Layout::Notation, None)) => notation::make(request, &image, key).await?,
            Some((_, None)) => bundle::make(request, key).await?,
        };
        referrer::attach(registry, request, &image, &signature).await.map(Some)
    };
    // Both run to completion, even if one fails.
    let (classic, referrer): (_, Result<_, SignError>) = tokio::join!(classic, referrer);
    Ok(Signed { attached: classic?.into_iter().chain(referrer?).collect() })
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
    if request.layout.is_classic() && !classic::is_present(registry, request, key).await? {
        missing.push(Layout::Classic);
    }
    if request.layout.is_referrer() {
        let listed = referrer::listed(registry, request).await;
        let (layout, present) = match request.layout {
            Layout::Notation => {
                let image = image_of(registry, request).await?;
                (Layout::Notation, notation::present(registry, request, &listed, &image).await?)
            }
            _ => (Layout::Bundle, bundle::present(registry, request, &listed, key).await?),
        };
        if present.is_none() {
            missing.push(layout);
        }
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
    /// The layout of the Notary Project without a certificate.
    #[error("a Notation signature needs the certificate chain of its key")]
    NoCertificate,
    /// The certificate chain is not that of the key.
    #[error("the certificate chain cannot be used")]
    Certificate(#[from] CertificateChainError),
    /// The expiry is later than times can be.
    #[error("the time after which the signature expires is too long")]
    Expiry,
    /// The signature has many annotations, or a large timestamp.
    #[error("the signature has {found} bytes, more than the limit of {limit} for an attached signature")]
    TooLarge { found: usize, limit: usize },
    /// Notation signatures do not have this algorithm.
    #[error("Notation signatures cannot be made with {algorithm}")]
    Unusable { algorithm: Algorithm },
    /// The timestamp authority did not answer well.
    #[error("cannot get a valid timestamp")]
    Timestamp(#[from] TimestampRequestError),
    /// A new signature would not be accepted, so it was not attached.
    #[error("the new signature is not valid, so it was not attached")]
    SelfCheck(#[source] Box<SignatureError>),
    /// The image does not exist.
    #[error("{repository} has no {digest}")]
    NoImage { repository: Repository, digest: Digest },
    /// An index with more manifests than the limit.
    #[error("the index lists {found} images, but --recursive signs at most {limit}")]
    Children { found: usize, limit: usize },
    /// An index in an index.
    #[error(
        "it is an index inside another index, and nodes do not pull such an index; sign it by its own name"
    )]
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
