//! A client of OCI registries that takes nothing on trust.
//!
//! It asks the hosts that containerd would ask (see `hosts`), with the credentials of the very request, within bounds on
//! time and bytes, and believes only what it has hashed itself. What it cannot read is an error of a kind that says
//! whether the registry said "no" or could not be asked.
//!
//! Sources: the OCI distribution specification 1.1 and containerd's `core/remotes/docker`.

use std::path::PathBuf;
use std::sync::Arc;

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
pub use manifest::{ImageRefs, IndexEntry, OCI_INDEX, OCI_MANIFEST, parse_refs};
pub use platform::Platform;
pub use request_context::retry_delay;
pub use resolve::Resolved;
pub use sources::SignatureSource;
pub use upload::{Condition, ManifestUpload, PutResult, Stored, Target};

/// How registries are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// containerd's `config_path`, taken apart: directories that hold a directory for each registry host.
    pub hosts_directories: Vec<PathBuf>,
    /// containerd's own configuration file: when it sets `config_path`, that is used instead of `hosts_directories`.
    pub containerd_config: Option<PathBuf>,
    /// Hosts of token services that get credentials although they are not near the registry that names them.
    pub token_services: Vec<String>,
    /// The operator's credentials, for pulls without credentials.
    pub keyring: Keyring,
    /// Where signatures are looked for; beside the image, where no scope says otherwise.
    pub sources: Vec<SignatureSource>,
    /// The bounds.
    pub limits: Limits,
    /// What we call ourselves.
    pub user_agent: String,
}

impl Default for Settings {
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

/// The registries of the world. Cheap to make and to clone; connections, tokens and roots are shared by the clones and
/// come into being when they are first needed.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hosts: hosts::Hosts,
    host_client: host_client::HostClient,
    sources: Vec<SignatureSource>,
    /// Questions by registry.
    questions: concurrency_limit::ConcurrencyLimit,
    resolving: SingleFlight<Result<Resolved, RegistryError>>,
    collecting: SingleFlight<Collected>,
    negative_cache: negative_cache::NegativeCache,
    /// Writes by tag.
    writes: concurrency_limit::ConcurrencyLimit,
}

impl Registry {
    /// A client with these settings. Opens no file and no connection.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
        let Settings {
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
        let questions = concurrency_limit::ConcurrencyLimit::new(
            limits.questions.div_ceil(4),
            limits.questions,
            limits.turn,
        );
        let negative_cache = negative_cache::NegativeCache::new(limits.negative_cache);
        let concurrency_limit =
            concurrency_limit::ConcurrencyLimit::new(limits.requests, usize::MAX, limits.turn);
        let cooldowns = cooldowns::Cooldowns::new(limits.max_retry_after);
        let host_client = host_client::HostClient {
            clients,
            tokens,
            limits,
            keychain,
            concurrency_limit,
            cooldowns,
            trusted: token_services,
            large: tokio::sync::Semaphore::new(limits::LARGE_ANSWERS),
        };
        let hosts = hosts::Hosts::new(hosts_directories, containerd_config);
        let (resolving, collecting) = Default::default();
        let writes = concurrency_limit::ConcurrencyLimit::new(1, usize::MAX, limits::WRITERS);
        let inner =
            Inner { hosts, host_client, sources, questions, resolving, collecting, negative_cache, writes };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What is odd about the host configuration of a registry, for the log: files that are ignored, as containerd
    /// ignores them, and lines that versions of containerd disagree about. `domain` is as in an image's name.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub fn warnings(&self, domain: &str) -> Result<Vec<String>, RegistryError> {
        Ok(self.inner.hosts.of(domain)?.warnings.clone())
    }

    /// What is odd about the configuration of hosts as a whole, for a log at start: containerd's own configuration, and
    /// every `hosts.toml`. Reads all of them; what changes later is logged when it is read.
    #[must_use]
    pub fn check_hosts(&self) -> Vec<String> {
        self.inner.hosts.check()
    }

    /// Forgets where there was no signature.
    pub fn clear_negative_cache(&self) {
        self.inner.negative_cache.forget();
    }

    /// What tells a question from others: what is asked, and as whom.
    pub fn key(&self, kind: &str, question: &[&str], credentials: &Credentials) -> single_flight::Key {
        let mut fields = vec![kind.as_bytes()];
        fields.extend(question.iter().map(|text| text.as_bytes()));
        fields.extend(credentials.fields());
        self.inner.host_client.tokens.keyed(&fields)
    }

    /// The bounds of this client.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.host_client.limits
    }
}
