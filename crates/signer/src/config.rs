//! `signer.toml`: what is signed by which key, and where the service listens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{AuthenticatorSettings, Login, Reconcile, Rule, SignerSettings, TargetRegistry};
use pullgate_config::document::{Document, Table, Value};
use pullgate_config::duration::parse_duration;
use pullgate_config::file::Guard;
use pullgate_config::problem::{Problem, Problems};
use pullgate_config::suggest;
use pullgate_config::values::{read_path, section};
use pullgate_core::reference::{self, Repository};
use pullgate_keys::service_options::secret_file;

pub(crate) mod authenticator;
mod control;
pub(crate) mod keys;
mod limits;
mod listen;
mod rule;

pub use control::load_signer_control;
pub use limits::SIGNER_BOUNDS;

/// The signer's own file in the configuration directory.
pub const SIGNER_FILE: &str = "signer.toml";

/// The most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;

/// Repositories in the configuration, for a registry without a catalog.
const MAX_REPOSITORIES: usize = 10_000;

/// The longest interval between two listings.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

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
        Err(error) => {
            Err(Problems::from(vec![Problem::new(&name, None, error.to_string(), error.hint(path))]))
        }
    }
}

fn root_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn read(name: &str, text: &str, root: &Path) -> Result<SignerSettings, Problems> {
    let mut document = Document::new(name, text);
    let settings = read_settings(&mut document, root);
    match settings {
        Some(settings) if document.problems.is_empty() => Ok(settings),
        _ => Err(Problems::from(document.problems)),
    }
}

fn read_settings(document: &mut Document<'_>, root: &Path) -> Option<SignerSettings> {
    let known = [
        "registry",
        "listen",
        "control",
        "metrics",
        "state",
        "reconcile",
        "limits",
        "keys",
        "authenticator",
        "rule",
    ];
    let mut table = document.parse(&known)?;
    let registry = read_registry(document, &mut table);
    let listen = listen::read(document, &mut table);
    let control = control::read(document, &mut table);
    let directory = path_or(document, &mut table, "state", "directory", "/var/lib/pullgate/signer");
    let metrics = listen::read_metrics(document, &mut table);
    let host = registry.as_ref().map(|registry| registry.host.clone());
    let reconcile = read_catch_up(document, &mut table, host.as_deref());
    let limits = limits::read(document, &mut table);
    let keys = keys::read(document, &mut table);
    let authenticators = match table.take("authenticator") {
        Some(value) => authenticator::read_all(document, value, root),
        None => BTreeMap::new(),
    };
    let rules: Vec<Rule> = match table.take("rule") {
        Some(value) => rule::read_all(document, value, &authenticators, host.as_deref()),
        None => Vec::new(),
    };
    if registry.is_none() && document.problems.is_empty() {
        let hint = "write [registry] and `host = \"registry.example.com\"`";
        document.problem(0..0, "the registry to sign at is missing", hint);
    }
    let authenticators =
        authenticators.into_iter().filter_map(|(name, key)| Some((name, key.settings?))).collect();
    Some(SignerSettings {
        registry: registry?,
        listen,
        control,
        metrics,
        directory,
        reconcile,
        limits,
        keys,
        authenticators,
        rules,
    })
}

