//! A client of OCI registries that takes nothing on trust.
//!
//! It asks the hosts that containerd would ask (see `hosts`), with the credentials of the very request, within bounds on
//! time and bytes, and believes only what it has hashed itself. What it cannot read is an error of a kind that says
//! whether the registry said "no" or could not be asked.
//!
//! Sources: the OCI distribution specification 1.1 and containerd's `core/remotes/docker`.

use std::path::PathBuf;
use std::sync::Arc;

mod attachments;
mod challenge;
mod clients;
mod credentials;
mod document;
mod error;
mod exchange;
mod failure;
mod hosts;
pub mod limits;
mod platform;
mod reach;
mod realm;
mod redirect;
mod resolve;
mod stamp;
mod tls;
mod token;
mod upload;
mod walk;

pub use attachments::{
    AttachmentProblem, Collected, PAYLOAD as PAYLOAD_MEDIA_TYPE, SIGNATURE as SIGNATURE_ANNOTATION,
    signature_tag,
};
pub use credentials::Credentials;
pub use document::{Contents, Listed, OCI_MANIFEST, contents};
pub use error::{Class, RegistryError};
pub use limits::Limits;
pub use platform::Platform;
pub use resolve::Resolved;
pub use upload::{Stored, Target};

/// How registries are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// containerd's `config_path`, taken apart: directories that hold a directory for each registry host.
    pub hosts_directories: Vec<PathBuf>,
    /// Hosts of token services that get credentials although they are not near the registry that names them.
    pub token_services: Vec<String>,
    /// The bounds.
    pub limits: Limits,
    /// What we call ourselves.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts_directories: Vec::new(),
            token_services: Vec::new(),
            limits: Limits::default(),
            user_agent: concat!("pullgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
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
    exchange: exchange::Exchange,
}

impl Registry {
    /// A client with these settings. Opens no file and no connection.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
        let Settings { hosts_directories, token_services, limits, user_agent } = settings;
        let clients = clients::Clients::new(user_agent, &limits);
        let tokens = token::Tokens::new(clients.provider())?;
        let exchange = exchange::Exchange { clients, tokens, limits, trusted: token_services };
        Ok(Self { inner: Arc::new(Inner { hosts: hosts::Hosts::new(hosts_directories), exchange }) })
    }

    /// What is odd about the host configuration of a registry, for the log: files that are ignored, as containerd
    /// ignores them, and lines that versions of containerd disagree about. `domain` is as in an image's name.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub fn warnings(&self, domain: &str) -> Result<Vec<String>, RegistryError> {
        Ok(self.inner.hosts.of(domain)?.warnings.clone())
    }

    fn limits(&self) -> &Limits {
        &self.inner.exchange.limits
    }
}
