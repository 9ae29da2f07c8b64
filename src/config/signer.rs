//! `signer.toml`: what is signed by which key, and where the service listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::daemon::{read_path, section};
use super::document::{Document, Table, Value};
use super::duration::parse_duration;
use super::file::Guard;
use super::limits::{Bound, Unit, read_bound};
use super::problem::{Problem, Problems};
use super::services::secret_file;
use super::suggest;
use crate::reference::{self, Repository};
use crate::signer::{
    Address, CatchUp, KeySettings, Limits, Listen, Login, RegistrySettings, Rule, Settings, Tls,
};

mod authenticator;
mod keys;
mod rule;

/// The signer's own file in the configuration directory.
pub const SIGNER_FILE: &str = "signer.toml";

/// The most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;

/// Repositories that are named for a registry that does not list them.
const MAX_REPOSITORIES: usize = 10_000;

/// How often the registry may be listed.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

const KIB: u64 = 1024;

const BODY_BYTES: Bound = Bound {
    key: "notification-bytes",
    unit: Unit::Bytes,
    default: 1024 * KIB,
    minimum: 16 * KIB,
    maximum: 16 * 1024 * KIB,
    about: "the largest notification that is read",
};
const EVENTS: Bound = Bound {
    key: "notification-events",
    unit: Unit::Count,
    default: 1000,
    minimum: 1,
    maximum: 20_000,
    about: "how many events one notification may have",
};
const CONNECTIONS: Bound = Bound {
    key: "connections",
    unit: Unit::Count,
    default: 128,
    minimum: 1,
    maximum: 4096,
    about: "how many connections for notifications are open at once; more wait",
};
const REQUEST_TIMEOUT: Bound = Bound {
    key: "request-timeout",
    unit: Unit::Time,
    default: 30_000,
    minimum: 1000,
    maximum: 300_000,
    about: "how long a notification may take, from its head to the answer",
};
const QUEUED: Bound = Bound {
    key: "queued",
    unit: Unit::Count,
    default: 100_000,
    minimum: 16,
    maximum: 1_000_000,
    about: "how many images wait to be signed; more are turned away with 503",
};
const REMEMBERED: Bound = Bound {
    key: "remembered",
    unit: Unit::Count,
    default: 1_000_000,
    minimum: 1000,
    maximum: 10_000_000,
    about: "how many images are remembered as signed; one that is forgotten is looked at once more when it is told of",
};
const WORKERS: Bound = Bound {
    key: "workers",
    unit: Unit::Count,
    default: 8,
    minimum: 1,
    maximum: 64,
    about: "how many images are signed at the same time",
};
const ATTEMPTS: Bound = Bound {
    key: "attempts",
    unit: Unit::Count,
    default: 10,
    minimum: 1,
    maximum: 1000,
    about: "how often an image that the registry has refused is tried before it is parked",
};
const LONGEST_PAUSE: Bound = Bound {
    key: "longest-pause",
    unit: Unit::Time,
    default: 300_000,
    minimum: 1000,
    maximum: 3_600_000,
    about: "the longest pause between two attempts",
};
const LISTED: Bound = Bound {
    key: "listed",
    unit: Unit::Count,
    default: 100_000,
    minimum: 16,
    maximum: 1_000_000,
    about: "how many repositories, tags of one, and images a list of the registry may have",
};

/// The bounds of the signer, in the order of the documentation.
pub const SIGNER_BOUNDS: [Bound; 10] = [
    BODY_BYTES,
    EVENTS,
    CONNECTIONS,
    REQUEST_TIMEOUT,
    QUEUED,
    REMEMBERED,
    WORKERS,
    ATTEMPTS,
    LONGEST_PAUSE,
    LISTED,
];

