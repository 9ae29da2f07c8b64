//! What opening keys needs to know besides their place. Secrets are named, never held.

use std::path::PathBuf;
use std::time::Duration;

use super::passphrase::Passphrase;
use pullgate_net::alibaba::{Identity, METADATA};
use pullgate_net::service;

/// How keys are opened and used, by where they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// For encrypted key files.
    pub passphrase: Passphrase,
    /// For PKCS#11 tokens.
    pub token: TokenSettings,
    /// For Alibaba Cloud KMS.
    pub kms: KmsSettings,
    /// For Vault's and OpenBao's transit engine.
    pub transit: TransitSettings,
}

/// PKCS#11 tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The library that speaks to tokens whose location names none.
    pub module: Option<PathBuf>,
    /// Where a library that is named without its directory is looked for, in this order.
    pub module_directories: Vec<PathBuf>,
    /// A file with the PIN of tokens whose location names none. It must not be readable by everybody.
    pub pin_file: Option<PathBuf>,
    /// Sessions with one token, and so signatures that it makes at a time: 1 to 64.
    pub sessions: usize,
    /// Time for one signature, waiting for a session included.
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

/// What bounds the use of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time for one signature with all that is asked again.
    pub deadline: Duration,
    /// Questions a second, at most: a service that throttles one client throttles its whole account.
    pub rate: u32,
    /// Questions at a time.
    pub concurrency: usize,
}

/// Alibaba Cloud KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsSettings {
    /// As whom it is asked.
    pub identity: Identity,
    /// The instance metadata: [`METADATA`].
    pub metadata: String,
    /// How it is asked.
    pub service: service::Settings,
    /// Bounds. KMS serves 200 questions a second for an account.
    pub bounds: Bounds,
}

impl Default for KmsSettings {
    fn default() -> Self {
        Self {
            identity: Identity::Environment,
            metadata: METADATA.to_owned(),
            service: service::Settings::default(),
            bounds: Bounds { deadline: Duration::from_secs(30), rate: 100, concurrency: 16 },
        }
    }
}

/// Vault's and OpenBao's transit engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitSettings {
    /// The service of keys whose location names none; `VAULT_ADDR` or `BAO_ADDR` of the environment, when absent.
    pub address: Option<String>,
    /// The namespace (`X-Vault-Namespace`); `VAULT_NAMESPACE` or `BAO_NAMESPACE` of the environment, when absent.
    pub namespace: Option<String>,
    /// How it is logged in.
    pub login: VaultAuth,
    /// How it is asked.
    pub service: service::Settings,
    /// Bounds.
    pub bounds: Bounds,
}

impl Default for TransitSettings {
    fn default() -> Self {
        Self {
            address: None,
            namespace: None,
            login: VaultAuth::Environment,
            service: service::Settings::default(),
            bounds: Bounds { deadline: Duration::from_secs(30), rate: 200, concurrency: 16 },
        }
    }
}

/// How Vault knows who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A token in `VAULT_TOKEN` or `BAO_TOKEN`.
    Environment,
    /// A token in a file, which is read again each time, so that an agent can replace it.
    TokenFile(PathBuf),
    /// AppRole.
    AppRole {
        /// Where the method is mounted; `approle` mostly.
        mount: String,
        /// The id of the role, which is no secret by itself.
        role_id: String,
        /// A file with the secret id.
        secret_id_file: PathBuf,
    },
}
