//! The daemon: sockets, readiness, reload, end.

pub mod control;
pub mod daemon;
mod reload;
pub mod scan;
pub mod state;

use std::sync::Arc;

use crate::config::DaemonConfig;
use crate::cri;
use crate::gate::{self, Gate};
use crate::keys::RemoteVerifier;
use crate::ledger::Ledger;
use crate::registry::{self, Registry, RegistryError, Settings};
use crate::telemetry::plain;

/// A registry client as `config` wants it.
///
/// # Errors
/// When the system gives no random bytes.
pub fn registry(config: &DaemonConfig) -> Result<Registry, RegistryError> {
    let (limits, given) = (&config.limits, &config.registry);
    Registry::new(Settings {
        hosts_directories: given.hosts.clone().unwrap_or_else(registry::default_hosts),
        containerd_config: given.hosts.is_none().then(|| given.containerd_config.clone()),
        token_services: given.token_services.clone(),
        keyring: given.keyring.clone(),
        sources: given.sources.clone(),
        limits: registry::Limits { wait_for_signature: given.wait_for_signature, ..limits.registry },
        ..Settings::default()
    })
}

/// A gate as `config` wants it, without a policy yet. It keeps evidence in memory.
///
/// # Errors
/// When the registry client cannot be made.
pub fn gate(config: &DaemonConfig) -> Result<Gate, RegistryError> {
    let limits = &config.limits;
    let settings =
        gate::GateSettings { timeout: limits.node.pull_timeout, concurrent: limits.registry.questions };
    let registry = registry(config)?;
    for warning in config.warnings() {
        tracing::warn!(%warning, "configuration");
    }
    for warning in registry.check_hosts() {
        tracing::warn!(warning = %plain(&warning), "hosts of registries");
    }
    Ok(Gate::new(Arc::new(registry), settings)
        .with_remote_verifier(RemoteVerifier::new(config.keys.settings())))
}

/// The ledger as `config` wants it. Where the disk does not give one, evidence is kept in memory: images are admitted as
/// always, but after a restart the registry must be asked again.
pub fn ledger(config: &DaemonConfig) -> Ledger {
    Ledger::open(&config.ledger.settings()).unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the ledger on disk cannot be used: evidence is kept in memory only");
        Ledger::in_memory_because(&error)
    })
}

/// The ledger of the daemon that `config` is of, for who only looks: nothing is written to it.
pub fn evidence_of_daemon(config: &DaemonConfig) -> Ledger {
    Ledger::open_read_only(&config.ledger.settings())
        .unwrap_or_else(|error| Ledger::in_memory_because(&error))
}

/// What `config` says about the calls that the gate has a say in.
pub fn proxy_settings(config: &DaemonConfig) -> cri::Settings {
    cri::Settings {
        tag_record_timeout: config.limits.node.tag_record_timeout,
        image_status: config.gate.image_status,
        checkpoint_restore: config.gate.checkpoint_restore,
        pin_user_specified_image: config.gate.pin_user_specified_image,
        sandbox_image: config.gate.sandbox_image.clone(),
    }
}
