//! Which hosts serve a registry, in which order and how: containerd's `hosts.toml`, read as containerd reads it.
//!
//! Source: `core/remotes/docker/config/hosts.go` of containerd 2.2 (`ConfigureHosts`, `loadHostDir`, `parseHostsFile`).
//! Where containerd silently continues with less than the file says, so do we, with a warning: both must contact the same
//! hosts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use super::credentials::Credentials;
use super::error::RegistryError;
use super::file_stamp::FileStamp;
use pullgate_core::untrusted::sanitize;
use pullgate_net::tls::TlsFiles;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

mod address;
mod containerd;
pub(crate) mod file;
mod legacy;
mod rewrite;

pub(super) use address::{is_local, split_host_port};
pub use containerd::sandbox_image;

/// Registries whose hosts are in memory.
const REMEMBERED: usize = 256;

/// One host of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) scheme: Scheme,
    /// Host and port as in the configuration or the image's name.
    pub(super) authority: String,
    /// Path of its API: `/v2`, or what `override_path` says.
    pub(super) path: String,
    pub(super) capabilities: Capabilities,
    /// Sent with each request to this host.
    pub(super) header: HeaderMap,
    pub(super) tls: TlsFiles,
    pub(super) dial_timeout: Option<Duration>,
    /// Other repository paths at this host.
    pub(super) rewrites: rewrite::Rewrites,
    /// Credentials in containerd's own configuration for this host, for pulls without credentials.
    pub(super) credentials: Credentials,
}

impl Host {
    /// A host without configuration.
    pub(super) fn plain(authority: &str) -> Self {
        Self {
            scheme: Scheme::Https,
            authority: authority.to_owned(),
            path: String::new(),
            capabilities: Capabilities::NONE,
            header: HeaderMap::new(),
            tls: TlsFiles::default(),
            dial_timeout: None,
            rewrites: rewrite::Rewrites::default(),
            credentials: Credentials::anonymous(),
        }
    }

    /// Whether requests must name the registry (containerd's `isProxy`).
    pub(super) fn is_proxy_for(&self, domain: &str) -> bool {
        domain != self.authority && !(domain == "docker.io" && self.authority == "registry-1.docker.io")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Https,
    Http,
    /// Plain HTTP is configured together with TLS: HTTPS first, then HTTP once the host has answered in it
    /// (containerd's `NewHTTPFallback`).
    HttpsThenHttp,
}

/// What a host is trusted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capability {
    /// To resolve a tag to a digest.
    Resolve,
    /// To serve content by digest, which is verified.
    Pull,
    /// To be written to.
    Push,
}

impl Capability {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }

    /// As containerd's `Resolve`: a tag needs both capabilities, a digest only `pull`.
    pub(super) fn is_met_by(self, can: Capabilities) -> bool {
        match self {
            Self::Resolve => can.resolve && can.pull,
            Self::Pull => can.pull,
            Self::Push => can.push,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) pull: bool,
    pub(super) resolve: bool,
    pub(super) push: bool,
}

impl Capabilities {
    const ALL: Self = Self { pull: true, resolve: true, push: true };
    const NONE: Self = Self { pull: false, resolve: false, push: false };
}

/// The hosts of one registry, and warnings about the files that configure them.
#[derive(Debug, Default)]
pub(super) struct HostList {
    pub(super) hosts: Vec<Host>,
    pub(super) warnings: Vec<String>,
}

/// The host directories, read again when they change.
#[derive(Debug)]
pub(super) struct Hosts {
    directories: Vec<PathBuf>,
    /// containerd's configuration file, which may name other directories.
    containerd: Option<PathBuf>,
    found: Mutex<Option<Arc<containerd::Found>>>,
    remembered: TtlCache<String, Arc<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    /// containerd's configuration at that time.
    found: Option<Arc<containerd::Found>>,
    directory: Option<PathBuf>,
    stamps: [Option<FileStamp>; 2],
    list: Arc<HostList>,
}

impl Hosts {
    /// Uses `config_path` of the configuration file `containerd`, and `directories` when it sets none.
    pub(super) fn new(directories: Vec<PathBuf>, containerd: Option<PathBuf>) -> Self {
        let remembered = TtlCache::of_entries(REMEMBERED);
        Self { directories, containerd, found: Mutex::default(), remembered }
    }

    /// All warnings about the host configuration of all registries. Reads all of it.
    pub(super) fn check(&self) -> Vec<String> {
        let roots = self.roots();
        let mut warnings = Vec::new();
        if let Some(path) = &self.containerd {
            let found = self.containerd(path);
            warnings.extend(found.warnings.iter().cloned());
            if found.directories.is_none() && !found.names_hosts() && roots.iter().any(|root| root.exists()) {
                warnings.push(format!(
                    "{} sets no config_path, so containerd before 2.2 reads no hosts.toml files, but pullgate reads those \
                     in {}; set config_path in containerd's configuration, or `hosts` in [registry] of pullgate.toml",
                    path.display(),
                    shown(&roots)
                ));
                if found.transfers && roots.iter().filter(|root| root.exists()).count() > 1 {
                    warnings.push(containerd::two_directories(path));
                }
            }
        }
        for root in &roots {
            let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
            let mut paths: Vec<PathBuf> =
                entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
            paths.sort();
            for path in paths.into_iter().take(REMEMBERED) {
                match file::read(&path) {
                    Ok((_, found)) => warnings.extend(found),
                    Err(reason) => warnings.push(reason),
                }
            }
        }
        warnings.iter().map(|warning| sanitize(warning)).collect()
    }

    /// The current host directories.
    fn roots(&self) -> Vec<PathBuf> {
        let found = self.containerd.as_deref().map(|path| self.containerd(path));
        self.roots_by(found.as_deref())
    }

