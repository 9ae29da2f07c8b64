//! The verdict on a present image.

use super::Refusal;
use super::admission::Admission;
use crate::digest::Digest;
use crate::reference::Repository;
use crate::telemetry::Reason;

/// The proof that a present image may be used under the name in the request. It is only made of an `Admission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentVerdict {
    repository: Repository,
    digest: Option<Digest>,
    rule: String,
    reason: Reason,
    audited: Vec<Refusal>,
}

impl PresentVerdict {
    /// The image that `admission` admits under a name of `repository`.
    pub(super) fn admitted(repository: Repository, admission: Admission) -> Self {
        Self {
            repository,
            digest: admission.digest().cloned(),
            rule: admission.label().to_owned(),
            reason: admission.reason(),
            audited: admission.audited().to_vec(),
        }
    }

    /// Drops the digest where it is the image's id, which no registry knows.
    pub(super) fn without_id(self, id: &Digest) -> Self {
        Self { digest: self.digest.filter(|digest| digest != id), ..self }
    }

    /// The repository whose rule admitted it: that of the name, or for an id one of the image's repositories.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest that was verified; `None` for an image that may be used unsigned.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The name that means exactly this image, for a runtime that pulls it again (guest-pull runtimes).
    pub fn pinned(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("{}@{digest}", self.repository))
    }

    /// The rule that admitted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why it was admitted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The refusals of rules in audit mode.
    pub fn audited(&self) -> &[Refusal] {
        &self.audited
    }

    /// Its approximate size in bytes, without audited refusals.
    pub(super) fn bytes(&self) -> usize {
        let digest = self.digest.as_ref().map_or(0, |digest| digest.as_str().len());
        self.repository.as_str().len() + digest + self.rule.len()
    }
}
