//! `[keys]`: what opening and using keys needs besides their places. Secrets are named, never written here.

use std::path::PathBuf;
use std::time::Duration;

use super::super::daemon::read_path;
use super::super::document::{Document, Table};
use super::super::limits::{Bound, Unit, read_bound};
use super::secret_file;
use crate::alibaba::{Assume, Identity};
use crate::keys::{Bounds, KmsSettings, Login, Passphrase, Settings, TokenSettings, TransitSettings};
use crate::service;

/// Authorities, or directories of modules, that may be named.
const MAX_PATHS: usize = 64;
/// How long a name, an id or an address may be, in bytes.
const MAX_TEXT: usize = 512;
/// What a session of an assumed role is called in ActionTrail.
const SESSION: &str = "pullgate-signer";
/// How long the key of an assumed role lives.
const ASSUMED: Duration = Duration::from_secs(3600);
/// Where STS is asked, unless another place is named.
const STS: &str = "https://sts.aliyuncs.com";

const TIMEOUT: Bound = Bound {
    key: "timeout",
    unit: Unit::Time,
    default: 30_000,
    minimum: 100,
    maximum: 100_000,
    about: "how long one signature may take, with all that is asked again",
};
const REQUEST_TIMEOUT: Bound = Bound {
    key: "request-timeout",
    unit: Unit::Time,
    default: 15_000,
    minimum: 100,
    maximum: 100_000,
    about: "how long one request to the service may take",
};
const CONNECT_TIMEOUT: Bound = Bound {
    key: "connect-timeout",
    unit: Unit::Time,
    default: 5000,
    minimum: 100,
    maximum: 60_000,
    about: "how long a connection to the service may take, TLS included",
};
const KMS_RATE: Bound = Bound {
    key: "requests-per-second",
    unit: Unit::Count,
    default: 100,
    minimum: 1,
    maximum: 10_000,
    about: "how often KMS is asked in a second; it takes 200 of one account",
};
const VAULT_RATE: Bound = Bound { default: 200, about: "how often Vault is asked in a second", ..KMS_RATE };
const CONCURRENCY: Bound = Bound {
    key: "concurrency",
    unit: Unit::Count,
    default: 16,
    minimum: 1,
    maximum: 1024,
    about: "how many requests the service is asked at the same time",
};
const SESSIONS: Bound = Bound {
    key: "sessions",
    unit: Unit::Count,
    default: 4,
    minimum: 1,
    maximum: 64,
    about: "how many signatures a token makes at the same time",
};

pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> Settings {
    let mut settings = Settings::default();
    let Some(value) = root.take("keys") else { return settings };
    let known = ["passphrase-file", "pkcs11", "kms", "vault"];
    let Some(mut table) = document.table(value, "[keys]", &known) else { return settings };
    // The service has nobody to ask.
    if let Some(path) = secret_file(document, &mut table, "passphrase-file") {
        settings.passphrase = Passphrase::File(path);
    }
    if let Some(token) = read_token(document, &mut table) {
        settings.token = token;
    }
    if let Some(kms) = read_kms(document, &mut table) {
        settings.kms = kms;
    }
    if let Some(transit) = read_vault(document, &mut table) {
        settings.transit = transit;
    }
    settings
}

fn read_token(document: &mut Document<'_>, keys: &mut Table<'_>) -> Option<TokenSettings> {
    let known = ["module", "module-directories", "pin-file", SESSIONS.key, TIMEOUT.key];
    let mut table = table(document, keys, "pkcs11", &known)?;
    let mut settings = TokenSettings {
        module: read_path(document, &mut table, "module").map(|(path, _)| path),
        pin_file: secret_file(document, &mut table, "pin-file"),
        ..TokenSettings::default()
    };
    if let Some(directories) = paths(document, &mut table, "module-directories") {
        settings.module_directories = directories;
    }
    settings.sessions = count(document, &mut table, &SESSIONS);
    settings.deadline = time(document, &mut table, &TIMEOUT);
    Some(settings)
}

fn read_kms(document: &mut Document<'_>, keys: &mut Table<'_>) -> Option<KmsSettings> {
    let known = [
        "ram-role",
        "credentials-file",
        "profile",
        "access-key-id",
        "access-key-secret-file",
        "assume-role",
        "external-id",
        "sts",
        "authorities",
        TIMEOUT.key,
        REQUEST_TIMEOUT.key,
        CONNECT_TIMEOUT.key,
        KMS_RATE.key,
        CONCURRENCY.key,
    ];
    let mut table = table(document, keys, "kms", &known)?;
    let identity = read_identity(document, &mut table);
    let service = read_service(document, &mut table);
    let bounds = read_bounds(document, &mut table, &KMS_RATE);
    Some(KmsSettings { identity: identity?, service, bounds, ..KmsSettings::default() })
}

