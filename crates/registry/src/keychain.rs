//! The operator's own credentials, for pulls without credentials.
//!
//! They are looked up by the host of the request, so a mirror never gets the credentials of another host.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::credentials::Offer;
use super::error::RegistryError;
use super::hosts::Host;
use super::limits::Limits;
use pullgate_net::secret;

mod acr;
pub(crate) mod docker;

pub use acr::AcrSettings;

/// Where the operator's credentials are: names of files, no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    pub credentials: Vec<HostCredential>,
    /// A docker `config.json` with `auths`.
    pub docker_config: Option<PathBuf>,
    /// Instances of Alibaba Cloud Container Registry (Enterprise Edition) that give temporary passwords. No host belongs to
    /// two of them.
    pub acr: Vec<AcrSettings>,
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
}

impl Keychain {
    pub(super) fn new(keyring: Keyring, limits: &Limits) -> Self {
        let Keyring { credentials, docker_config, acr } = keyring;
        let acr = acr.into_iter().map(|acr| acr::Acr::new(acr, limits)).collect();
        Self { credentials, docker: docker_config.map(docker::Config::new), acr }
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
}

/// Docker Hub has several names for one host.
fn canonical(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    }
}
