//! Refreshes of one followed document.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use pullgate_core::followed::{
    Accepted, Expected, FollowError, Highest, Kind, MAX_DOCUMENT_BYTES, Offer, verify,
};
use pullgate_net::offload;

use super::settings::FollowSettings;
use super::signer::{SignerError, signer};
use super::store::{Store, StoreError};
use crate::digest::Digest;
use crate::reference::Reference;
use crate::registry::{Class, Credentials, Registry, RegistryError};

/// How long a time of a successful refresh may be only in memory: a node must not write to its disk at each refresh.
const UNWRITTEN: SignedDuration = SignedDuration::from_hours(1);

/// Refreshes one document. Not verified bytes and not accepted versions never leave it.
#[derive(Debug)]
pub struct Follower {
    kind: Kind,
    reference: Reference,
    settings: FollowSettings,
    registry: Arc<Registry>,
    /// The last answer that needs no second look, and its ETag.
    seen: Option<Digest>,
    etag: Option<HeaderValue>,
    written: Option<Timestamp>,
}

/// The result of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// There is nothing new for this node.
    Current,
    /// There is a new document.
    New(Box<Accepted>),
}

/// Why a refresh failed. What was there before stays.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The registry does not answer well.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The signer cannot be read.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The state of this node cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document is larger than any document may be.
    #[error("the {} has {found} bytes, but at most {MAX_DOCUMENT_BYTES} are read", .kind.words())]
    TooLarge {
        /// What it is.
        kind: Kind,
        /// Its size.
        found: u64,
    },
    /// It is not accepted.
    #[error("the {} in the registry is not accepted", .kind.words())]
    Refused {
        /// What it is.
        kind: Kind,
        /// Why not.
        #[source]
        cause: FollowError,
    },
    /// A signature may be there, but cannot be read.
    #[error("the signatures of the {} cannot be read", .kind.words())]
    Signatures {
        /// What it is.
        kind: Kind,
        /// Why not.
        #[source]
        cause: RegistryError,
    },
    /// It took too long.
    #[error("the refresh took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// A bug.
    #[error("internal error of pullgate while verifying; see its log")]
    Lost,
}

impl RefreshError {
    /// Whether the registry answered with something that is not accepted.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Refused { .. } => true,
            Self::Registry(error) | Self::Signatures { cause: error, .. } => {
                matches!(error.class(), Class::Refused | Class::Limit)
            }
            Self::Signer(_) | Self::Store(_) | Self::TooSlow(_) | Self::Lost => false,
        }
    }
}

impl Follower {
    /// For what is followed at `reference`, where `current` is the document that this node has.
    #[must_use]
    pub fn new(
        (kind, reference): (Kind, Reference),
        settings: FollowSettings,
        registry: Arc<Registry>,
        current: Option<&Accepted>,
    ) -> Self {
        // After a higher version was seen, the registry must not have this one.
        let highest = Store::of(&settings.directory, kind).highest().ok().flatten();
        let is_highest = |it: &&Digest| highest.is_some_and(|(highest, _)| highest.digest() == *it);
        let seen = current.map(|accepted| accepted.verified().digest()).filter(is_highest).cloned();
        Self { kind, reference, settings, registry, seen, etag: None, written: None }
    }

