//! `[registry]`: which hosts stand for a registry, and who is trusted with credentials.

use std::path::PathBuf;
use std::time::Duration;

use super::super::document::{Document, Table};
use super::super::duration::parse_duration;
use super::{credentials, sources};
use crate::registry::{Keyring, SignatureSource};
use pullgate_config::values::{is_host, read_path, section};

/// The keys of `[registry]`.
const KEYS: [&str; 8] = [
    "hosts",
    "containerd-config",
    "token-services",
    "wait-for-signature",
    "docker-config",
    "credential",
    "acr",
    "signatures",
];

/// The most token services that are named.
const MAX_SERVICES: usize = 64;

/// The longest wait for a signature: a kubelet gives up on a pull that makes no progress after a minute.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// `[registry]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Directories of `hosts.toml` files, as containerd's `config_path` names them. `None`: as containerd's own
    /// configuration says.
    pub hosts: Option<Vec<PathBuf>>,
    /// containerd's own configuration, which is read for its `config_path`.
    pub containerd_config: PathBuf,
    /// Hosts of token services that get credentials although they are not near the registry that names them.
    pub token_services: Vec<String>,
    /// How long to wait for the first signature of an image that has none.
    pub wait_for_signature: Duration,
    /// The operator's credentials, for pulls without credentials.
    pub keyring: Keyring,
    /// Where signatures are looked for, by scope; beside the image where there is none.
    pub sources: Vec<SignatureSource>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            hosts: None,
            containerd_config: PathBuf::from("/etc/containerd/config.toml"),
            token_services: Vec::new(),
            wait_for_signature: Duration::ZERO,
            keyring: Keyring::default(),
            sources: Vec::new(),
        }
    }
}

impl Registry {
    /// Where containerd looks when its configuration names no directory (2.2 and newer).
    #[must_use]
    pub fn default_hosts() -> Vec<PathBuf> {
        ["/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from).into()
    }

    pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> Self {
        let mut registry = Self::default();
        let Some(mut table) = section(document, root, "registry", &KEYS) else { return registry };
        registry.hosts = read_hosts(document, &mut table);
        if let Some((path, _)) = read_path(document, &mut table, "containerd-config") {
            registry.containerd_config = path;
        }
        if let Some(services) = read_services(document, &mut table) {
            registry.token_services = services;
        }
        if let Some(wait) = read_wait(document, &mut table) {
            registry.wait_for_signature = wait;
        }
        registry.keyring.docker_config = credentials::read_docker_config(document, &mut table);
        if let Some(value) = table.take("credential") {
            registry.keyring.credentials = credentials::read_credentials(document, value);
        }
        if let Some(value) = table.take("signatures") {
            registry.sources = sources::read_sources(document, value);
        }
        if let Some(value) = table.take("acr") {
            registry.keyring.acr = credentials::read_acr(document, value);
        }
        registry
    }
}

/// `/a:/b`, as containerd takes its `config_path` apart.
fn read_hosts(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Vec<PathBuf>> {
    let value = table.take("hosts")?;
    let (text, span) = document.string(value, "`hosts`")?;
    let paths: Vec<PathBuf> = std::env::split_paths(&text).collect();
    if text.contains('\0') || text.contains("://") || paths.iter().any(|path| !path.is_absolute()) {
        let hint = "write each directory from `/` on, with `:` between two, as in containerd's config_path";
        document.problem(span, "`hosts` is not a list of absolute paths", hint);
        return None;
    }
    Some(paths)
}

fn read_services(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Vec<String>> {
    let value = table.take("token-services")?;
    let span = value.span.clone();
    let values = document.array(value, "`token-services`", "an array of host names")?;
    if values.len() > MAX_SERVICES {
        document.problem(span, format!("`token-services` has more than {MAX_SERVICES} hosts"), "shorten it");
        return None;
    }
    let mut services = Vec::new();
    for value in values {
        let Some((host, span)) = document.string(value, "a host in `token-services`") else { continue };
        if is_host(&host) {
            services.push(host);
        } else {
            let hint =
                "write it as `auth.example.com`, or with its port, without `https://` and without stars";
            document.problem(span, "not the name of a host in `token-services`", hint);
        }
    }
    Some(services)
}

fn read_wait(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Duration> {
    let (text, span) = document.string(table.take("wait-for-signature")?, "`wait-for-signature`")?;
    let wait = parse_duration(&text).filter(|wait| *wait <= MAX_WAIT);
    if wait.is_none() {
        let hint = "write it as \"500ms\" or \"20s\"; it may be from 0s to 1m";
        document.problem(span, "`wait-for-signature` is not a time up to 1m", hint);
    }
    wait
}
