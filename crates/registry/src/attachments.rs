//! What is attached to an image: cosign's classic signatures and Sigstore bundles.
//!
//! The tag of the classic layout, the referrers API and the fallback tag of that API are read at the same time. A registry
//! with the API may still have tags from before it had it, so both count.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Registry;
use super::credentials::Credentials;
use super::error::{Bound, Class, RegistryError};
use super::hosts::Capability;
use super::manifest::{Descriptor, ManifestKind, OCI_MANIFEST, ParsedManifest};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest};
use super::request_context::RequestContext;
use super::resolve::{hashed, parsed};
use super::sources::source_of;
use pullgate_core::digest::{Algorithm, Digest};
use pullgate_core::reference::Repository;
use pullgate_core::signature::Attachment;
use pullgate_net::memory::Share;

mod budget;
mod classic;
mod directory;
mod fetch;
mod referrers;

pub(super) use referrers::next_page;

pub use classic::{PAYLOAD, SIGNATURE, tag as signature_tag};

/// Prefix of a bundle's media type, whatever its version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Interval between two lookups while waiting for a first signature.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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

    /// Whether nothing is attached, confirmed by every place.
    fn is_nothing(&self) -> bool {
        self.attachments.is_empty() && self.problems.is_empty()
    }

    fn first(&self, classes: &[Class]) -> Option<&AttachmentProblem> {
        self.problems.iter().find(|problem| classes.contains(&problem.error.class()))
    }

    fn problem(&mut self, place: impl Into<String>, error: RegistryError) {
        self.problems.push(AttachmentProblem { place: place.into(), error });
    }
}

/// A place whose content is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct AttachmentProblem {
    /// A tag, a layer of it or a referrer, for messages.
    pub place: String,
    pub error: RegistryError,
}

impl Registry {
    /// Collects what is attached to `digest` in `repository`.
    ///
    /// Equal lookups at the same time, with equal credentials, share one request; "nothing is attached" is cached for
    /// [`super::Limits::negative_cache_ttl`]. It never fails as a whole: see [`Collected`]. Nothing is verified but that
    /// bytes match their descriptors, that a referrer's subject is this digest, and that all is within the limits.
    pub async fn attachments(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Collected {
        self.attachments_for(&self.memory().share(), repository, digest, credentials).await
    }

    /// As [`Registry::attachments`], with the memory of one lookup.
    pub async fn attachments_for(
        &self,
        share: &Share,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Collected {
        let key = self.key("attachments", &[&repository.to_string(), digest.as_str()], credentials);
        if self.inner.negative_cache.contains(&key) {
            return Collected::default();
        }
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        let context = RequestContext::new(credentials.clone(), self.limits(), share.clone());
        let work = async move {
            let collected = registry.awaited(&repository, &digest, &context).await;
            if collected.is_nothing() {
                registry.inner.negative_cache.insert(key);
            }
            collected
        };
        self.inner.collecting.join(key, work).await.unwrap_or_else(|| {
            let mut lost = Collected::default();
            lost.problem("signatures", RegistryError::Lost);
            lost
        })
    }

    /// The Sigstore bundles that are attached to `digest` now at the host that is written to, for a caller that is about to
    /// add one.
    pub async fn bundles(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Collected {
        let context = &RequestContext::pushing(credentials.clone(), self.limits(), self.memory().share());
        Search { registry: self, repository, digest, context }.bundles().await
    }

    /// As [`Registry::attachments`], repeated for [`super::Limits::wait_for_signature`] while nothing is attached.
    async fn awaited(&self, repository: &Repository, digest: &Digest, context: &RequestContext) -> Collected {
        let until = Instant::now() + self.limits().wait_for_signature;
        loop {
            // No permit is held while waiting for a signer.
            match self.inner.lookups.take(repository.domain()).await {
                Ok(permit) => context.begin_turn(permit),
                Err(error) => {
                    let mut none = Collected::default();
                    none.problem("signatures", error);
                    return none;
                }
            }
            // Boxed, so that futures that wait for a permit are small.
            let collected = Box::pin(self.collect(repository, digest, context)).await;
            context.end_turn();
            if !collected.is_nothing() || Instant::now() >= until {
                return collected;
            }
            tokio::time::sleep_until(until.min(Instant::now() + LOOK_AGAIN)).await;
        }
    }

    /// Reads all places where signatures of this repository may be.
    async fn collect(&self, repository: &Repository, digest: &Digest, context: &RequestContext) -> Collected {
        let Some(source) = source_of(&self.inner.sources, repository) else {
            return self.search(repository, digest, context).await;
        };
        let own = async {
            match source.image {
                true => self.search(repository, digest, context).await,
                false => Collected::default(),
            }
        };
        let other = async {
            let Some(other) = &source.repository else { return Collected::default() };
            // The credentials of the pull are for the image's registry only.
            let anonymous = context.without_credentials(self.limits());
            let context = if other.domain() == repository.domain() { context } else { &anonymous };
            self.search(other, digest, context).await
        };
        let local = async {
            let Some(root) = source.directory.clone() else { return Collected::default() };
            let (repository, digest, limits) = (repository.clone(), digest.clone(), *self.limits());
            let read = move || directory::collect(&root, &repository, &digest, &limits);
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| {
                let mut lost = Collected::default();
                lost.problem("directory", RegistryError::Lost);
                lost
            })
        };
        let (mut collected, other, local) = tokio::join!(own, other, local);
        for more in [other, local] {
            collected.attachments.extend(more.attachments);
            collected.problems.extend(more.problems);
        }
        collected
    }

    async fn search(&self, repository: &Repository, digest: &Digest, context: &RequestContext) -> Collected {
        let search = Search { registry: self, repository, digest, context };
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
    context: &'a RequestContext,
}

/// The fallback tag of the referrers API: at most 32 characters of the algorithm and 64 of the digest (distribution
/// specification, "Referrers tag schema").
#[must_use]
pub fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex().get(..64).unwrap_or(digest.hex()))
}

/// Whether a tag is for attachments of a digest rather than an image: cosign's `sha256-….sig`, `.att` and `.sbom`
/// (`specs/SIGNATURE_SPEC.md`), and the fallback tag of the referrers API, which cuts the hash off after 64 digits
/// (distribution specification, "Referrers tag schema").
#[must_use]
pub fn is_attachment_tag(tag: &str) -> bool {
    let rest = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-"));
    let hash = rest.unwrap_or_default().split('.').next().unwrap_or_default();
    hash.len() >= 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachment_tags_are_recognised() {
        for digest in [Digest::of(b""), Digest::parse(&format!("sha512:{}", "ab".repeat(64))).unwrap()] {
            let fallback = fallback_tag(&digest);
            assert!(is_attachment_tag(&fallback), "{fallback}");
            for suffix in [".sig", ".att", ".sbom"] {
                assert!(is_attachment_tag(&format!("{fallback}{suffix}")), "{fallback}{suffix}");
            }
            assert!(!is_attachment_tag(&fallback.to_uppercase()), "{fallback}");
            assert!(!is_attachment_tag(&fallback[..70]), "{fallback}");
            assert!(!is_attachment_tag(&format!("{fallback}x")), "{fallback}");
        }
        let hash = "0123456789abcdef".repeat(4);
        assert!(is_attachment_tag(&format!("sha512-{hash}{}", &hash[..63])));
        assert!(!is_attachment_tag(&format!("v{hash}.sig")));
        for tag in ["latest", "", "sha256-", "sha256-abc.sig", "v1.sig"] {
            assert!(!is_attachment_tag(tag), "{tag}");
        }
    }
}