fn read_identity(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Identity> {
    let span = table.span.clone();
    let role = text(document, table, "ram-role");
    let file = secret_file(document, table, "credentials-file");
    let profile = text(document, table, "profile");
    let id = text(document, table, "access-key-id");
    let secret_file = secret_file(document, table, "access-key-secret-file");
    let by = match (role, file, profile, id, secret_file) {
        (None, None, None, None, None) => Identity::Environment,
        (Some(role), None, None, None, None) => Identity::Role(role),
        (None, Some(path), profile, None, None) => {
            Identity::File { path, profile: profile.unwrap_or_else(|| "default".to_owned()) }
        }
        (None, None, None, Some(id), Some(secret_file)) => Identity::Key { id, secret_file },
        _ => {
            let hint = "write `ram-role`, or `credentials-file` (with `profile`), or `access-key-id` and \
                        `access-key-secret-file`; without any the environment is used";
            document.problem(span, "[keys.kms] does not say who asks in one way", hint);
            return None;
        }
    };
    let role = text(document, table, "assume-role");
    let external_id = text(document, table, "external-id");
    let sts = address(document, table, "sts");
    let Some(role) = role else {
        if external_id.is_some() || sts.is_some() {
            let hint = "add `assume-role`, as in \"acs:ram::ACCOUNT:role/NAME\"";
            document.problem(span, "`external-id` and `sts` are for an assumed role", hint);
        }
        return Some(by);
    };
    Some(Identity::Assumed(Box::new(Assume {
        by,
        role,
        session: SESSION.to_owned(),
        external_id,
        duration: ASSUMED,
        endpoint: sts.unwrap_or_else(|| STS.to_owned()),
    })))
}

fn read_vault(document: &mut Document<'_>, keys: &mut Table<'_>) -> Option<TransitSettings> {
    let known = [
        "address",
        "namespace",
        "token-file",
        "role-id",
        "secret-id-file",
        "mount",
        "authorities",
        TIMEOUT.key,
        REQUEST_TIMEOUT.key,
        CONNECT_TIMEOUT.key,
        VAULT_RATE.key,
        CONCURRENCY.key,
    ];
    let mut table = table(document, keys, "vault", &known)?;
    let span = table.span.clone();
    let address = address(document, &mut table, "address");
    let namespace = text(document, &mut table, "namespace");
    let token = secret_file(document, &mut table, "token-file");
    let role_id = text(document, &mut table, "role-id");
    let secret_id_file = secret_file(document, &mut table, "secret-id-file");
    let mount = text(document, &mut table, "mount");
    let login = match (token, role_id, secret_id_file, mount) {
        (None, None, None, None) => Login::Environment,
        (Some(path), None, None, None) => Login::TokenFile(path),
        (None, Some(role_id), Some(secret_id_file), mount) => {
            Login::AppRole { mount: mount.unwrap_or_else(|| "approle".to_owned()), role_id, secret_id_file }
        }
        _ => {
            let hint = "write `token-file`, or `role-id` and `secret-id-file` (with `mount`); without any the \
                        environment is used";
            document.problem(span, "[keys.vault] does not say who asks in one way", hint);
            return None;
        }
    };
    let service = read_service(document, &mut table);
    let bounds = read_bounds(document, &mut table, &VAULT_RATE);
    Some(TransitSettings { address, namespace, login, service, bounds })
}

fn read_service(document: &mut Document<'_>, table: &mut Table<'_>) -> service::Settings {
    service::Settings {
        authorities: paths(document, table, "authorities").unwrap_or_default(),
        step: time(document, table, &REQUEST_TIMEOUT),
        connect: time(document, table, &CONNECT_TIMEOUT),
        ..service::Settings::default()
    }
}

fn read_bounds(document: &mut Document<'_>, table: &mut Table<'_>, rate: &Bound) -> Bounds {
    Bounds {
        deadline: time(document, table, &TIMEOUT),
        rate: u32::try_from(read_bound(document, table, rate).unwrap_or(rate.default)).unwrap_or(u32::MAX),
        concurrency: count(document, table, &CONCURRENCY),
    }
}

/// `[keys.name]`
fn table<'a>(
    document: &mut Document<'_>,
    keys: &mut Table<'a>,
    name: &str,
    known: &[&str],
) -> Option<Table<'a>> {
    let value = keys.take(name)?;
    document.table(value, &format!("[keys.{name}]"), known)
}

fn time(document: &mut Document<'_>, table: &mut Table<'_>, bound: &Bound) -> Duration {
    Duration::from_millis(read_bound(document, table, bound).unwrap_or(bound.default))
}

fn count(document: &mut Document<'_>, table: &mut Table<'_>, bound: &Bound) -> usize {
    let number = read_bound(document, table, bound).unwrap_or(bound.default);
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A name or an id: what can stand in a header.
fn text(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    if !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text);
    }
    let hint = "write it without blanks and control characters, and leave it out instead of empty";
    document.problem(span, format!("`{key}` cannot be right"), hint);
    None
}

/// The address of a service.
fn address(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<String> {
    let (text, span) = document.string(table.take(key)?, &format!("`{key}`"))?;
    match service::address(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            let hint = "write it as in \"https://vault.example.com:8200\"";
            document.problem(span, format!("`{key}`: {error}"), hint);
            None
        }
    }
}

fn paths(document: &mut Document<'_>, table: &mut Table<'_>, key: &str) -> Option<Vec<PathBuf>> {
    let value = table.take(key)?;
    let span = value.span.clone();
    let values = document.array(value, &format!("`{key}`"), "an array of paths")?;
    if values.len() > MAX_PATHS {
        document.problem(span, format!("`{key}` has more than {MAX_PATHS} paths"), "name fewer");
        return None;
    }
    let mut paths = Vec::new();
    for value in values {
        let (text, at) = document.string(value, &format!("a path in `{key}`"))?;
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            document.problem(at, format!("a path in `{key}` is not absolute"), "write it from `/` on");
            return None;
        }
        paths.push(path);
    }
    Some(paths)
}
