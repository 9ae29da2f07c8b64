//! What is attached to an image: classic signatures of cosign, Sigstore bundles, envelopes of the Notary Project, GPG
//! signatures that a lookaside server has, and attestations that Grafeas has.
//!
//! The tag of the classic layout, the referrers API and the fallback tag of that API are read at the same time. A registry
//! with the API may still have tags from before it had it, so both count.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::credentials::Credentials;
use super::error::{Bound, RegistryError};
use super::hosts::Capability;
use super::manifest::{Descriptor, ManifestKind, OCI_MANIFEST, ParsedManifest, parsed};
use super::mirrors::{ACCEPT_IMAGE, ApiRequest};
use super::request_context::RequestContext;
use super::resolve::hashed;
use super::sources::source_of;
use super::state::RegistryState;
use pullgate_core::digest::{Algorithm, Digest};
use pullgate_core::reference::Repository;
use pullgate_core::signature::{Attachment, Format};
use pullgate_net::memory::Share;

mod budget;
mod classic;
mod collected;
mod directory;
mod envelopes;
mod fetch;
mod grafeas;
mod lookaside;
mod referrers;

pub(super) use fetch::Fetch;

pub(super) use referrers::next_page;

pub use collected::{AttachmentProblem, Collected, Unfetched};

pub use classic::{PAYLOAD, SIGNATURE, tag as signature_tag};

/// Which attachments are fetched beside cosign's classic signatures and Sigstore bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Envelopes of the Notary Project.
    pub notation: bool,
    /// Attestations under cosign's `.att` tag, and bundles as large as an attestation may be.
    pub attestations: bool,
    /// GPG signatures.
    pub gpg: bool,
    /// Attestations of Binary Authorization and kritis.
    pub grafeas: bool,
}

impl Wanted {
    /// Whether signatures of this format are fetched.
    fn has(self, format: Format) -> bool {
        match format {
            Format::SimpleSigning | Format::Bundle => true,
            Format::Attestation => self.attestations,
            Format::Notation => self.notation,
            Format::Gpg => self.gpg,
            Format::Grafeas => self.grafeas,
        }
    }
}

/// Prefix of a bundle's media type, whatever its version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Interval between two lookups while waiting for a first signature.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// As [`super::Registry::attachments`].
pub(super) async fn attachments(
    state: &Arc<RegistryState>,
    share: &Share,
    (repository, digest): (&Repository, &Digest),
    credentials: &Credentials,
    wanted: Wanted,
) -> Collected {
    let kind = format!("attachments of {wanted:?}");
    let key = state.key(&kind, &[&repository.to_string(), digest.as_str()], credentials);
    if state.negative_cache.contains(&key) {
        return Collected::default();
    }
    let (shared, repository, digest) = (Arc::clone(state), repository.clone(), digest.clone());
    let context = RequestContext::new(credentials.clone(), state.limits(), share.clone());
    let work = async move {
        let (repository, digest) = (&repository, &digest);
        let state = &shared;
        let search = Search { state, image: repository, repository, digest, context: &context, wanted };
        let collected = awaited(search).await;
        if collected.is_nothing() && collected.unfetched.is_empty() {
            shared.negative_cache.insert(key);
        }
        collected
    };
    state.collecting.join_in(share, key, work).await.unwrap_or_else(|| {
        let mut lost = Collected::default();
        lost.problem("signatures", RegistryError::Lost);
        lost
    })
}

/// As [`super::Registry::referrers`].
pub(super) async fn written_referrers(
    state: &Arc<RegistryState>,
    (repository, digest): (&Repository, &Digest),
    credentials: &Credentials,
    wanted: Wanted,
) -> Collected {
    let context = &RequestContext::pushing(credentials.clone(), state.limits(), state.share(repository));
    referrers::bundles(&Search { state, image: repository, repository, digest, context, wanted }).await
}

/// As [`attachments`], repeated for [`super::Limits::wait_for_signature`] while nothing is attached.
async fn awaited(own: Search<'_>) -> Collected {
    let Search { state, repository, context, .. } = own;
    let until = Instant::now() + state.limits().wait_for_signature;
    loop {
        // No permit is held while waiting for a signer.
        match state.lookups.take(repository.domain()).await {
            Ok(permit) => context.begin_turn(permit),
            Err(error) => {
                let mut none = Collected::default();
                none.problem("signatures", error);
                return none;
            }
        }
        // Boxed, so that futures that wait for a permit are small.
        let collected = Box::pin(collect(own)).await;
        context.end_turn();
        if !collected.is_nothing() || Instant::now() >= until {
            return collected;
        }
        tokio::time::sleep_until(until.min(Instant::now() + LOOK_AGAIN)).await;
    }
}

/// Reads all places where signatures of this repository may be.
async fn collect(own: Search<'_>) -> Collected {
    let Search { state, repository, digest, context, .. } = own;
    let Some(source) = source_of(&state.sources, repository) else {
        return search(own).await.refusals_hiding_nothing();
    };
    let of_image = async {
        match source.image {
            true => search(own).await.refusals_hiding_nothing(),
            false => Collected::default(),
        }
    };
    let other = async {
        let Some(other) = &source.repository else { return Collected::default() };
        // The credentials of the pull are for the image's registry only.
        let anonymous = context.without_credentials(state.limits());
        let context = if other.domain() == repository.domain() { context } else { &anonymous };
        search(Search { repository: other, context, ..own }).await
    };
    let local = async {
        let Some(root) = source.directory.clone() else { return Collected::default() };
        let (repository, digest, limits) = (repository.clone(), digest.clone(), *state.limits());
        let read = move || directory::collect(&root, &repository, &digest, &limits);
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| {
            let mut lost = Collected::default();
            lost.problem("directory", RegistryError::Lost);
            lost
        })
    };
    let beside = async {
        match source.lookaside.as_ref().filter(|_| own.wanted.gpg) {
            Some(lookaside) => lookaside::signatures(&own, lookaside).await,
            None => Collected::default(),
        }
    };
    let listed = async {
        match source.grafeas.as_ref().filter(|_| own.wanted.grafeas) {
            Some(grafeas) => grafeas::attestations(&own, grafeas).await,
            None => Collected::default(),
        }
    };
    let (mut collected, other, local, beside, listed) = tokio::join!(of_image, other, local, beside, listed);
    for more in [other, local, beside.hiding_nothing(), listed.hiding_nothing()] {
        collected.add(more);
    }
    collected
}

/// Searches one repository for what is attached to an image, which may be in another one.
async fn search(search: Search<'_>) -> Collected {
    let (signatures, bundles, attestations) = tokio::join!(
        classic::signatures(&search),
        referrers::bundles(&search),
        envelopes::attestations(&search)
    );
    let mut collected = signatures.hiding_nothing();
    collected.add(bundles);
    collected.add(attestations);
    collected
}

/// One search, and what its parts share.
#[derive(Clone, Copy)]
struct Search<'a> {
    state: &'a Arc<RegistryState>,
    /// Where it searches.
    repository: &'a Repository,
    /// The repository of the image, which signatures name.
    image: &'a Repository,
    digest: &'a Digest,
    context: &'a RequestContext,
    wanted: Wanted,
}

impl Search<'_> {
    fn fetch(&self) -> Fetch {
        Fetch {
            state: Arc::clone(self.state),
            repository: self.repository.clone(),
            context: self.context.clone(),
        }
    }
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
