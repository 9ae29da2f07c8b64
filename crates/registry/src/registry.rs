//! The client's interface. Each method is one call of the module that does the work.

use std::sync::Arc;

use bytes::Bytes;
use pullgate_net::memory::{MemoryBudget, Share};
use pullgate_net::single_flight::Key;

use http::HeaderValue;

use super::artifact::{self, Artifact};
use super::attachments::{self, Collected, Wanted};
use super::concurrency_limit::Permit;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::limits::Limits;
use super::listing::{self, Pages};
use super::request_counts::RequestCounts;
use super::resolve;
use super::resolved::Resolved;
use super::settings::RegistrySettings;
use super::state::RegistryState;
use super::upload::Writer;
use pullgate_core::digest::Digest;
use pullgate_core::reference::{Reference, Repository};

/// A client for all registries. Cheap to create and to clone; the clones share connections, tokens and TLS roots, which are
/// created when first needed.
#[derive(Clone, Debug)]
pub struct Registry {
    state: Arc<RegistryState>,
}

impl Registry {
    /// Opens no file and no connection.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        Ok(Self { state: Arc::new(RegistryState::new(settings)?) })
    }

    /// Warnings about the host configuration of a registry: files that are ignored, as containerd ignores them, and lines
    /// that versions of containerd read differently. `domain` is as in an image's name.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub fn warnings(&self, domain: &str) -> Result<Vec<String>, RegistryError> {
        self.state.warnings(domain)
    }

    /// Warnings about containerd's own configuration and every `hosts.toml`, for the log at start. Reads all of them; later
    /// changes are logged when they are read.
    #[must_use]
    pub fn check_hosts(&self) -> Vec<String> {
        self.state.hosts.check()
    }

    /// Forgets which images had nothing attached.
    pub fn clear_negative_cache(&self) {
        self.state.negative_cache.clear();
    }

    /// The key of a lookup: what is requested, with which credentials.
    pub fn key(&self, kind: &str, lookup: &[&str], credentials: &Credentials) -> Key {
        self.state.key(kind, lookup, credentials)
    }

    /// The memory for documents and requests.
    #[must_use]
    pub fn memory(&self) -> &MemoryBudget {
        &self.state.host_client.memory
    }

    /// The requests of all clones since the first was made.
    #[must_use]
    pub fn request_counts(&self) -> &RequestCounts {
        &self.state.host_client.counts
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.state.limits()
    }

    /// Fetches the manifest or index of a reference, and hashes it.
    ///
    /// The hosts are those that containerd uses for the same reference: for a tag those with the capability to resolve, for
    /// a digest those to pull from. Equal lookups at the same time, with equal credentials, share one request. There is no
    /// HEAD, and the header `Docker-Content-Digest` can only make it fail.
    ///
    /// # Errors
    /// When no host has it, or the first answer is not unambiguously an image.
    pub async fn resolve(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Resolved, RegistryError> {
        self.resolve_for(&self.state.share(reference.repository()), reference, credentials).await
    }

    /// As [`Registry::resolve`], with the memory of one lookup.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub async fn resolve_for(
        &self,
        share: &Share,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Resolved, RegistryError> {
        resolve::resolve(&self.state, share, reference, credentials).await
    }

    /// The artifact with one layer of this media type under a reference. `None` if the registry says that it has not changed
    /// since a response with the header ETag `seen`.
    ///
    /// # Errors
    /// When no host has it, or the first answer is not such an artifact.
    pub async fn artifact(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        media_type: &str,
        seen: Option<&HeaderValue>,
    ) -> Result<Option<Artifact>, RegistryError> {
        artifact::artifact(&self.state, reference, credentials, (media_type, seen)).await
    }

    /// The layer of an artifact, of at most `limit` bytes, compared with its digest.
    ///
    /// # Errors
    /// When no host has it, or it is larger or something else.
    pub async fn artifact_layer(
        &self,
        repository: &Repository,
        credentials: &Credentials,
        artifact: &Artifact,
        limit: u64,
    ) -> Result<Bytes, RegistryError> {
        artifact::layer(&self.state, repository, credentials, (artifact, limit)).await
    }

    /// Collects what is attached to `digest` in `repository`.
    ///
    /// Envelopes of the Notary Project and GPG signatures are fetched only if they are `wanted`: they cost requests that
    /// nobody else needs.
    ///
    /// Equal lookups at the same time, with equal credentials, share one request; "nothing is attached" is cached for
    /// [`Limits::negative_cache_ttl`]. It never fails as a whole: see [`Collected`]. Nothing is verified but that
    /// bytes match their descriptors, that a referrer's subject is this digest, and that all is within the limits.
    pub async fn attachments(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
    ) -> Collected {
        let share = self.state.share(repository);
        self.attachments_for(&share, (repository, digest), credentials, Wanted::default()).await
    }

    /// As [`Registry::attachments`], with the memory of one lookup.
    pub async fn attachments_for(
        &self,
        share: &Share,
        image: (&Repository, &Digest),
        credentials: &Credentials,
        wanted: Wanted,
    ) -> Collected {
        attachments::attachments(&self.state, share, image, credentials, wanted).await
    }

    /// The referrers with signatures that are attached to `digest` now at the host that is written to, for a caller that is
    /// about to add one.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: &Credentials,
        wanted: Wanted,
    ) -> Collected {
        attachments::written_referrers(&self.state, (repository, digest), credentials, wanted).await
    }

    /// The repository at the host that is written to.
    pub fn writer<'a>(&'a self, repository: &'a Repository, credentials: &'a Credentials) -> Writer<'a> {
        Writer { state: &self.state, repository, credentials }
    }

    /// Waits until no other task of this process writes under the tag. The lock is the permit.
    ///
    /// # Errors
    /// When others write for ten minutes.
    pub async fn lock_tag(&self, repository: &Repository, tag: &str) -> Result<Permit, RegistryError> {
        self.state.writes.take(&format!("{repository}:{tag}")).await
    }

    /// The repositories of the registry `domain`, at most `most`.
    ///
    /// # Errors
    /// When no host may be used.
    pub fn repository_pages(
        &self,
        domain: &str,
        credentials: &Credentials,
        most: usize,
    ) -> Result<Pages<Repository>, RegistryError> {
        listing::repository_pages(&self.state, domain, credentials, most)
    }

    /// The tags of a repository, at most `most`.
    ///
    /// # Errors
    /// When no host may be used.
    pub fn tag_pages(
        &self,
        repository: &Repository,
        credentials: &Credentials,
        most: usize,
    ) -> Result<Pages<String>, RegistryError> {
        listing::tag_pages(&self.state, repository, credentials, most)
    }
}
