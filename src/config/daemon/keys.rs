//! `[keys]`: the cache of public keys, and the identity for the services that keep their private halves.

use std::path::PathBuf;
use std::time::Duration;

use super::super::services::{identity, login, vault_address, vault_namespace};
use crate::alibaba::Identity;
use crate::keys::{KeyCache, KeySettings, KmsSettings, TokenSettings, TransitSettings, VaultAuth};
use crate::service;
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::kind::{PATH, Section, time};

/// The name of an assumed role's sessions in ActionTrail.
const SESSION: &str = "pullgate";

pullgate_config::options! {
    /// `[keys]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Keys {
        /// Where to keep the fetched public keys.
        directory: PathBuf = "directory", PATH.or(KeyCache::DEFAULT_DIRECTORY);
        /// Maximum time to fetch a key.
        fetch_timeout: Duration = "fetch-timeout", time(15 * SECOND, 100, 2 * MINUTE);
        /// Delay before the daemon fetches missing keys again.
        fetch_retry_interval: Duration = "fetch-retry-interval", time(30 * SECOND, SECOND, 10 * MINUTE);
        /// Files with CA certificates for the key services, trusted in addition to those of the system.
        authorities: Vec<PathBuf> = "authorities", PATH.list(64, &[]);
        /// Credentials for Alibaba Cloud KMS: `ram-role` (the role of this ECS instance), or `access-key-id` with
        /// `access-key-secret-file`, or `credentials-file` with an optional `profile`; and optionally a role to assume. By
        /// default ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET of the environment. They need
        /// kms:GetPublicKey on these keys, and kms:AsymmetricVerify with `verify = "remote"`.
        kms: Kms = "kms", Section("[keys.kms]");
        /// Vault or OpenBao: `token-file`, or `role-id` with `secret-id-file` (AppRole). By default VAULT_TOKEN (BAO_TOKEN)
        /// of the environment.
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
