//! `signer.toml`: what is signed by which key, and where the service listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{AuthenticatorSettings, RegistryLogin, Rule, SignerSettings, TargetRegistry};
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::description::FileDoc;
use pullgate_config::document::{Document, Value};
use pullgate_config::file::Guard;
use pullgate_config::kind::{Flag, Form, OptionKind, PATH, PATHS, Section, off_or};
use pullgate_config::options::{OptionDoc, Options as _, Pass, documentation};
use pullgate_config::problem::Problems;
use pullgate_config::suggest;
use pullgate_core::reference::{self, Repository};
use pullgate_keys::service_options::SECRET_FILE;

mod authenticator;
pub(crate) mod limits;
pub(crate) mod listen;
mod rule;

/// The signer's own file in the configuration directory.
pub const SIGNER_FILE: &str = "signer.toml";

/// The most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;

/// Repositories in the configuration, for a registry without a catalog.
const MAX_REPOSITORIES: usize = 10_000;

const HOST: Form<String> = Form { kind: OptionKind::Text, bounds: "a host", read: read_host };
const USER: Form<String> =
    Form { kind: OptionKind::Text, bounds: "a name; needs `password-file`", read: read_user };
const REPOSITORIES: Form<Vec<Repository>> = Form {
    kind: OptionKind::List(&OptionKind::Text, MAX_REPOSITORIES),
    bounds: "at most 10000 repositories",
    read: read_repositories,
};

pullgate_config::options! {
    /// `signer.toml` without keys and rules.
    #[derive(Debug)]
    struct SignerFile {
        /// The registry whose images are signed.
        registry: RegistryOptions = "registry", Section("[registry]");
        /// Where to receive notifications (POST /notify).
        listen: listen::Listen = "listen", Section("[listen]");
        /// The socket that `pullgate-signer status` and `pullgate-signer request` use.
        control: Control = "control", Section("[control]");
        /// Metrics in Prometheus' text format at /metrics, without authentication; also on the control socket.
        metrics: Metrics = "metrics", Section("[metrics]");
        /// The state of the service.
        state: State = "state", Section("[state]");
        /// Listings of the registry, for notifications that were lost.
        reconcile: Reconcile = "reconcile", Section("[reconcile]");
        /// Limits. `notification-bytes`, `connections`, `request-timeout`, `queued`, `remembered` and `workers` need a
        /// restart.
        limits: limits::Limits = "limits", Section("[limits]");
        /// How to open and use the keys. Files with secrets must belong to root or to this user (chmod 600).
        keys: pullgate_keys::KeySettings = "keys", Section("[keys]");
    }
    check check_repositories;
}

pullgate_config::options! {
    /// `[registry]`
    #[derive(Debug)]
    struct RegistryOptions {
        /// The registry's host, with its port, as in image names. Every scope in this file begins with this host, and
        /// signatures contain it.
        host: Option<String> = "host", HOST.required("\"registry.example.com\"");
        /// The user name for the registry. Without a user name, the signer sends no credentials.
        username: Option<String> = "username", USER.optional("none", "\"signer\"");
        /// The file with the password of the user, in one line.
        password_file: Option<PathBuf> = "password-file", SECRET_FILE.with_bounds("file that others cannot read; needs `username`").optional("none", "\"/etc/pullgate/registry.password\"");
        /// Directories of hosts.toml files as containerd reads them, separated by `:` as in "/a:/b". The files set other
        /// addresses, CA certificates or plain HTTP for the registry.
        hosts: Option<Vec<PathBuf>> = "hosts", PATHS.optional("/etc/containerd/certs.d:/etc/docker/certs.d", "\"/etc/containerd/certs.d:/etc/docker/certs.d\"");
    }
    check check_registry;
}

pullgate_config::options! {
    /// `[control]`
    #[derive(Debug)]
    struct Control {
        /// The control socket.
        socket: PathBuf = "socket", PATH.or("/run/pullgate-signer/control.sock");
    }
}

