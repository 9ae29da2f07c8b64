//! Settings of the client.

use std::path::PathBuf;

use super::keychain::Keyring;
use super::limits::Limits;
use super::sources::SignatureSource;

/// Settings of a [`super::Registry`].
#[derive(Clone, Debug, Default)]
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
}

/// Where containerd looks for `hosts.toml` files when its configuration names no directory (2.2 and newer).
#[must_use]
pub fn default_hosts() -> Vec<PathBuf> {
    ["/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from).into()
}
