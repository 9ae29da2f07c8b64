//! An image that the gate has admitted.

use std::sync::Arc;

use crate::digest::Digest;
use crate::ledger::{Evidence, Place};
use crate::reference::Reference;
use crate::telemetry::Reason;

/// The proof that an image was admitted: what to pull, and by which name it will be asked for.
///
/// Its fields are private and its constructors are visible to the gate only, so that nothing reaches the runtime as
/// "verified" that did not go through [`Gate::admit`](super::Gate::admit).
#[derive(Clone, Debug)]
pub struct Pinned {
    name: String,
    digest: Option<Digest>,
    tag_record: Option<String>,
    rule: String,
    reason: Reason,
    place: Option<Place>,
    evidence: Option<Arc<Evidence>>,
}

impl Pinned {
    /// An image whose signatures hold for exactly `digest`.
    pub(super) fn verified(
        reference: &Reference,
        digest: &Digest,
        rule: &str,
        evidence: Option<Arc<Evidence>>,
    ) -> Self {
        Self {
            name: reference.with_digest(digest).to_string(),
            digest: Some(digest.clone()),
            tag_record: reference.tag().map(|_| reference.to_string()),
            rule: rule.to_owned(),
            reason: Reason::Verified,
            place: Some(Place { repository: reference.repository().clone(), digest: digest.clone() }),
            evidence,
        }
    }

    /// An image that a rule lets through without a signature: nothing was verified, so there is nothing to pin to.
    pub(super) fn unsigned(reference: &Reference, rule: &str) -> Self {
        Self {
            name: reference.to_string(),
            digest: reference.digest().cloned(),
            tag_record: None,
            rule: rule.to_owned(),
            reason: Reason::UnsignedAllowed,
            place: None,
            evidence: None,
        }
    }

    /// The name to hand to the runtime: `name@digest` for a verified image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest that was verified, or that the name itself demands.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The `name:tag` that the runtime must know the image by afterwards. A pull by digest does not record it, and
    /// kubelet, finding no image by that name, would run the container as root.
    pub fn tag_record(&self) -> Option<&str> {
        self.tag_record.as_deref()
    }

    /// Where evidence of it belongs; `None` when nothing was verified.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What the verdict rests on.
    pub(super) fn evidence(&self) -> Option<&Arc<Evidence>> {
        self.evidence.as_ref()
    }

    /// The rule that admitted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why it was admitted.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}
