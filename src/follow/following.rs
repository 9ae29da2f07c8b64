//! What this node follows, as far as it has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use pullgate_core::followed::{Accepted, Document, Expected, Kind, verify};
use pullgate_core::untrusted::error_chain;

use super::settings::FollowSettings;
use super::signer::signer;
use super::store::{Store, StoreError, again};
use crate::trust::Authenticator;

/// The documents that a policy is made of, besides local files. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Following {
    settings: FollowSettings,
    signer: Option<Arc<Authenticator>>,
    policy: Option<Arc<Accepted>>,
    deny_list: Option<Arc<Accepted>>,
    /// Why the signer cannot be read.
    unsigned: Option<String>,
    /// Why something is missing.
    missing: BTreeMap<Kind, String>,
}

impl Following {
    /// What is stored on this node, verified again.
    #[must_use]
    pub fn stored(settings: &FollowSettings, now: Timestamp) -> Self {
        Self::read(settings, |kind, expected| Store::of(&settings.directory, kind).good(expected, now))
    }

    /// The same documents, verified again with the signer as it is now, and stored documents for those that are absent.
    ///
    /// A document that does not count now stays, with a problem: it may count at the next load, for example when a file of the
    /// signer can be read again.
    #[must_use]
    pub fn verified_again(&self, now: Timestamp) -> Self {
        let mut following = Self::read(&self.settings, |kind, expected| {
            let Some(accepted) = self.accepted(kind) else {
                return Store::of(&self.settings.directory, kind).good(expected, now);
            };
            let verified = verify(again(accepted.verified()), expected, now);
            let verified = verified.map_err(|cause| StoreError::Refused { kind, cause })?;
            Ok(Some(Accepted::last_good(verified)))
        });
        for kind in Kind::ALL {
            if following.accepted(kind).is_none() {
                *following.place(kind) = self.place_of(kind).clone();
            }
        }
        following
    }

    /// The same, with the document of this kind of `other`, if it is there and counts.
    #[must_use]
    pub fn with_that_of(&self, other: &Self, kind: Kind) -> Option<Self> {
        if other.unsigned.is_some() || other.missing.contains_key(&kind) {
            return None;
        }
        let accepted = other.place_of(kind).clone()?;
        let mut following = self.clone();
        following.missing.remove(&kind);
        *following.place(kind) = Some(accepted);
        Some(following)
    }

    fn read(
        settings: &FollowSettings,
        find: impl Fn(Kind, Expected<'_>) -> Result<Option<Accepted>, StoreError>,
    ) -> Self {
        let mut following = Self { settings: settings.clone(), ..Self::default() };
        if settings.followed().next().is_none() {
            return following;
        }
        let signer = match signer(settings) {
            Ok(signer) => signer,
            Err(error) => {
                following.unsigned = Some(error_chain(&error));
                return following;
            }
        };
        let labels = settings.label_set();
        for (kind, reference) in settings.followed() {
            let expected = Expected { kind, reference, labels: &labels, signer: &signer };
            match find(kind, expected) {
                Ok(Some(accepted)) => following.put(accepted),
                Ok(None) => {
                    let what = kind.words();
                    let message = format!(
                        "the followed {what} {reference} has not been fetched yet, so every pull is refused"
                    );
                    following.missing.insert(kind, message);
                }
                Err(error) => drop(following.missing.insert(kind, error_chain(&error))),
            }
        }
        following.signer = Some(Arc::new(signer));
        following
    }

    /// The same with this document instead of the one before.
    #[must_use]
    pub fn with(&self, accepted: Accepted) -> Self {
        let mut following = self.clone();
        following.put(accepted);
        // The document was verified with the signer as it is now.
        match signer(&self.settings) {
            Ok(signer) => (following.signer, following.unsigned) = (Some(Arc::new(signer)), None),
            Err(error) => following.unsigned = Some(error_chain(&error)),
        }
        following
    }

    fn put(&mut self, accepted: Accepted) {
        let kind = accepted.verified().kind();
        self.missing.remove(&kind);
        *self.place(kind) = Some(Arc::new(accepted));
    }

    fn place(&mut self, kind: Kind) -> &mut Option<Arc<Accepted>> {
        match kind {
            Kind::Policy => &mut self.policy,
            Kind::DenyList => &mut self.deny_list,
        }
    }

    fn place_of(&self, kind: Kind) -> &Option<Arc<Accepted>> {
        match kind {
            Kind::Policy => &self.policy,
            Kind::DenyList => &self.deny_list,
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &FollowSettings {
        &self.settings
    }

    /// Who may sign.
    #[must_use]
    pub fn signer(&self) -> Option<&Authenticator> {
        self.signer.as_deref()
    }

    /// What was accepted.
    #[must_use]
    pub fn accepted(&self, kind: Kind) -> Option<&Accepted> {
        self.place_of(kind).as_deref()
    }

    /// Its document.
    #[must_use]
    pub fn document(&self, kind: Kind) -> Option<&Document> {
        self.accepted(kind).map(|accepted| accepted.verified().document())
    }

    /// Why something that is followed is not there: then there is no policy.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.unsigned.iter().chain(self.missing.values()).map(String::as_str)
    }

    /// Whether both have the same documents.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let digest = |it: &Self, kind: Kind| it.accepted(kind).map(|it| it.verified().digest().clone());
        Kind::ALL.into_iter().all(|kind| digest(self, kind) == digest(other, kind))
    }

    /// Stores the documents as the last good ones, where they are not those of `before`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn keep(&self, before: &Self) -> Result<(), StoreError> {
        for kind in Kind::ALL {
            let Some(accepted) = self.accepted(kind) else { continue };
            let same = |it: &Accepted| it.verified().digest() == accepted.verified().digest();
            if !before.accepted(kind).is_some_and(same) {
                Store::of(&self.settings.directory, kind).keep_good(accepted)?;
            }
        }
        Ok(())
    }
}
