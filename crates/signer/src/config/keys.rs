//! `[keys]`: settings for opening and using keys. Only paths of secrets, never secrets.

use std::time::Duration;

use pullgate_config::bound::{Bound, Unit, read_bound};
use pullgate_config::document::{Document, Table};
use pullgate_config::values::read_path;
use pullgate_keys::service_options::{address, identity, login, paths, secret_file, text};
use pullgate_keys::{Bounds, KeySettings, KmsSettings, Passphrase, TokenSettings, TransitSettings};
use pullgate_net::service;

/// The name of an assumed role's sessions in ActionTrail.
const SESSION: &str = "pullgate-signer";

const TIMEOUT: Bound = Bound {
    key: "timeout",
    unit: Unit::Time,
    default: 30_000,
    minimum: 100,
    maximum: 100_000,
    about: "how long one signature may take, including retries",
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
    about: "how many requests a second KMS gets; it allows 200 per account",
};
const VAULT_RATE: Bound = Bound { default: 200, about: "how many requests a second Vault gets", ..KMS_RATE };
const CONCURRENCY: Bound = Bound {
    key: "concurrency",
    unit: Unit::Count,
    default: 16,
    minimum: 1,
    maximum: 1024,
    about: "how many requests the service gets at the same time",
};
const SESSIONS: Bound = Bound {
    key: "sessions",
    unit: Unit::Count,
    default: 4,
    minimum: 1,
    maximum: 64,
    about: "how many signatures a token makes at the same time",
};

/// The bounds of each table, for `docs/options.md`.
pub fn bounds() -> [(&'static str, Vec<Bound>); 3] {
    let service = |rate| vec![TIMEOUT, REQUEST_TIMEOUT, CONNECT_TIMEOUT, rate, CONCURRENCY];
    [("pkcs11", vec![SESSIONS, TIMEOUT]), ("kms", service(KMS_RATE)), ("vault", service(VAULT_RATE))]
}

pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> KeySettings {
    let mut settings = KeySettings::default();
    let Some(value) = root.take("keys") else { return settings };
    let known = ["passphrase-file", "pkcs11", "kms", "vault"];
    let Some(mut table) = document.table(value, "[keys]", &known) else { return settings };
    // The service cannot prompt.
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
    let identity = identity(document, &mut table, SESSION);
    let service = read_service(document, &mut table);
    let bounds = read_bounds(document, &mut table, &KMS_RATE);
    Some(KmsSettings { identity: identity?, service, bounds, ..KmsSettings::default() })
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
    let address = address(document, &mut table, "address");
    let namespace = text(document, &mut table, "namespace");
    let login = login(document, &mut table)?;
    let service = read_service(document, &mut table);
    let bounds = read_bounds(document, &mut table, &VAULT_RATE);
    Some(TransitSettings { address, namespace, login, service, bounds })
}

fn read_service(document: &mut Document<'_>, table: &mut Table<'_>) -> service::ServiceSettings {
    service::ServiceSettings {
        authorities: paths(document, table, "authorities").unwrap_or_default(),
        step: time(document, table, &REQUEST_TIMEOUT),
        connect: time(document, table, &CONNECT_TIMEOUT),
        ..service::ServiceSettings::default()
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
