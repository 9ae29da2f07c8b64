//! The operator's own credentials, for pulls without credentials.
//!
//! They are looked up by the host that is really talked to, so a mirror never gets what is meant for another host.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::credentials::Offer;
use super::error::RegistryError;
use super::hosts::Host;
use super::limits::Limits;
use pullgate_net::secret;

mod acr;
mod docker;

pub use acr::AcrSettings;

/// Where the operator's credentials are. It holds names of files, no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    /// User names and passwords by host.
    pub credentials: Vec<HostCredential>,
    /// A docker `config.json` with `auths`.
    pub docker_config: Option<PathBuf>,
    /// Instances of Alibaba Cloud Container Registry (Enterprise Edition) that give out temporary passwords. No two of
    /// them have a host in common.
    pub acr: Vec<AcrSettings>,
}

/// One user of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCredential {
    /// The host as it is asked: a name or an address, and the port if there is one; `docker.io` for Docker Hub.
    pub host: String,
    /// The user's name.
    pub username: String,
    /// A file that holds the password, readable by its owner (and group) only.
    pub password_file: PathBuf,
}

/// The operator's credentials, and those that were made of them.
#[derive(Debug)]
pub(super) struct Keychain {
    credentials: Vec<HostCredential>,
    docker: Option<docker::Config>,
    acr: Vec<acr::Acr>,
}

impl Keychain {
    pub(super) fn new(keyring: Keyring, user_agent: &str, limits: &Limits) -> Self {
        let Keyring { credentials, docker_config, acr } = keyring;
        let acr = acr.into_iter().map(|acr| acr::Acr::new(acr, user_agent, limits)).collect();
        Self { credentials, docker: docker_config.map(docker::Config::new), acr }
    }

    /// What the operator has for `host`, and nothing when that is nothing: first the host's own entry, then the docker
    /// configuration, then ACR.
    ///
    /// # Errors
    /// When there is something and it cannot be had. Going on without it would ask another question.
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
        match self.acr.iter().find(|acr| acr.speaks_for(&host.authority)) {
            Some(acr) => acr.offer(host).await,
            None => Ok(Offer::default()),
        }
    }
}

/// Docker Hub has several names and one host.
fn canonical(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    }
}
