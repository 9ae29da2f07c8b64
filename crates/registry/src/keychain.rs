//! The operator's own credentials, for pulls without credentials.
//!
//! They are looked up by the host of the request, so a mirror never gets the credentials of another host.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

use super::credentials::Offer;
use super::error::RegistryError;
use super::hosts::Host;
use super::limits::Limits;
use pullgate_net::secret;

mod acr;
pub(crate) mod answer;
pub(crate) mod docker;
mod image_glob;
mod plugin;
mod program;

pub use acr::AcrSettings;
pub use image_glob::ImageGlob;
pub(crate) use image_glob::ImageName;
pub use plugin::{CredentialProgram, CredentialProtocol};
pub use program::Environment;

/// Credential programs that run at the same time. They share the memory and the tasks of the daemon's unit.
const PROGRAMS: usize = 2;

/// Where the operator's credentials are: names of files, no secret but in the environment of programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    pub credentials: Vec<HostCredential>,
    /// A docker `config.json` with `auths`.
    pub docker_config: Option<PathBuf>,
    /// Instances of Alibaba Cloud Container Registry (Enterprise Edition) that give temporary passwords. No host belongs to
    /// two of them.
    pub acr: Vec<AcrSettings>,
    /// Programs that print credentials, for images for which there are no others.
    pub programs: Vec<CredentialProgram>,
    /// Whether everybody can read the file in which the environment of these programs is.
    pub is_world_readable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCredential {
    /// A name or an address, with the port if the image's name has one; `docker.io` for Docker Hub.
    pub host: String,
    pub username: String,
    /// A file with the password, readable only by its owner (and group).
    pub password_file: PathBuf,
}

/// The operator's credentials, and temporary ones that they were exchanged for.
#[derive(Debug)]
pub(super) struct Keychain {
    credentials: Vec<HostCredential>,
    docker: Option<docker::Config>,
    acr: Vec<acr::Acr>,
    plugins: Vec<Arc<plugin::Plugin>>,
}

impl Keychain {
    pub(super) fn new(keyring: Keyring, limits: &Limits) -> Self {
        let Keyring { credentials, docker_config, acr, programs, is_world_readable: _ } = keyring;
        let acr = acr.into_iter().map(|acr| acr::Acr::new(acr, limits)).collect();
        let turns = Arc::new(Semaphore::new(PROGRAMS));
        let plugins = programs.into_iter().map(|program| plugin::Plugin::new(program, Arc::clone(&turns)));
        let docker = docker_config.map(docker::Config::new);
        Self { credentials, docker, acr, plugins: plugins.collect() }
    }

    /// The operator's credentials for `host`, empty without any: first the host's own entry, then the docker
    /// configuration, then ACR.
    ///
    /// # Errors
    /// When configured credentials cannot be read. An anonymous request instead could get another answer.
    pub(super) async fn offer(&self, host: &Host, repository: &str) -> Result<Offer, RegistryError> {
        let unusable = |reason: String| RegistryError::Configuration { host: host.authority.clone(), reason };
        if let Some(entry) = self.credentials.iter().find(|entry| canonical(&entry.host) == host.authority) {
            let secret = secret::read(&entry.password_file).map_err(unusable)?;
            return Ok(Offer { username: Zeroizing::new(entry.username.clone()), secret });
        }
        if let Some(docker) = &self.docker
            && let Some(offer) = docker.offer(&host.authority, repository).map_err(unusable)?
        {
            return Ok(offer);
        }
        match self.acr.iter().find(|acr| acr.has_host(&host.authority)) {
            Some(acr) => acr.offer(host).await,
            None => Ok(Offer::default()),
        }
    }

    /// The credentials that programs print for `host`, which has no others; empty without any. A program that fails gives
    /// none, as in kubelet; then also why, for the message if the registry requires credentials. `before_wait` is called
    /// before it waits for a program.
    pub(super) async fn print(
        &self,
        host: &Host,
        repository: &str,
        printed: &Printed,
        before_wait: impl FnOnce(),
    ) -> Offered {
        if self.plugins.is_empty() {
            return Offered::default();
        }
        let registry = if host.authority == HUB { "docker.io" } else { &host.authority };
        let image = ImageName { registry: registry.to_owned(), repository: repository.to_owned() };
        let mut printed = printed.lock().await;
        if let Some((_, offered)) = printed.iter().find(|(known, _)| *known == image) {
            return offered.clone();
        }
        if self.plugins.iter().any(|plugin| plugin.is_slow_for(&image)) {
            before_wait();
        }
        let offered = plugin::offer(&self.plugins, &image).await;
        if printed.len() >= MAX_PRINTED {
            printed.remove(0);
        }
        printed.push((image, offered.clone()));
        offered
    }
}

/// What programs printed for the last images of one lookup: its requests share it, whatever the cache does. The names are
/// those of the image and of its signatures, at each mirror.
pub(super) type Printed = Arc<Mutex<Vec<(ImageName, Offered)>>>;

const MAX_PRINTED: usize = 16;

/// Credentials, and why there may be less of them than there should be.
pub(super) type Offered = (Offer, Option<Arc<str>>);

/// The host of Docker Hub.
const HUB: &str = "registry-1.docker.io";

/// Docker Hub has several names for one host.
fn canonical(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => HUB,
        other => other,
    }
}
