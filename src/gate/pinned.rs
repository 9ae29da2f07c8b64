//! An image that the gate has admitted.

use std::sync::Arc;

use pullgate_net::offload;

use super::admission::Admission;
use super::admitted_document::AdmittedDocument;
use super::checkpoint::is_checkpoint;
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::reference::Reference;
use crate::telemetry::Reason;

/// The proof that an image was admitted: what to pull, and the name that kubelet will use afterwards.
///
/// It is only made of an `Admission`, which it consumes, and that only of proofs: a met requirement, an allowance, a rule
/// that is off or in audit mode, or a break-glass exception. The forwarder takes nothing else.
#[derive(Clone, Debug)]
pub struct Pinned {
    name: String,
    digest: Option<Digest>,
    tag_record: Option<String>,
    rule: String,
    reason: Reason,
    evidence: Option<Arc<Evidence>>,
    /// Whether its document was looked up, and compared with the rules.
    looked_up: bool,
}

impl Pinned {
    /// The image that `admission` admits: as exactly its digest, or by its own name where it was not looked up.
    pub(super) fn admitted(reference: &Reference, admission: Admission) -> Self {
        let digest = admission.digest();
        let pinned = digest.map(|digest| reference.with_digest(digest).to_string());
        Self {
            tag_record: pinned.as_ref().and(reference.tag()).map(|_| reference.to_string()),
            name: pinned.unwrap_or_else(|| reference.to_string()),
            digest: digest.or(reference.digest()).cloned(),
            rule: admission.label().to_owned(),
            reason: admission.reason(),
            evidence: None,
            looked_up: false,
        }
    }

    /// The same, with its evidence.
    pub(super) fn with_evidence(self, evidence: Option<Arc<Evidence>>) -> Self {
        Self { looked_up: evidence.is_some(), evidence, ..self }
    }

    /// Whether its document was looked up before the pull.
    pub(super) fn was_looked_up(&self) -> bool {
        self.looked_up
    }

    /// Takes the evidence out.
    pub(super) fn take_evidence(&mut self) -> Option<Arc<Evidence>> {
        self.evidence.take()
    }

    /// Its evidence; `None` when nothing was looked up.
    pub(super) fn evidence(&self) -> Option<&Arc<Evidence>> {
        self.evidence.as_ref()
    }

    /// The name to hand to the runtime: `name@digest` for a verified image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest that was verified, or that is in the name.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The `name:tag` that the runtime must know the image by afterwards. A pull by digest does not record it, and
    /// kubelet, finding no image by that name, would run the container as root.
    pub fn tag_record(&self) -> Option<&str> {
        self.tag_record.as_deref()
    }

    /// Its document, if the gate has it and it is not large.
    pub fn document(&self) -> Option<AdmittedDocument> {
        AdmittedDocument::of(self.digest()?, &self.evidence()?.document)
    }

    /// Whether its document, if one was looked up, has the annotation of a checkpoint or cannot be read in one way.
    pub(super) async fn is_checkpoint(&self) -> bool {
        let Some(evidence) = &self.evidence else { return false };
        let document = evidence.document.clone();
        let check = move || is_checkpoint(&document).unwrap_or(true);
        offload::document(evidence.document.len(), check).await.unwrap_or(true)
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