    fn roots_by(&self, found: Option<&containerd::Found>) -> Vec<PathBuf> {
        match found {
            Some(found) if found.names_hosts() => Vec::new(),
            Some(containerd::Found { directories: Some(directories), .. }) => directories.clone(),
            _ => self.directories.clone(),
        }
    }

    fn containerd(&self, path: &Path) -> Arc<containerd::Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.as_ref().filter(|known| known.is_current()) {
            return Arc::clone(known);
        }
        let read = Arc::new(containerd::read(path));
        // Warnings of the first reading are logged at the start of the daemon.
        if found.is_some() {
            for warning in &read.warnings {
                tracing::warn!(%warning, "problem in the host configuration of registries");
            }
            tracing::info!(directories = ?read.directories, "containerd's configuration changed");
        }
        *found = Some(Arc::clone(&read));
        read
    }

    /// The hosts of `domain`, in order.
    pub(super) fn of(&self, domain: &str) -> Result<Arc<HostList>, RegistryError> {
        let unusable = |reason: String| RegistryError::Configuration { host: domain.to_owned(), reason };
        let found = self.containerd.as_deref().map(|path| self.containerd(path));
        if let Some(reason) = found.as_ref().and_then(|found| found.unusable.clone()) {
            return Err(unusable(reason));
        }
        let directory = self.directory(domain, found.as_deref()).map_err(unusable)?;
        let stamps = match &directory {
            Some(directory) => [FileStamp::of(directory), FileStamp::of(&directory.join(file::NAME))],
            None => [None, None],
        };
        if let Some(known) = self.remembered.live(domain)
            && known.directory == directory
            && known.stamps == stamps
            && same(known.found.as_ref(), found.as_ref())
        {
            return Ok(Arc::clone(&known.list));
        }
        let list = match &found {
            Some(found) if found.names_hosts() => {
                found.legacy.hosts(domain).map(|hosts| HostList { hosts, warnings: Vec::new() })
            }
            _ => load(domain, directory.as_deref()),
        };
        let mut list = list.map_err(unusable)?;
        if let Some(found) = &found {
            for host in &mut list.hosts {
                host.credentials = found.legacy.credentials(&host.authority);
                let own = std::mem::replace(&mut host.header, found.headers.clone());
                for (name, value) in &own {
                    host.header.append(name, value.clone());
                }
            }
        }
        let list = Arc::new(list);
        // Once per registry, and again when its files change.
        for warning in &list.warnings {
            tracing::warn!(registry = domain, %warning, "problem in the host configuration of a registry");
        }
        let entry = Arc::new(Remembered { found, directory, stamps, list: Arc::clone(&list) });
        self.remembered.put(domain.to_owned(), entry, 0, Expiry::never());
        Ok(list)
    }

    /// The first existing directory for `domain` (`hostPaths` in `config_unix.go`); directories are never merged.
    fn directory(&self, domain: &str, found: Option<&containerd::Found>) -> Result<Option<PathBuf>, String> {
        for root in self.roots_by(found) {
            let underscored = match domain.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() => Some(format!("{host}_{port}_")),
                _ => None,
            };
            for name in [underscored.as_deref(), Some(domain), Some("_default")].into_iter().flatten() {
                let path = root.join(name);
                match path.try_exists() {
                    Ok(true) => return Ok(Some(path)),
                    Ok(false) => {}
                    Err(error) => return Err(format!("{} cannot be accessed: {error}", path.display())),
                }
            }
        }
        Ok(None)
    }
}

fn same(one: Option<&Arc<containerd::Found>>, other: Option<&Arc<containerd::Found>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

fn load(domain: &str, directory: Option<&Path>) -> Result<HostList, String> {
    let (hosts, warnings) = match directory {
        Some(directory) => file::read(directory)?,
        None => (vec![file::Entry::default()], Vec::new()),
    };
    let warnings = warnings.iter().map(|warning| sanitize(warning)).collect();
    Ok(HostList { hosts: finish(domain, hosts), warnings })
}

/// Completes an entry without a host, and decides the scheme of each.
fn finish(domain: &str, entries: Vec<file::Entry>) -> Vec<Host> {
    entries
        .into_iter()
        .map(|entry| {
            let file::Entry { server, capabilities, mut tls, header, dial_timeout, rewrites } = entry;
            let (mut scheme, authority, path, capabilities) = match server {
                Some(server) => {
                    let scheme = if server.https { Scheme::Https } else { Scheme::Http };
                    (scheme, server.authority, server.path, capabilities)
                }
                None => {
                    // Capabilities at the top of a file without a server are ignored, as in containerd.
                    let (scheme, authority) = default_server(domain, &mut tls);
                    (scheme, authority, "/v2".to_owned(), Capabilities::ALL)
                }
            };
            if scheme == Scheme::Http && tls.is_explicit() && split_host_port(&authority).1 != "80" {
                scheme = Scheme::HttpsThenHttp;
            }
            let credentials = Credentials::anonymous();
            Host { scheme, authority, path, capabilities, header, tls, dial_timeout, rewrites, credentials }
        })
        .collect()
}

fn default_server(domain: &str, tls: &mut TlsFiles) -> (Scheme, String) {
    if domain == "docker.io" {
        return (Scheme::Https, "registry-1.docker.io".to_owned());
    }
    if !is_local(domain) {
        return (Scheme::Https, domain.to_owned());
    }
    let port = split_host_port(domain).1;
    if port != "80" {
        tls.skip_verify = Some(true);
    }
    let scheme = if port.is_empty() || port == "443" { Scheme::Https } else { Scheme::Http };
    (scheme, domain.to_owned())
}

#[cfg(test)]
mod tests;