/// Reads `signer.toml` at `path`.
///
/// # Errors
/// All problems of the file.
pub fn load_signer(path: &Path) -> Result<Settings, Problems> {
    let name = path.display().to_string();
    let root = path.parent().unwrap_or(Path::new("/"));
    let text = Guard::of_process().read(root, path, MAX_BYTES).map_err(|error| {
        Problems::from(vec![Problem::new(&name, None, error.to_string(), error.hint(path))])
    })?;
    read(&name, &text, root)
}

fn read(name: &str, text: &str, root: &Path) -> Result<Settings, Problems> {
    let mut document = Document::new(name, text);
    let settings = read_settings(&mut document, root);
    match settings {
        Some(settings) if document.problems.is_empty() => Ok(settings),
        _ => Err(Problems::from(document.problems)),
    }
}

fn read_settings(document: &mut Document<'_>, root: &Path) -> Option<Settings> {
    let known = [
        "registry",
        "listen",
        "control",
        "metrics",
        "state",
        "catch-up",
        "limits",
        "keys",
        "authenticator",
        "rule",
    ];
    let mut table = document.parse(&known)?;
    let registry = read_registry(document, &mut table);
    let listen = read_listen(document, &mut table);
    let control =
        directory_or(document, &mut table, "control", "socket", "/run/pullgate-signer/control.sock");
    let directory = directory_or(document, &mut table, "state", "directory", "/var/lib/pullgate/signer");
    let metrics = section(document, &mut table, "metrics", &["address"])
        .and_then(|mut table| address(document, &mut table, "address"))
        .and_then(|(address, span)| match address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => {
                document.problem(span, "`address` is no IP address with a port", "write \"127.0.0.1:8791\"");
                None
            }
        });
    let host = registry.as_ref().map(|registry| registry.host.clone());
    let catch_up = read_catch_up(document, &mut table, host.as_deref());
    let limits = read_limits(document, &mut table);
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
        document.problem(0..0, "nothing says which registry is signed at", hint);
    }
    let authenticators =
        authenticators.into_iter().filter_map(|(name, key)| Some((name, key.settings?))).collect();
    Some(Settings {
        registry: registry?,
        listen,
        control,
        metrics,
        directory,
        catch_up,
        limits,
        keys,
        authenticators,
        rules,
    })
}

fn read_registry(document: &mut Document<'_>, root: &mut Table<'_>) -> Option<RegistrySettings> {
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
    let username = table.take("username").and_then(|value| document.string(value, "`username`"));
    let password_file = secret_file(document, &mut table, "password-file");
    let login = match (username, password_file) {
        (Some((username, _)), Some(password_file)) => Some(Login { username, password_file }),
        (None, None) => None,
        _ => {
            let hint = "write both, or neither for a registry that everybody may write to";
            document.problem(span, "`username` and `password-file` belong together", hint);
            None
        }
    };
    let mut hosts = super::Registry::default_hosts();
    if let Some((text, at)) = table.take("hosts").and_then(|value| document.string(value, "`hosts`")) {
        hosts = std::env::split_paths(&text).collect();
        if hosts.iter().any(|path| !path.is_absolute()) {
            let hint = "write each directory from `/` on, with `:` between two";
            document.problem(at, "`hosts` is not a list of absolute paths", hint);
        }
    }
    Some(RegistrySettings { host: host?, login, hosts })
}

fn read_listen(document: &mut Document<'_>, root: &mut Table<'_>) -> Listen {
    let local = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 8790)));
    let mut listen = Listen { address: local, tls: None, secret_file: None };
    let known = ["address", "certificate", "key", "clients", "secret-file"];
    let Some(mut table) = section(document, root, "listen", &known) else { return listen };
    let span = table.span.clone();
    let mut at = span.clone();
    if let Some((address, written)) = address(document, &mut table, "address") {
        (listen.address, at) = (address, written);
    }
    let certificate = read_path(document, &mut table, "certificate").map(|(path, _)| path);
    let key = secret_file(document, &mut table, "key");
    let clients = read_path(document, &mut table, "clients").map(|(path, _)| path);
    listen.tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key, clients }),
        (None, None) if clients.is_none() => None,
        _ => {
            let hint =
                "`clients` says which certificates of senders are taken, and needs both of the server's own";
            document.problem(span, "`certificate` and `key` belong together", hint);
            None
        }
    };
    listen.secret_file = secret_file(document, &mut table, "secret-file");
    let known = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if listen.secret_file.is_none() && !known && !listen.address.is_local() && document.problems.is_empty() {
        let hint =
            "set `secret-file`, or a certificate with `clients`, or listen at 127.0.0.1 or at a unix socket";
        document.problem(at, "notifications would be taken from everybody who can connect", hint);
    }
    listen
}

