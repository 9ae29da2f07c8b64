//! An image that the gate has admitted.

use std::sync::Arc;

use crate::digest::Digest;
use crate::ledger::Evidence;
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
    evidence: Option<Arc<Evidence>>,
}

impl Pinned {
    /// An image that was admitted for `reason`: as exactly `digest`, or, where nothing was looked up, by its own name.
    pub(super) fn admitted(
        reference: &Reference,
        digest: Option<&Digest>,
        rule: &str,
        reason: Reason,
    ) -> Self {
        let pinned = digest.map(|digest| reference.with_digest(digest).to_string());
        Self {
            tag_record: pinned.as_ref().and(reference.tag()).map(|_| reference.to_string()),
            name: pinned.unwrap_or_else(|| reference.to_string()),
            digest: digest.or(reference.digest()).cloned(),
            rule: rule.to_owned(),
            reason,
            evidence: None,
        }
    }

    /// The same, with what is known of it.
    pub(super) fn with_evidence(self, evidence: Option<Arc<Evidence>>) -> Self {
        Self { evidence, ..self }
    }

    /// What is known of it, and may be kept; `None` when nothing was looked up.
    pub(super) fn evidence(&self) -> Option<&Arc<Evidence>> {
        self.evidence.as_ref()
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

    /// The rule that admitted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why it was admitted.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}