fn read_registry(document: &mut Document<'_>, root: &mut Table<'_>) -> Option<TargetRegistry> {
    let mut table = section(document, root, "registry", &["host", "username", "password-file", "hosts"])?;
    let span = table.span.clone();
    let host = match table.take("host") {
        None => {
            document.problem(
                span.clone(),
                "[registry] has no `host`",
                "write the host that images are named by",
            );
            None
        }
        Some(value) => document.string(value, "`host`").and_then(|(host, at)| {
            let named = Repository::parse(&format!("{host}/name"));
            if reference::is_domain(&host)
                && named.is_ok_and(|name| name.domain() == host && name.path() == "name")
            {
                return Some(host);
            }
            let hint = "write it as in the names of images, as in \"registry.example.com:5000\"";
            document.problem(at, "`host` is not the host of a registry", hint);
            None
        }),
    };
    // An invalid value has been reported already.
    let whole = table.has("username") == table.has("password-file");
    let username = table.take("username").and_then(|value| document.string(value, "`username`"));
    let password_file = secret_file(document, &mut table, "password-file");
    if !whole {
        let hint = "write both, or neither for a registry that everyone may write to";
        document.problem(span, "`username` and `password-file` belong together", hint);
    }
    let login = username.zip(password_file);
    let login = login.map(|((username, _), password_file)| Login { username, password_file });
    let mut hosts = pullgate_registry::default_hosts();
    if let Some((text, at)) = table.take("hosts").and_then(|value| document.string(value, "`hosts`")) {
        hosts = std::env::split_paths(&text).collect();
        if hosts.iter().any(|path| !path.is_absolute()) {
            let hint = "write each directory from `/` on, with `:` between two";
            document.problem(at, "`hosts` is not a list of absolute paths", hint);
        }
    }
    Some(TargetRegistry { host: host?, login, hosts })
}

fn path_or(
    document: &mut Document<'_>,
    root: &mut Table<'_>,
    name: &str,
    key: &str,
    otherwise: &str,
) -> PathBuf {
    let written =
        section(document, root, name, &[key]).and_then(|mut table| read_path(document, &mut table, key));
    written.map_or_else(|| PathBuf::from(otherwise), |(path, _)| path)
}

fn read_catch_up(document: &mut Document<'_>, root: &mut Table<'_>, host: Option<&str>) -> Reconcile {
    let mut reconcile = Reconcile { baseline: true, interval: None, repositories: None };
    let known = ["baseline", "interval", "repositories"];
    let Some(mut table) = section(document, root, "reconcile", &known) else { return reconcile };
    if let Some(baseline) = pullgate_config::values::read_boolean(document, &mut table, "baseline") {
        reconcile.baseline = baseline;
    }
    if let Some((text, span)) = table.take("interval").and_then(|value| document.string(value, "`interval`"))
    {
        let bounds = Duration::from_secs(1)..=LONGEST_INTERVAL;
        reconcile.interval = parse_duration(&text).filter(|interval| bounds.contains(interval));
        if reconcile.interval.is_none() && text != "off" {
            let hint = "write \"off\", or a text such as \"10m\", from 1s to 1440m";
            document.problem(span.clone(), "`interval` is not valid", hint);
        }
        if reconcile.interval.is_some() && !reconcile.baseline {
            let hint = "without a baseline a listing cannot detect new images; set `baseline = true`";
            document.problem(span, "`interval` needs `baseline`", hint);
        }
    }
    if let Some(value) = table.take("repositories") {
        reconcile.repositories = read_repositories(document, value, host);
    }
    reconcile
}

fn read_repositories(
    document: &mut Document<'_>,
    value: Value<'_>,
    host: Option<&str>,
) -> Option<Vec<Repository>> {
    let span = value.span.clone();
    let values = document.array(value, "`repositories`", "an array of names of repositories")?;
    if values.len() > MAX_REPOSITORIES {
        let message = format!("`repositories` has more than {MAX_REPOSITORIES} names");
        document.problem(span, message, "let the registry list them");
        return None;
    }
    let mut repositories = Vec::new();
    for value in values {
        let Some((text, at)) = document.string(value, "a name in `repositories`") else { continue };
        match Repository::parse(&text) {
            Ok(repository) if host.is_none_or(|host| repository.domain() == host) => {
                repositories.push(repository);
            }
            _ => {
                let message = format!("{} is not a repository of this registry", suggest::quoted(&text));
                document.problem(at, message, "write it with the registry's host, and without a tag");
            }
        }
    }
    Some(repositories)
}

/// An authenticator; without settings if they are not valid.
struct Declared {
    settings: Option<AuthenticatorSettings>,
}

#[cfg(test)]
mod tests;