fn address(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
) -> Option<(Address, std::ops::Range<usize>)> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    let address = match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Some(Address::Unix(PathBuf::from(path))),
        Some(_) => None,
        None => text.parse().ok().map(Address::Tcp),
    };
    if address.is_none() {
        let hint =
            "write an IP address with its port, as in \"127.0.0.1:8790\" or \"[::]:8790\", or \"unix:/path\"";
        document.problem(span.clone(), format!("`{key}` is not an address to listen at"), hint);
    }
    Some((address?, span))
}

fn directory_or(
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

fn read_catch_up(document: &mut Document<'_>, root: &mut Table<'_>, host: Option<&str>) -> CatchUp {
    let mut catch_up = CatchUp { baseline: true, interval: None, repositories: None };
    let known = ["baseline", "interval", "repositories"];
    let Some(mut table) = section(document, root, "catch-up", &known) else { return catch_up };
    if let Some(baseline) = super::daemon::read_boolean(document, &mut table, "baseline") {
        catch_up.baseline = baseline;
    }
    if let Some((text, span)) = table.take("interval").and_then(|value| document.string(value, "`interval`"))
    {
        let bounds = Duration::from_secs(1)..=LONGEST_INTERVAL;
        catch_up.interval = parse_duration(&text).filter(|interval| bounds.contains(interval));
        if catch_up.interval.is_none() && text != "off" {
            let hint = "write \"off\", or a text such as \"10m\", from 1s to 1440m";
            document.problem(span.clone(), "`interval` is not one that is possible", hint);
        }
        if catch_up.interval.is_some() && !catch_up.baseline {
            let hint = "without a baseline a list cannot tell what is new; set `baseline = true`";
            document.problem(span, "`interval` needs `baseline`", hint);
        }
    }
    if let Some(value) = table.take("repositories") {
        catch_up.repositories = read_repositories(document, value, host);
    }
    catch_up
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

fn read_limits(document: &mut Document<'_>, root: &mut Table<'_>) -> Limits {
    let keys = SIGNER_BOUNDS.map(|bound| bound.key);
    let mut table = section(document, root, "limits", &keys);
    let mut number = |bound: &Bound| {
        table.as_mut().and_then(|table| read_bound(document, table, bound)).unwrap_or(bound.default)
    };
    let mut count = |bound: &Bound| usize::try_from(number(bound)).unwrap_or(usize::MAX);
    let (body_bytes, events, connections) = (count(&BODY_BYTES), count(&EVENTS), count(&CONNECTIONS));
    let (queued, remembered, workers) = (count(&QUEUED), count(&REMEMBERED), count(&WORKERS));
    let listed = count(&LISTED);
    let attempts = u32::try_from(number(&ATTEMPTS)).unwrap_or(u32::MAX);
    let request_timeout = Duration::from_millis(number(&REQUEST_TIMEOUT));
    let longest_pause = Duration::from_millis(number(&LONGEST_PAUSE));
    Limits {
        body_bytes,
        events,
        connections,
        request_timeout,
        queued,
        remembered,
        workers,
        attempts,
        longest_pause,
        listed,
    }
}

/// An authenticator, or its name alone when something about it is wrong.
struct Declared {
    settings: Option<KeySettings>,
}

#[cfg(test)]
mod tests;