pullgate_config::options! {
    /// `[metrics]`
    #[derive(Debug)]
    struct Metrics {
        /// The address where metrics are served.
        address: Option<SocketAddr> = "address", listen::TCP.optional("none", "\"127.0.0.1:8791\"");
    }
}

pullgate_config::options! {
    /// `[state]`
    #[derive(Debug)]
    struct State {
        /// The directory of the queue and the audit log (audit.jsonl).
        directory: PathBuf = "directory", PATH.or("/var/lib/pullgate/signer");
    }
}

pullgate_config::options! {
    /// How the registry is listed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Reconcile {
        /// Whether a new rule first lists the existing images, so that a notification cannot make the signer sign an old image
        /// as new. If false, the signer trusts the time in the notification instead.
        baseline: bool = "baseline", Flag(true);
        /// How often to list the registry, to find images whose notification was lost; needs `baseline`.
        interval: Option<Duration> = "interval", off_or(SECOND, 1440 * MINUTE);
        /// The repositories to list, for a registry that cannot list its repositories (_catalog).
        repositories: Option<Vec<Repository>> = "repositories", REPOSITORIES.optional("those that the registry lists", "[\"registry.example.com/payments/app\"]");
    }
    check check_interval;
}

/// Reads `signer.toml` at `path`.
///
/// # Errors
/// All problems of the file.
pub fn load_signer(path: &Path) -> Result<SignerSettings, Problems> {
    let (name, text) = read_file(path)?;
    read(&name, &text, root_of(path))
}

/// The name of the file for messages, and its text.
fn read_file(path: &Path) -> Result<(String, String), Problems> {
    let name = path.display().to_string();
    match Guard::of_process().read(root_of(path), path, MAX_BYTES) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Problems::from(vec![error.problem(&name, path)])),
    }
}

fn root_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn read(name: &str, text: &str, root: &Path) -> Result<SignerSettings, Problems> {
    Document::load(name, text, |document| read_settings(document, root))
}

fn read_settings(document: &mut Document<'_>, root: &Path) -> Option<SignerSettings> {
    let keys = [SignerFile::keys(), vec!["authenticator", "rule"]].concat();
    let mut table = document.parse(&keys)?;
    let [authenticators, rules] = ["authenticator", "rule"].map(|key| table.take(key));
    let named = table.has("registry");
    let file = SignerFile::read(document, &mut table);
    let host = file.registry.host.as_deref();
    let authenticators = match authenticators {
        Some(value) => authenticator::read_all(document, value, root),
        None => BTreeMap::new(),
    };
    let rules: Vec<Rule> = match rules {
        Some(value) => rule::read_all(document, value, &authenticators, host),
        None => Vec::new(),
    };
    if !named && document.problems.is_empty() {
        let hint = "write [registry] and `host = \"registry.example.com\"`";
        document.problem(0..0, "[registry] is missing, so the signer has no registry", hint);
    }
    let authenticators =
        authenticators.into_iter().filter_map(|(name, key)| Some((name, key.settings?))).collect();
    Some(SignerSettings {
        registry: file.registry.settings()?,
        listen: file.listen,
        control: file.control.socket,
        metrics: file.metrics.address,
        directory: file.state.directory,
        reconcile: file.reconcile,
        limits: file.limits,
        keys: file.keys,
        authenticators,
        rules,
    })
}

/// The control socket in `signer.toml` at `path`. Other problems of the file are ignored: they may be the reason for the
/// request.
///
/// # Errors
/// When the file cannot be read, or `[control]` is not valid.
pub fn load_signer_control(path: &Path) -> Result<PathBuf, Problems> {
    let (name, text) = read_file(path)?;
    Document::load(&name, &text, |document| {
        let mut root = document.recover();
        Some(Control::section(document, &mut root, "control").socket)
    })
}

