//! What was found for a digest, and what prevented finding more.

use super::super::error::{Class, RegistryError};
use pullgate_core::signature::{Attachment, Format};

/// What was found for a digest, and what prevented finding more.
///
/// What was found counts whatever else failed. If it is not enough, [`Collected::unanswered`] and [`Collected::exceeded`]
/// say why "there is no valid signature" would claim more than is known.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// What may be a signature: classic layers by index, then bundles by referrer.
    pub attachments: Vec<Attachment>,
    /// What could not be read or requested.
    pub problems: Vec<AttachmentProblem>,
    /// Signatures of formats that were not wanted: they were not fetched.
    pub unfetched: Vec<Unfetched>,
    /// The places of Notary envelopes with the media type of the other encoding, which is not signed. pullgate decides by the
    /// bytes; notation cannot read them.
    pub mislabelled: Vec<String>,
}

impl Collected {
    /// The first place that could not be read completely: it may have a signature that we did not see.
    #[must_use]
    pub fn unanswered(&self) -> Option<&AttachmentProblem> {
        self.first(&[Class::Unanswered, Class::Unauthorized])
    }

    /// The first limit that ended the search.
    #[must_use]
    pub fn exceeded(&self) -> Option<&AttachmentProblem> {
        self.first(&[Class::Limit])
    }

    /// The first problem that may hide an attestation: a place that could not be read, or not completely. Something that does
    /// not exist hides nothing.
    #[must_use]
    pub fn hiding(&self) -> Option<&AttachmentProblem> {
        let hides = |problem: &&AttachmentProblem| problem.hides && problem.error.class() != Class::NotFound;
        self.problems.iter().find(hides)
    }

    /// The same, from a place that has no attestations.
    pub(super) fn hiding_nothing(mut self) -> Self {
        self.problems.iter_mut().for_each(|problem| problem.hides = false);
        self
    }

    /// The same, from the repository of the image itself, whose manifest was read with the same credentials: there some
    /// registries refuse what is not there (see docs/design/registry.md), and one that hides something could as well answer that
    /// it is not there.
    pub(super) fn refusals_hiding_nothing(mut self) -> Self {
        let refused =
            |problem: &&mut AttachmentProblem| matches!(problem.error, RegistryError::Unauthorized { .. });
        self.problems.iter_mut().filter(refused).for_each(|problem| problem.hides = false);
        self
    }

    /// Adds what was found in another place.
    pub(super) fn add(&mut self, more: Self) {
        self.attachments.extend(more.attachments);
        self.problems.extend(more.problems);
        self.unfetched.extend(more.unfetched);
        self.mislabelled.extend(more.mislabelled);
    }

    /// Whether nothing that is wanted is attached, confirmed by every place.
    pub(in super::super) fn is_nothing(&self) -> bool {
        self.attachments.is_empty() && self.problems.is_empty()
    }

    fn first(&self, classes: &[Class]) -> Option<&AttachmentProblem> {
        self.problems.iter().find(|problem| classes.contains(&problem.error.class()))
    }

    pub(in super::super) fn problem(&mut self, place: impl Into<String>, error: RegistryError) {
        self.problems.push(AttachmentProblem { place: place.into(), error, hides: true });
    }

    /// Adds the errors of all hosts that were asked for one document, in their order. "Not found" is no problem; if the last
    /// host says so, which is the registry itself behind its mirrors, those before it hide nothing.
    pub(super) fn problems_of_hosts(&mut self, place: &str, errors: Vec<RegistryError>) {
        let absent = |error: &RegistryError| error.class() == Class::NotFound;
        let hides = !errors.last().is_some_and(absent);
        for error in errors.into_iter().filter(|error| !absent(error)) {
            self.problems.push(AttachmentProblem { place: place.to_owned(), error, hides });
        }
    }
}

/// A signature that was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfetched {
    /// The referrer, for messages.
    pub place: String,
    pub format: Format,
}

/// A place whose content is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct AttachmentProblem {
    /// A tag, a layer of it or a referrer, for messages.
    pub place: String,
    pub error: RegistryError,
    /// Whether an attestation may be in it.
    pub hides: bool,
}
