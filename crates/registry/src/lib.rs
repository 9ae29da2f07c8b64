//! A client of OCI registries that verifies what it reads.
//!
//! It contacts the hosts that containerd would contact (see `hosts`), with the credentials of the pull, within limits on
//! time and bytes, and trusts only what it has hashed itself. The class of an error says whether the registry answered "not
//! found" or did not answer.
//!
//! Sources: the OCI distribution specification 1.1 and containerd's `core/remotes/docker`.

use std::path::PathBuf;
use std::sync::Arc;

use pullgate_net::memory::MemoryBudget;
use pullgate_net::single_flight::{self, SingleFlight};

mod address_scope;
mod attachments;
mod challenge;
mod client_pool;
mod concurrency_limit;
mod cooldowns;
mod credentials;
mod error;
mod failure;
mod file_stamp;
mod host_client;
mod host_request;
mod hosts;
mod keychain;
pub mod limits;
mod listing;
mod manifest;
mod mirrors;
mod negative_cache;
mod platform;
mod realm;
mod redirect;
mod request_context;
mod resolve;
mod sources;
mod token;
mod upload;

pub use attachments::{
    AttachmentProblem, Collected, PAYLOAD as PAYLOAD_MEDIA_TYPE, SIGNATURE as SIGNATURE_ANNOTATION,
    fallback_tag, is_attachment_tag, signature_tag,
};
pub use concurrency_limit::Permit;
pub use credentials::{AuthConfig, Credentials};
pub use error::{Bound, Class, RegistryError};
pub use keychain::{AcrSettings, HostCredential, Keyring};
pub use limits::Limits;
pub use listing::{RepositoryPages, TagPages};
pub use manifest::{ImageRefs, IndexEntry, OCI_INDEX, OCI_MANIFEST, parse_refs, read_refs};
pub use platform::Platform;
pub use request_context::retry_delay;
pub use resolve::Resolved;
pub use sources::SignatureSource;
pub use upload::{Condition, ManifestUpload, PutResult, Stored, Target};

/// Settings of a [`Registry`].
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The directories in containerd's `config_path`; each has a directory per registry host.
    pub hosts_directories: Vec<PathBuf>,
    /// containerd's configuration file: if it sets `config_path`, that replaces `hosts_directories`.
    pub containerd_config: Option<PathBuf>,
    /// Hosts of token services that get credentials although they are not related to the registry that names them.
    pub token_services: Vec<String>,
    /// The operator's credentials, for pulls without credentials.
    pub keyring: Keyring,
    /// Where signatures are looked up; in the image's repository if no scope matches.
    pub sources: Vec<SignatureSource>,
    pub limits: Limits,
    /// The header User-Agent.
    pub user_agent: String,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            hosts_directories: Vec::new(),
            containerd_config: None,
            token_services: Vec::new(),
            keyring: Keyring::default(),
            sources: Vec::new(),
            limits: Limits::default(),
            user_agent: concat!("pullgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Where containerd looks for `hosts.toml` files when its configuration names no directory (2.2 and newer).
#[must_use]
pub fn default_hosts() -> Vec<PathBuf> {
    ["/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from).into()
}

/// A client for all registries. Cheap to create and to clone; the clones share connections, tokens and TLS roots, which are
/// created when first needed.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hosts: hosts::Hosts,
    host_client: host_client::HostClient,
    sources: Vec<SignatureSource>,
    /// Limits lookups per registry.
    lookups: concurrency_limit::ConcurrencyLimit,
    resolving: SingleFlight<Result<Resolved, RegistryError>>,
    collecting: SingleFlight<Collected>,
    negative_cache: negative_cache::NegativeCache,
    /// Limits writes per tag.
    writes: concurrency_limit::ConcurrencyLimit,
}

impl Registry {
    /// Opens no file and no connection.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let RegistrySettings {
            hosts_directories,
            containerd_config,
            token_services,
            keyring,
            sources,
            limits,
            user_agent,
        } = settings;
        let clients = client_pool::ClientPool::new(user_agent, &limits);
        let tokens = token::Tokens::new(clients.provider())?;
        let keychain = keychain::Keychain::new(keyring, clients.user_agent(), &limits);
        let lookups = concurrency_limit::ConcurrencyLimit::new(
            limits.concurrent_pulls.div_ceil(4),
            limits.concurrent_pulls,
            limits.queue_timeout,
        );
        let negative_cache = negative_cache::NegativeCache::new(limits.negative_cache_ttl);
        let concurrency_limit = concurrency_limit::ConcurrencyLimit::new(
            limits.max_requests_per_host,
            usize::MAX,
            limits.queue_timeout,
        );
        let cooldowns = cooldowns::Cooldowns::new(limits.max_retry_after);
        let host_client = host_client::HostClient {
            clients,
            tokens,
            limits,
            keychain,
            concurrency_limit,
            cooldowns,
            trusted: token_services,
            memory: MemoryBudget::new(limits.memory),
        };
        let hosts = hosts::Hosts::new(hosts_directories, containerd_config);
        let (resolving, collecting) = Default::default();
        let writes = concurrency_limit::ConcurrencyLimit::new(1, usize::MAX, limits::WRITERS);
        let inner =
            Inner { hosts, host_client, sources, lookups, resolving, collecting, negative_cache, writes };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Warnings about the host configuration of a registry: files that are ignored, as containerd ignores them, and lines
    /// that versions of containerd read differently. `domain` is as in an image's name.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub fn warnings(&self, domain: &str) -> Result<Vec<String>, RegistryError> {
        Ok(self.inner.hosts.of(domain)?.warnings.clone())
    }

    /// Warnings about containerd's own configuration and every `hosts.toml`, for the log at start. Reads all of them; later
    /// changes are logged when they are read.
    #[must_use]
    pub fn check_hosts(&self) -> Vec<String> {
        self.inner.hosts.check()
    }

    pub fn clear_negative_cache(&self) {
        self.inner.negative_cache.clear();
    }

    /// The key of a lookup: what is requested, with which credentials.
    pub fn key(&self, kind: &str, lookup: &[&str], credentials: &Credentials) -> single_flight::Key {
        let mut fields = vec![kind.as_bytes()];
        fields.extend(lookup.iter().map(|text| text.as_bytes()));
        fields.extend(credentials.fields());
        self.inner.host_client.tokens.keyed(&fields)
    }

    /// The memory for documents and requests.
    #[must_use]
    pub fn memory(&self) -> &MemoryBudget {
        &self.inner.host_client.memory
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.host_client.limits
    }
}
