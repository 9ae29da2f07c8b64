//! `[keys]`: where fetched public keys are kept, and as whom the services are asked that keep their private halves.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::super::document::{Document, Table, Value};
use super::super::limits::{Bound, Unit, read_bound};
use super::credentials::{name, secret_file};
use super::{read_path, section};
use crate::alibaba::{Assume, Identity};
use crate::keys::{KeyCache, KmsSettings, Login, Settings, TokenSettings, TransitSettings};
use crate::service;

const FETCH_TIMEOUT: Bound = Bound {
    key: "fetch-timeout",
    unit: Unit::Time,
    default: 15_000,
    minimum: 100,
    maximum: 120_000,
    about: "how long asking for one public key may take",
};

const FETCH_AGAIN: Bound = Bound {
    key: "fetch-again",
    unit: Unit::Time,
    default: 30_000,
    minimum: 1_000,
    maximum: 600_000,
    about: "how long the daemon waits before it asks again for keys that could not be had",
};

/// The bounds of `[keys]`.
pub const KEYS_BOUNDS: [Bound; 2] = [FETCH_TIMEOUT, FETCH_AGAIN];

const KEYS: [&str; 6] = ["directory", FETCH_TIMEOUT.key, FETCH_AGAIN.key, "authorities", "kms", "vault"];
const KMS_KEYS: [&str; 6] =
    ["ram-role", "access-key-id", "access-key-secret-file", "credentials-file", "profile", "assume-role"];
const VAULT_KEYS: [&str; 5] = ["address", "namespace", "token-file", "role-id", "secret-id-file"];

/// The most files of authorities.
const MAX_AUTHORITIES: usize = 16;

/// `[keys]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Where public keys are kept that were fetched.
    pub cache: KeyCache,
    /// Time for asking for one.
    pub fetch_timeout: Duration,
    /// The pause before keys that could not be had are asked for again.
    pub fetch_again: Duration,
    /// Certificates of authorities that are trusted in addition, to reach the services.
    pub authorities: Vec<PathBuf>,
    /// As whom Alibaba Cloud KMS is asked.
    pub kms: Identity,
    /// Where Vault or OpenBao is, for keys that do not say it.
    pub vault_address: Option<String>,
    /// Its namespace.
    pub vault_namespace: Option<String>,
    /// How it is logged in.
    pub vault: Login,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            cache: KeyCache::default(),
            fetch_timeout: Duration::from_millis(FETCH_TIMEOUT.default),
            fetch_again: Duration::from_millis(FETCH_AGAIN.default),
            authorities: Vec::new(),
            kms: Identity::Environment,
            vault_address: None,
            vault_namespace: None,
            vault: Login::Environment,
        }
    }
}

impl Keys {
    /// Reads `[keys]`; what is not there has its default.
    pub(super) fn read(document: &mut Document<'_>, root: &mut Table<'_>) -> Self {
        let mut keys = Self::default();
        let Some(mut table) = section(document, root, "keys", &KEYS) else { return keys };
        if let Some((path, _)) = read_path(document, &mut table, "directory") {
            keys.cache = KeyCache::new(path);
        }
        if let Some(limit) = read_bound(document, &mut table, &FETCH_TIMEOUT) {
            keys.fetch_timeout = Duration::from_millis(limit);
        }
        if let Some(pause) = read_bound(document, &mut table, &FETCH_AGAIN) {
            keys.fetch_again = Duration::from_millis(pause);
        }
        if let Some(value) = table.take("authorities") {
            keys.authorities = authorities(document, value).unwrap_or_default();
        }
        if let Some(mut table) = section_of(document, &mut table, "kms", "[keys.kms]", &KMS_KEYS)
            && let Some(identity) = identity(document, &mut table)
        {
            keys.kms = identity;
        }
        if let Some(mut table) = section_of(document, &mut table, "vault", "[keys.vault]", &VAULT_KEYS) {
            keys.read_vault(document, &mut table);
        }
        keys
    }

