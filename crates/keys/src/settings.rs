//! Settings for opening keys. They contain paths of secrets, never secrets.

use std::path::PathBuf;
use std::time::Duration;

use super::passphrase::Passphrase;
use pullgate_net::alibaba::{Identity, METADATA};
use pullgate_net::service;

/// Settings for opening and using keys, by kind of location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySettings {
    /// For encrypted key files.
    pub passphrase: Passphrase,
    /// For PKCS#11 tokens.
    pub token: TokenSettings,
    /// For Alibaba Cloud KMS.
    pub kms: KmsSettings,
    /// For Vault's and OpenBao's transit engine.
    pub transit: TransitSettings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The library for tokens whose location names none.
    pub module: Option<PathBuf>,
    /// Where a library that is named without its directory is looked up, in order.
    pub module_directories: Vec<PathBuf>,
    /// A file with the PIN of tokens whose location names none. It must be private.
    pub pin_file: Option<PathBuf>,
    /// Sessions with one token, and so concurrent signatures: 1 to 64.
    pub sessions: usize,
    /// Time for one signature, including the wait for a session.
    pub deadline: Duration,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let directories = [
            "/usr/lib/x86_64-linux-gnu/pkcs11",
            "/usr/lib/x86_64-linux-gnu/softhsm",
            "/usr/lib/aarch64-linux-gnu/pkcs11",
            "/usr/lib/aarch64-linux-gnu/softhsm",
            "/usr/lib64/pkcs11",
            "/usr/lib/pkcs11",
            "/usr/lib/softhsm",
            "/usr/local/lib/pkcs11",
        ];
        Self {
            module: None,
            module_directories: directories.into_iter().map(PathBuf::from).collect(),
            pin_file: None,
            sessions: 4,
            deadline: Duration::from_secs(30),
        }
    }
}

/// Limits for the use of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time for one signature, including retries.
    pub deadline: Duration,
    /// Requests per second: a service that throttles one client throttles its whole account.
    pub rate: u32,
    /// Concurrent requests.
    pub concurrency: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsSettings {
    pub identity: Identity,
    /// The URL of the instance metadata: [`METADATA`].
    pub metadata: String,
    pub service: service::ServiceSettings,
    /// KMS allows 200 requests a second for an account.
    pub bounds: Bounds,
}

impl Default for KmsSettings {
    fn default() -> Self {
        Self {
            identity: Identity::Environment,
            metadata: METADATA.to_owned(),
            service: service::ServiceSettings::default(),
            bounds: Bounds { deadline: Duration::from_secs(30), rate: 100, concurrency: 16 },
        }
    }
}

/// Vault's and OpenBao's transit engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitSettings {
    /// The service for keys whose location names none; by default `VAULT_ADDR` or `BAO_ADDR` of the environment.
    pub address: Option<String>,
    /// The namespace (`X-Vault-Namespace`); by default `VAULT_NAMESPACE` or `BAO_NAMESPACE` of the environment.
    pub namespace: Option<String>,
    pub login: VaultAuth,
    pub service: service::ServiceSettings,
    pub bounds: Bounds,
}

impl Default for TransitSettings {
    fn default() -> Self {
        Self {
            address: None,
            namespace: None,
            login: VaultAuth::Environment,
            service: service::ServiceSettings::default(),
            bounds: Bounds { deadline: Duration::from_secs(30), rate: 200, concurrency: 16 },
        }
    }
}

/// How to authenticate with Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A token in `VAULT_TOKEN` or `BAO_TOKEN`.
    Environment,
    /// A token in a file, which is read again for each request, so that an agent can replace it.
    TokenFile(PathBuf),
    AppRole {
        /// Where the method is mounted; usually `approle`.
        mount: String,
        /// The id of the role, which is not a secret.
        role_id: String,
        /// A file with the secret id.
        secret_id_file: PathBuf,
    },
}
