//! `[keys]`: the cache of public keys, and the identity for the services that keep their private halves.

use std::path::PathBuf;
use std::time::Duration;

use super::super::services::{identity, login, vault_address, vault_namespace};
use crate::alibaba::Identity;
use crate::keys::{KeyCache, KeySettings, KmsSettings, TokenSettings, TransitSettings, VaultAuth};
use crate::service;
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::kind::{PATH, Section, time};

/// What a session of an assumed role is called in ActionTrail.
const SESSION: &str = "pullgate";

pullgate_config::options! {
    /// `[keys]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Keys {
        /// The directory of the public keys that were fetched.
        directory: PathBuf = "directory", PATH.or(KeyCache::DEFAULT_DIRECTORY);
        /// How long fetching one public key may take.
        fetch_timeout: Duration = "fetch-timeout", time(15 * SECOND, 100, 2 * MINUTE);
        /// How long the daemon waits before it tries again to fetch missing keys.
        fetch_retry_interval: Duration = "fetch-retry-interval", time(30 * SECOND, SECOND, 10 * MINUTE);
        /// Files with CA certificates that are trusted for these services in addition to those of the system.
        authorities: Vec<PathBuf> = "authorities", PATH.list(64, &[]);
        /// The identity for Alibaba Cloud KMS: a RAM role of this ECS instance, a credentials file, or an access key; without
        /// any of them, ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET of the environment apply. It needs the right to
        /// kms:GetPublicKey on these keys, and to kms:AsymmetricVerify for `verify = "remote"`.
        kms: Kms = "kms", Section("[keys.kms]");
        /// Vault or OpenBao: a token, or an AppRole; without either, VAULT_TOKEN (BAO_TOKEN) of the environment applies.
        vault: Vault = "vault", Section("[keys.vault]");
    }
}

pullgate_config::options! {
    /// `[keys.kms]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Kms {
        /// The identity.
        identity: Identity { |pass| identity(pass, SESSION) };
    }
}

pullgate_config::options! {
    /// `[keys.vault]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Vault {
        /// The address of the service.
        address: Option<String> { vault_address };
        /// The Vault namespace.
        namespace: Option<String> { vault_namespace };
        /// How it is logged in.
        login: VaultAuth { login };
    }
}

impl Keys {
    /// The cache of public keys.
    #[must_use]
    pub fn cache(&self) -> KeyCache {
        KeyCache::new(&self.directory)
    }

    /// The settings of the key services.
    #[must_use]
    pub fn settings(&self) -> KeySettings {
        let service = service::ServiceSettings {
            authorities: self.authorities.clone(),
            ..service::ServiceSettings::default()
        };
        let mut kms = KmsSettings {
            identity: self.kms.identity.clone(),
            service: service.clone(),
            ..KmsSettings::default()
        };
        let mut transit = TransitSettings {
            address: self.vault.address.clone(),
            namespace: self.vault.namespace.clone(),
            login: self.vault.login.clone(),
            service,
            ..TransitSettings::default()
        };
        kms.bounds.deadline = self.fetch_timeout;
        transit.bounds.deadline = self.fetch_timeout;
        let token = TokenSettings { deadline: self.fetch_timeout, ..TokenSettings::default() };
        KeySettings { kms, transit, token, ..KeySettings::default() }
    }
}