    fn read_vault(&mut self, document: &mut Document<'_>, table: &mut Table<'_>) {
        if let Some((text, span)) = table.take("address").and_then(|it| document.string(it, "`address`")) {
            match service::address(&text) {
                Ok(address) => self.vault_address = Some(address),
                Err(error) => document.problem(
                    span,
                    format!("`address` cannot be used: {error}"),
                    "write https:// and the host; http:// only for this machine",
                ),
            }
        }
        if let Some(value) = table.take("namespace") {
            self.vault_namespace = namespace(document, value);
        }
        let token = secret_file(document, table, "token-file");
        let role = name(document, table, "role-id");
        let secret = secret_file(document, table, "secret-id-file");
        match (token, role, secret) {
            (None, None, None) => {}
            (Some(path), None, None) => self.vault = Login::TokenFile(path),
            (None, Some(role_id), Some(secret_id_file)) => {
                self.vault = Login::AppRole { mount: "approle".to_owned(), role_id, secret_id_file };
            }
            _ => {
                let hint = "it needs `token-file`, or `role-id` and `secret-id-file`";
                document.problem(table.span.clone(), "[keys.vault] does not say how to log in", hint);
            }
        }
    }

    /// The same for the keys themselves.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let service =
            service::Settings { authorities: self.authorities.clone(), ..service::Settings::default() };
        let mut kms =
            KmsSettings { identity: self.kms.clone(), service: service.clone(), ..KmsSettings::default() };
        let mut transit = TransitSettings {
            address: self.vault_address.clone(),
            namespace: self.vault_namespace.clone(),
            login: self.vault.clone(),
            service,
            ..TransitSettings::default()
        };
        kms.bounds.deadline = self.fetch_timeout;
        transit.bounds.deadline = self.fetch_timeout;
        let token = TokenSettings { deadline: self.fetch_timeout, ..TokenSettings::default() };
        Settings { kms, transit, token, ..Settings::default() }
    }
}

fn section_of<'a>(
    document: &mut Document<'_>,
    table: &mut Table<'a>,
    key: &str,
    what: &str,
    known: &[&str],
) -> Option<Table<'a>> {
    let value = table.take(key)?;
    document.table(value, what, known)
}

fn authorities(document: &mut Document<'_>, value: Value<'_>) -> Option<Vec<PathBuf>> {
    let span = value.span.clone();
    let values = document.array(value, "`authorities`", "a list of absolute paths")?;
    if values.len() > MAX_AUTHORITIES {
        document.problem(span, format!("`authorities` has more than {MAX_AUTHORITIES} files"), "merge some");
        return None;
    }
    let mut paths = Vec::new();
    for value in values {
        let (text, span) = document.string(value, "a file of `authorities`")?;
        let path = PathBuf::from(&text);
        if path.is_absolute() && !text.contains('\0') {
            paths.push(path);
        } else {
            document.problem(span, "a file of `authorities` is not an absolute path", "write it from `/` on");
        }
    }
    Some(paths)
}

fn namespace(document: &mut Document<'_>, value: Value<'_>) -> Option<String> {
    let (text, span) = document.string(value, "`namespace`")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if (1..=256).contains(&text.len()) && text.bytes().all(plain) {
        return Some(text);
    }
    document.problem(span, "`namespace` is not one of Vault", "write its path, as in \"team/sub\"");
    None
}

fn identity(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Identity> {
    let role = name(document, table, "ram-role");
    let id = name(document, table, "access-key-id");
    let secret = secret_file(document, table, "access-key-secret-file");
    let file = secret_file(document, table, "credentials-file");
    let profile = name(document, table, "profile");
    let assumed = table.take("assume-role");
    let by = match (role, id, secret, file, profile) {
        (None, None, None, None, None) => Identity::Environment,
        (Some(role), None, None, None, None) => Identity::Role(role),
        (None, Some(id), Some(secret_file), None, None) => Identity::Key { id, secret_file },
        (None, None, None, Some(path), profile) => {
            Identity::File { path, profile: profile.unwrap_or_else(|| "default".to_owned()) }
        }
        _ => {
            let hint = "it needs `ram-role`, `access-key-id` with `access-key-secret-file`, or `credentials-file`, \
                        perhaps with `profile`";
            document.problem(table.span.clone(), "[keys.kms] does not say as whom to ask", hint);
            return None;
        }
    };
    let Some(value) = assumed else { return Some(by) };
    let DeValue::String(role) = &value.value else {
        document.wrong_type(value.span, "`assume-role`", "a string", &value.value);
        return None;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/-_.@".contains(&byte);
    if !role.starts_with("acs:ram::") || role.len() > 256 || !role.bytes().all(plain) {
        document.problem(value.span, "`assume-role` is not a role", "write acs:ram::ACCOUNT:role/NAME");
        return None;
    }
    Some(Identity::Assumed(Box::new(Assume {
        by,
        role: role.to_string(),
        session: "pullgate".to_owned(),
        external_id: None,
        duration: Duration::from_secs(3600),
        endpoint: "https://sts.aliyuncs.com".to_owned(),
    })))
}
