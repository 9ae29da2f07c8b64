//! Signs what is pushed, by rule: the service beside a registry.
//!
//! ```text
//! registry ──notification──▶ http ──▶ notification ──▶ rule ──▶ queue ──▶ worker ──▶ sign ──▶ registry
//!                            who may     what was      which    on disk    is it there,
//!                            tell us     told          applies  first      is it an image
//! registry ◀──────────lists────────── catch_up ─────────────────▲
//! ```
//!
//! A notification is a hint: what is signed is what the registry has when a worker looks. `docs/signer.md` says what a
//! forged one can do at worst.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

mod active_config;
mod answer;
mod config;
mod failed_reload;
mod http;
mod image;
mod metrics;
mod notification;
mod push;
mod queue;
mod reconcile;
mod requests;
mod restart;
mod rule;
mod run;
pub mod serve;
mod service;
mod status;
mod worker;

pub use active_config::{ActiveConfigError, check};
pub use config::limits::Limits;
pub use config::listen::Listen;
pub use config::{Reconcile, SIGNER_FILE, load_signer, load_signer_control, signer_options};
pub use failed_reload::FailedReload;
pub use http::{ListenError, Listener};
pub use notification::{Attributes, Envelope, Notification, NotificationError, read as read_notification};
pub use push::Push;
pub use queue::{Capacity, QueueError};
pub use requests::{SubmitRequest, SubmitResponse};
pub use rule::{ActiveRule, Rule, RuleId, Trigger, applying};
pub use run::run;
pub use service::{Signer, SignerError};
pub use status::{ParkedImage, RuleStatus, Status};

use pullgate_core::trust::Algorithm;
use pullgate_keys::Location;

/// Everything that the service goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The registry that is signed at.
    pub registry: RegistrySettings,
    /// Where notifications come in.
    pub listen: Listen,
    /// The unix socket on which the operator's own commands come in.
    pub control: PathBuf,
    /// Where metrics are handed out besides, without anybody having to say who he is.
    pub metrics: Option<SocketAddr>,
    /// The directory of the queue and of the audit record, which is the service's own.
    pub directory: PathBuf,
    /// How the registry is listed.
    pub reconcile: Reconcile,
    /// The bounds.
    pub limits: Limits,
    /// How keys are opened and used, by where they are kept.
    pub keys: pullgate_keys::Settings,
    /// The keys, by the names that rules give them.
    pub authenticators: BTreeMap<String, KeySettings>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The registry that is signed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// The host that images are named by.
    pub host: String,
    /// Who signs, there.
    pub login: Option<Login>,
    /// Directories of `hosts.toml` files.
    pub hosts: Vec<PathBuf>,
}

/// A name and the file with its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The file.
    pub password_file: PathBuf,
}

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address with its port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl Address {
    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// The files of a TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its certificates, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The authorities of clients; without, clients need no certificate.
    pub clients: Option<PathBuf>,
}

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// Where it is.
    pub location: Location,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// How many images are signed with it in a second, at the most.
    pub per_second: u32,
}
