//! Making signatures and putting them where verifiers look for them.
//!
//! [`sign`] does all of it: for one digest, in one or both of cosign's layouts, adding nothing that is there already and
//! keeping what others add at the same time.

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

/// How long is waited, by default, before it is looked whether another signer wrote over a tag ([`SignRequest::recheck_delay`]).
pub const SETTLE: Duration = Duration::from_millis(200);

/// What is to be signed, and how.
#[derive(Clone, Copy, Debug)]
pub struct SignRequest<'a> {
    /// The repository of the image, which is where its signatures go.
    pub repository: &'a Repository,
    /// The digest of the manifest or index; the registry must have it.
    pub digest: &'a Digest,
    /// Where its signature goes.
    pub layout: Layout,
    /// What is signed with the digest.
    pub annotations: &'a Annotations,
    /// As whom the registry is written to.
    pub credentials: &'a Credentials,
    /// How long to wait before it is looked whether another signer wrote over the tag that was written: longer than others
    /// take between reading and writing. With zero it is looked at once, which is enough for whoever signs alone; signers of
    /// one [`Registry`] never disturb each other.
    pub recheck_delay: Duration,
}

/// Where the signatures of one order are.
#[derive(Clone, Debug)]
pub struct Signed {
    /// One for each layout, classic first.
    pub attached: Vec<Attached>,
}

impl Signed {
    /// Whether anything was added; if not, all was there.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.attached.iter().any(|attached| attached.added)
    }
}

/// A signature that is where verifiers look.
#[derive(Clone, Debug)]
pub struct Attached {
    /// [`Layout::Classic`] or [`Layout::Bundle`].
    pub layout: Layout,
    /// The tag under which it is found; none where the registry itself lists what refers to an image.
    pub tag: Option<String>,
    /// The digest of the manifest that holds it.
    pub manifest: Digest,
    /// Whether it was added; if not, this key had signed the same already.
    pub added: bool,
}

/// Signs a digest with `key`, unless that key has signed it with the same annotations already.
///
/// A signature of the same key with other annotations is another one, as for cosign.
///
/// # Errors
/// When the registry does not have the digest or does not play along, the key does not sign, or there is no room for one
/// more signature. With both layouts one may be there nevertheless; to sign again is always safe.
pub async fn sign(
    registry: &Registry,
    order: &SignRequest<'_>,
    key: &dyn SigningKey,
) -> Result<Signed, SignError> {
    let SignRequest { repository, digest, credentials, .. } = *order;
    sign_found(registry, order, key, async {
        let found = registry.get_manifest_optional(repository, Target::Digest(digest), credentials).await?;
        found.ok_or_else(|| SignError::NoImage { repository: repository.clone(), digest: digest.clone() })
    })
    .await
}

/// As [`sign`], for one who finds out himself whether there is something to sign: `image` gives the manifest, whose digest
/// is the order's. What is signed already is looked at meanwhile; nothing is signed or written before `image` has given it.
///
/// # Errors
/// Those of [`sign`], and of `image`, which come first.
pub async fn sign_found<E: From<SignError>>(
    registry: &Registry,
    order: &SignRequest<'_>,
    key: &dyn SigningKey,
    image: impl Future<Output = Result<Stored, E>>,
) -> Result<Signed, E> {
    let SignRequest { repository, digest, layout, .. } = *order;
    // Who signs the same twice at a time adds it once.
    let turn = registry.lock_tag(repository, &format!("{digest} {}", key.public().fingerprint())).await;
    let _turn = turn.map_err(SignError::from)?;
    let classic = async {
        if layout == Layout::Bundle { Ok(None) } else { classic::seen(registry, order).await.map(Some) }
    };
    let bundle = async {
        if layout == Layout::Classic {
            return Ok(None);
        }
        bundle::present(registry, order, key.public()).await.map(Some)
    };
    let (image, classic, bundle) = tokio::join!(image, classic, bundle);
    let (image, classic, bundle) = (image?, classic?, bundle?);
    let classic = async {
        Ok::<_, SignError>(match classic {
            Some(seen) => Some(classic::attach(registry, order, seen, key).await?),
            None => None,
        })
    };
    let bundle = async {
        Ok::<_, SignError>(match bundle {
            Some(present) => Some(bundle::attach(registry, order, &image, present, key).await?),
            None => None,
        })
    };
    // Each is carried to its end, whatever becomes of the other.
    let (classic, bundle) = tokio::join!(classic, bundle);
    Ok(Signed { attached: classic?.into_iter().chain(bundle?).collect() })
}

/// The layouts in which [`sign`] would add something.
///
/// # Errors
/// When the registry does not say.
pub async fn missing(
    registry: &Registry,
    order: &SignRequest<'_>,
    key: &PublicKey,
) -> Result<Vec<Layout>, SignError> {
    let mut missing = Vec::new();
    if order.layout != Layout::Bundle && !classic::is_present(registry, order, key).await? {
        missing.push(Layout::Classic);
    }
    if order.layout != Layout::Classic && bundle::present(registry, order, key).await?.is_none() {
        missing.push(Layout::Bundle);
    }
    Ok(missing)
}

/// Why a signature was not attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The registry could not be asked, or did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// There is nothing to sign.
    #[error("{repository} has no {digest}")]
    NoImage {
        /// The repository.
        repository: Repository,
        /// What was to be signed.
        digest: Digest,
    },
    /// An index that lists more than is signed with it.
    #[error("the index lists {found} images; at most {limit} are signed with it")]
    Children {
        /// How many there are.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// An index in an index.
    #[error(
        "it is an index that another index lists, which no node runs an image through; sign it by its own name"
    )]
    Nested,
    /// There is no place in cosign's classic layout for signatures of SHA-512 digests.
    #[error("signatures of {0} have no tag in cosign's classic layout; use the layout of bundles")]
    NoTag(Digest),
    /// What is under the tag is not what belongs there.
    #[error("tag {tag} has something that is not {expected}: {reason}")]
    NotOurs {
        /// The tag.
        tag: String,
        /// What belongs there.
        expected: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no room for another signature.
    #[error("{place} holds {found} signatures, and verifiers read at most {limit}")]
    Full {
        /// The tag, or the digest that is referred to.
        place: String,
        /// How many there are.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Others wrote at the same time, each time.
    #[error("tag {tag} was written by others {attempts} times in a row while the signature was added")]
    Contended {
        /// The tag.
        tag: String,
        /// How often it was tried.
        attempts: usize,
    },
}