    /// What is followed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Looks once for a new document. If there is one, its version is on the disk when this returns.
    ///
    /// # Errors
    /// When what the registry has cannot be read or is not accepted.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<Refreshed, RefreshError> {
        let anonymous = Credentials::anonymous();
        let (reference, media_type) = (&self.reference, self.kind.media_type());
        let found = self.registry.artifact(reference, &anonymous, media_type, self.etag.as_ref()).await?;
        let Some(artifact) = found.filter(|found| self.seen.as_ref() != Some(found.digest())) else {
            self.note_current(now).await?;
            return Ok(Refreshed::Current);
        };
        let limit = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX);
        if artifact.layer_bytes() > limit {
            return Err(RefreshError::TooLarge { kind: self.kind, found: artifact.layer_bytes() });
        }
        let repository = reference.repository();
        let document = self.registry.artifact_layer(repository, &anonymous, &artifact, limit).await?;
        let collected = self.registry.attachments(repository, artifact.digest(), &anonymous).await;
        let offer = Offer { digest: artifact.digest().clone(), document, attachments: collected.attachments };
        let accepted = match self.accept(offer, now).await {
            Ok(accepted) => accepted,
            // Not for this node, and that is signed: what it has is current.
            Err(RefreshError::Refused { cause: FollowError::OtherLabels { version }, kind }) => {
                if let Some(highest) = self.highest().await?.filter(|highest| version < highest.version()) {
                    let cause = FollowError::Rollback { offered: version, highest: highest.version() };
                    return Err(RefreshError::Refused { kind, cause });
                }
                self.settled(artifact.digest().clone(), artifact.etag());
                self.note_current(now).await?;
                return Ok(Refreshed::Current);
            }
            Err(RefreshError::Refused { cause, kind }) => {
                let unsigned = matches!(cause, FollowError::Unsigned | FollowError::Untrusted { .. });
                let unread = collected.problems.into_iter().next().filter(|_| unsigned);
                return Err(match unread {
                    Some(problem) => RefreshError::Signatures { kind, cause: problem.error },
                    None => RefreshError::Refused { kind, cause },
                });
            }
            Err(error) => return Err(error),
        };
        self.settled(artifact.digest().clone(), artifact.etag());
        self.written = Some(now);
        Ok(Refreshed::New(Box::new(accepted)))
    }

    /// Verifies what was found, and remembers its version.
    async fn accept(&self, offer: Offer, now: Timestamp) -> Result<Accepted, RefreshError> {
        let (kind, reference) = (self.kind, self.reference.clone());
        let settings = self.settings.clone();
        let work = move || {
            let signer = signer(&settings)?;
            let labels = settings.label_set();
            let expected = Expected { kind, reference: &reference, labels: &labels, signer: &signer };
            let refused = |cause| RefreshError::Refused { kind, cause };
            let verified = verify(offer, expected, now).map_err(refused)?;
            let store = Store::of(&settings.directory, kind);
            let seen = match store.highest()? {
                Some((seen, _)) => Some(seen),
                // The file is lost, but the last good document is there.
                None => store.good(expected, now)?.map(|good| {
                    let good = good.verified();
                    Highest::stored(good.document().version(), good.digest().clone())
                }),
            };
            let (accepted, highest) = Highest::accept(seen.as_ref(), verified).map_err(refused)?;
            store.keep_highest(&highest, now)?;
            Ok(accepted)
        };
        // Also a small document waits for the disk.
        offload::document(usize::MAX, work).await.unwrap_or(Err(RefreshError::Lost))
    }

    fn settled(&mut self, digest: Digest, etag: Option<&HeaderValue>) {
        self.seen = Some(digest);
        self.etag = etag.cloned();
    }

    /// Remembers that there is nothing newer.
    async fn note_current(&mut self, now: Timestamp) -> Result<(), RefreshError> {
        let recent = |written: Timestamp| (now - UNWRITTEN..=now).contains(&written);
        if self.written.is_some_and(recent) {
            return Ok(());
        }
        let store = Store::of(&self.settings.directory, self.kind);
        let work = move || match store.highest()? {
            Some((highest, _)) => store.keep_highest(&highest, now),
            None => Ok(()),
        };
        offload::document(usize::MAX, work).await.unwrap_or(Ok(()))?;
        self.written = Some(now);
        Ok(())
    }

    async fn highest(&self) -> Result<Option<Highest>, StoreError> {
        let store = Store::of(&self.settings.directory, self.kind);
        let found = offload::document(usize::MAX, move || store.highest()).await.unwrap_or(Ok(None))?;
        Ok(found.map(|(highest, _)| highest))
    }

    /// The highest version that this node saw before its start, and when it last saw that there is nothing newer.
    #[must_use]
    pub fn seen_before(&self) -> Option<(u64, Option<Timestamp>)> {
        let (highest, refreshed) = Store::of(&self.settings.directory, self.kind).highest().ok().flatten()?;
        Some((highest.version().number(), refreshed))
    }
}
