//! `[keys]`: where fetched public keys are kept, and as whom the services are asked that keep their private halves.

use std::path::PathBuf;
use std::time::Duration;

use super::super::bound::{Bound, Unit, read_bound};
use super::super::document::{Document, Table};
use super::super::services;
use crate::alibaba::Identity;
use crate::keys::{KeyCache, KeySettings, KmsSettings, TokenSettings, TransitSettings, VaultAuth};
use crate::service;
use pullgate_config::values::{read_path, section};

const FETCH_TIMEOUT: Bound = Bound {
    key: "fetch-timeout",
    unit: Unit::Time,
    default: 15_000,
    minimum: 100,
    maximum: 120_000,
    about: "how long asking for one public key may take",
};

const FETCH_RETRY_INTERVAL: Bound = Bound {
    key: "fetch-retry-interval",
    unit: Unit::Time,
    default: 30_000,
    minimum: 1_000,
    maximum: 600_000,
    about: "how long the daemon waits before it asks again for keys that could not be had",
};

/// The bounds of `[keys]`.
pub const KEYS_BOUNDS: [Bound; 2] = [FETCH_TIMEOUT, FETCH_RETRY_INTERVAL];

const KEYS: [&str; 6] =
    ["directory", FETCH_TIMEOUT.key, FETCH_RETRY_INTERVAL.key, "authorities", "kms", "vault"];
const KMS_KEYS: [&str; 6] =
    ["ram-role", "access-key-id", "access-key-secret-file", "credentials-file", "profile", "assume-role"];
const VAULT_KEYS: [&str; 5] = ["address", "namespace", "token-file", "role-id", "secret-id-file"];

/// What a session of an assumed role is called in ActionTrail.
const SESSION: &str = "pullgate";

/// `[keys]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Where public keys are kept that were fetched.
    pub cache: KeyCache,
    /// Time for asking for one.
    pub fetch_timeout: Duration,
    /// The pause before keys that could not be had are asked for again.
    pub fetch_retry_interval: Duration,
    /// Certificates of authorities that are trusted in addition, to reach the services.
    pub authorities: Vec<PathBuf>,
    /// As whom Alibaba Cloud KMS is asked.
    pub kms: Identity,
    /// Where Vault or OpenBao is, for keys that do not say it.
    pub vault_address: Option<String>,
    /// Its namespace.
    pub vault_namespace: Option<String>,
    /// How it is logged in.
    pub vault: VaultAuth,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            cache: KeyCache::default(),
            fetch_timeout: Duration::from_millis(FETCH_TIMEOUT.default),
            fetch_retry_interval: Duration::from_millis(FETCH_RETRY_INTERVAL.default),
            authorities: Vec::new(),
            kms: Identity::Environment,
            vault_address: None,
            vault_namespace: None,
            vault: VaultAuth::Environment,
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
        if let Some(pause) = read_bound(document, &mut table, &FETCH_RETRY_INTERVAL) {
            keys.fetch_retry_interval = Duration::from_millis(pause);
        }
        keys.authorities = services::paths(document, &mut table, "authorities").unwrap_or_default();
        if let Some(mut table) = section_of(document, &mut table, "kms", "[keys.kms]", &KMS_KEYS)
            && let Some(identity) = services::identity(document, &mut table, SESSION)
        {
            keys.kms = identity;
        }
        if let Some(mut table) = section_of(document, &mut table, "vault", "[keys.vault]", &VAULT_KEYS) {
            keys.read_vault(document, &mut table);
        }
        keys
    }

    fn read_vault(&mut self, document: &mut Document<'_>, table: &mut Table<'_>) {
        self.vault_address = services::address(document, table, "address");
        self.vault_namespace = services::text(document, table, "namespace");
        if let Some(login) = services::login(document, table) {
            self.vault = login;
        }
    }

    /// The same for the keys themselves.
    #[must_use]
    pub fn settings(&self) -> KeySettings {
        let service = service::ServiceSettings {
            authorities: self.authorities.clone(),
            ..service::ServiceSettings::default()
        };
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
        KeySettings { kms, transit, token, ..KeySettings::default() }
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