/// The documentation of `signer.toml`.
#[must_use]
pub fn signer_documentation() -> FileDoc {
    FileDoc {
        heading: SIGNER_FILE,
        page: "pullgate-signer.toml",
        about: "which images pullgate-signer signs, and with which keys",
        place: "`pullgate-signer` reads `/etc/pullgate/signer.toml`. `pullgate-signer check` reports every problem in it.",
        options: signer_options(),
        types: Vec::new(),
    }
}

/// Every option of `signer.toml`, in the order of the documentation.
#[must_use]
pub fn signer_options() -> Vec<OptionDoc> {
    let tables = authenticator::options().into_iter().chain(rule::options());
    let tables = tables.map(|option| OptionDoc { file: SIGNER_FILE, ..option });
    documentation::<SignerFile>(SIGNER_FILE).into_iter().chain(tables).collect()
}

impl RegistryOptions {
    fn settings(self) -> Option<TargetRegistry> {
        let login = self.username.zip(self.password_file);
        Some(TargetRegistry {
            host: self.host?,
            login: login.map(|(username, password_file)| RegistryLogin { username, password_file }),
            hosts: self.hosts.unwrap_or_else(pullgate_registry::default_hosts),
        })
    }
}

fn check_registry(_: &RegistryOptions, pass: &mut Pass<'_, '_, '_>) {
    if !pass.has("host") {
        pass.problem("", "[registry] has no `host`", "write the host as in the names of the images");
    }
    if pass.has("username") != pass.has("password-file") {
        let hint = "set both options, or neither if everyone may write to the registry";
        pass.problem("", "`username` and `password-file` must be set together", hint);
    }
}

fn check_interval(reconcile: &Reconcile, pass: &mut Pass<'_, '_, '_>) {
    if reconcile.interval.is_some() && !reconcile.baseline {
        let hint = "set `baseline = true`, because without a baseline a listing cannot distinguish new images from old \
                    images";
        pass.problem("interval", "`interval` needs `baseline`", hint);
    }
}

fn check_repositories(file: &SignerFile, pass: &mut Pass<'_, '_, '_>) {
    let Some(host) = &file.registry.host else { return };
    for repository in file.reconcile.repositories.iter().flatten() {
        if repository.domain() != host {
            let shown = suggest::quoted(&repository.to_string());
            let message = format!("{shown} in `repositories` is not a repository of this registry");
            pass.problem("reconcile", message, format!("a repository here begins with `{host}`"));
        }
    }
}

fn read_host(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as it appears in image names, for example \"registry.example.com:5000\"";
    document.parsed(key, value, ["is not the host of a registry", hint], |host| {
        let named = Repository::parse(&format!("{host}/name")).ok()?;
        let whole = reference::is_domain(host) && named.domain() == host && named.path() == "name";
        whole.then(|| host.to_owned())
    })
}

fn read_user(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    document.string(value, &format!("`{key}`")).map(|(name, _)| name)
}

fn read_repositories(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Vec<Repository>> {
    let span = value.span.clone();
    let values = document.array(value, &format!("`{key}`"), "an array of repository names")?;
    if values.len() > MAX_REPOSITORIES {
        let message = format!("`{key}` has more than {MAX_REPOSITORIES} names");
        document.problem(
            span,
            message,
            "shorten the list, or remove it to let the registry list its repositories",
        );
        return None;
    }
    let read = values.into_iter().map(|value| {
        let (text, at) = document.string(value, &format!("a name in `{key}`"))?;
        let repository = Repository::parse(&text).ok();
        if repository.is_none() {
            let message = format!("{} is not a repository of this registry", suggest::quoted(&text));
            document.problem(at, message, "write it with the registry's host, and without a tag");
        }
        repository
    });
    read.collect()
}

/// An authenticator, or its name alone if it is not valid.
struct Declared {
    settings: Option<AuthenticatorSettings>,
}

#[cfg(test)]
mod tests;
