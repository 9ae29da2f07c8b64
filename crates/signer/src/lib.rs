//! Signs what is pushed, by rule: the service beside a registry.
//!
//! ```text
//! registry ──notification──▶ http ──▶ notification ──▶ rule ──▶ queue ──▶ worker ──▶ sign ──▶ registry
//!                            authen-  what was         which    on disk   exists?
//!                            ticates  pushed           applies  first     an image?
//! registry ◀──────lists────────── reconcile ───────────────────────▲
//! ```
//!
//! A notification is a hint: what is signed is what the registry has when a worker looks it up. `docs/signer.md` describes
//! the worst effect of a forged one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

mod active_config;
mod answer;
mod attaching;
mod certificate;
mod certificate_watch;
mod config;
mod failed_reload;
mod http;
mod image;
mod metrics;
mod notification;
mod push;
mod queue;
mod recheck;
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
pub use attaching::{Attaching, AttachingError, TimestampSettings};
pub use certificate::CertificateStatus;
pub use config::limits::Limits;
pub use config::listen::Listen;
pub use config::{
    Reconcile, SIGNER_FILE, load_signer, load_signer_control, signer_documentation, signer_options,
};
pub use failed_reload::FailedReload;
pub use http::{ListenError, Listener};
pub use metrics::FAMILIES;
pub use notification::{Attributes, Envelope, Notification, NotificationError, read as read_notification};
pub use push::Push;
pub use queue::{Capacity, QueueError};
pub use requests::{SubmitRequest, SubmitResponse};
pub use rule::{ActiveRule, Rule, RuleId, Trigger, applying};
pub use run::run;
pub use service::{Signer, SignerError};
pub use status::{ParkedImage, RuleStatus, Status};

use pullgate_core::trust::Algorithm;
pub use pullgate_daemon::http::Address;
use pullgate_keys::Location;

/// The configuration of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerSettings {
    /// The registry whose images are signed.
    pub registry: TargetRegistry,
    /// The endpoint for notifications.
    pub listen: Listen,
    /// The Unix socket for the operator's commands.
    pub control: PathBuf,
    /// An additional address for metrics, without authentication.
    pub metrics: Option<SocketAddr>,
    /// The directory of the queue and the audit record, which only the service uses.
    pub directory: PathBuf,
    pub reconcile: Reconcile,
    pub limits: Limits,
    /// How keys are opened and used, by kind of location.
    pub keys: pullgate_keys::KeySettings,
    /// Keys by the name that rules use.
    pub authenticators: BTreeMap<String, AuthenticatorSettings>,
    pub rules: Vec<Rule>,
}

/// The registry whose images are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRegistry {
    /// The host in image names.
    pub host: String,
    /// The user that signs.
    pub login: Option<RegistryLogin>,
    /// Directories with `hosts.toml` files.
    pub hosts: Vec<PathBuf>,
}

/// A user name and the file with its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLogin {
    pub username: String,
    pub password_file: PathBuf,
}

/// The files of a TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the certificate chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// The CAs of client certificates; without them, clients need no certificate.
    pub clients: Option<PathBuf>,
}

/// A key of an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorSettings {
    pub location: Location,
    pub algorithm: Algorithm,
    /// The file with the certificate chain of the key, for Notation signatures.
    pub certificate_chain: Option<PathBuf>,
    /// The most signatures per second.
    pub per_second: u32,
}
