//! What is attached to an image: cosign's classic signatures and Sigstore bundles.
//!
//! All places are asked at the same time: the tag of the classic layout, the referrers API, and the tag that stands in for
//! it. A registry that has the API may still have the tag from before it did, so both count.

use std::collections::HashSet;

use super::Registry;
use super::credentials::Credentials;
use super::document::{Content, Descriptor, Document, OCI_MANIFEST};
use super::error::{Class, RegistryError};
use super::resolve::hashed;
use super::walk::{ACCEPT_IMAGE, Need, Question};
use crate::digest::{Algorithm, Digest};
use crate::reference::Repository;
use crate::signature::Attachment;

mod budget;
mod classic;
mod fetch;
mod referrers;

use budget::Budget;
pub use classic::{PAYLOAD, SIGNATURE, tag as signature_tag};

/// What the media type of a bundle begins with, whatever its version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// What was found for a digest, and what kept us from finding more.
///
/// What was found counts whatever went wrong beside it. When it does not suffice, [`Collected::unanswered`] and
/// [`Collected::exceeded`] say why "there is no valid signature" would be more than is known.
#[derive(Debug, Default)]
pub struct Collected {
    /// What may be a signature, in the order of the places: classic layers by index, then bundles by referrer.
    pub attachments: Vec<Attachment>,
    /// What could not be read, or not be asked for.
    pub problems: Vec<AttachmentProblem>,
}

impl Collected {
    /// The first place that could not be asked, or not to the end: there may be a signature that we did not see.
    #[must_use]
    pub fn unanswered(&self) -> Option<&AttachmentProblem> {
        self.first(&[Class::Unanswered, Class::Unauthorized])
    }

    /// The first bound that cut the search short.
    #[must_use]
    pub fn exceeded(&self) -> Option<&AttachmentProblem> {
        self.first(&[Class::Limit])
    }

    fn first(&self, classes: &[Class]) -> Option<&AttachmentProblem> {
        self.problems.iter().find(|problem| classes.contains(&problem.error.class()))
    }

    fn problem(&mut self, place: impl Into<String>, error: RegistryError) {
        self.problems.push(AttachmentProblem { place: place.into(), error });
    }
}

/// A place, and why what may be there is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct AttachmentProblem {
    /// Where, for people: a tag, a layer of it, a referrer.
    pub place: String,
    /// What went wrong.
    pub error: RegistryError,
}

impl Registry {
    /// Collects what is attached to `digest` in `repository`.
    ///
    /// It never fails as a whole: see [`Collected`]. Nothing here is verified but that bytes are what their descriptors
    /// say, that a referrer's subject is this digest, and that all is within bounds.
    pub async fn attachments(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Collected {
        let search =
            Search { registry: self, repository, digest, credentials, budget: Budget::new(self.limits()) };
        let (mut collected, bundles) = tokio::join!(search.classic(), search.bundles());
        collected.attachments.extend(bundles.attachments);
        collected.problems.extend(bundles.problems);
        collected
    }
}

/// One search, and what its parts share.
struct Search<'a> {
    registry: &'a Registry,
    repository: &'a Repository,
    digest: &'a Digest,
    credentials: &'a Credentials,
    budget: Budget,
}

/// The tag that stands in for the referrers API: at most 32 characters of the algorithm and 64 of the digest
/// (distribution specification, "Referrers tag schema").
fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex().get(..64).unwrap_or(digest.hex()))
}
