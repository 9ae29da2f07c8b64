//! The daemon: sockets, readiness, reload, shutdown.

pub mod control;
pub mod daemon;
pub mod doctor;
mod follow;
mod ledger_usage;
pub mod metrics;
mod reload;
pub mod report;
pub mod scan;
pub mod state;
pub mod trust_roots;

use std::sync::Arc;

pub(crate) use reload::fetch_keys;

use crate::config::DaemonConfig;
use crate::containerd::Upstream;
use crate::cri;
use crate::gate::{self, Gate};
use crate::keys::RemoteVerifier;
use crate::ledger::Ledger;
use crate::registry::{self, Registry, RegistryError, RegistrySettings};

/// The registry client for `config`.
///
/// # Errors
/// When the operating system returns no random bytes.
pub fn registry(config: &DaemonConfig) -> Result<Registry, RegistryError> {
    let (limits, given) = (&config.limits, &config.registry);
    Registry::new(RegistrySettings {
        hosts_directories: given.hosts.clone().unwrap_or_else(registry::default_hosts),
        containerd_config: given.hosts.is_none().then(|| given.containerd_config.clone()),
        token_services: given.token_services.clone(),
        keyring: given.keyring.clone(),
        sources: given.sources.clone(),
        limits: registry::Limits { wait_for_signature: given.wait_for_signature, ..limits.registry },
    })
}

/// The gate for `config`, without a policy, with evidence in memory.
///
/// # Errors
/// When the registry client cannot be created.
pub fn gate(config: &DaemonConfig) -> Result<Gate, RegistryError> {
    let limits = &config.limits;
    let settings =
        gate::GateSettings { timeout: limits.pull_timeout, concurrent: limits.registry.concurrent_pulls };
    let registry = registry(config)?;
    for warning in config.warnings() {
        tracing::warn!(%warning, "warning about pullgate.toml");
    }
    for warning in registry.check_hosts() {
        tracing::warn!(%warning, "problem in the host configuration of registries");
    }
    Ok(Gate::new(Arc::new(registry), settings)
        .with_remote_verifier(RemoteVerifier::new(config.keys.settings())))
}

/// The ledger for `config`. If the disk cannot be used, evidence is kept in memory: images are admitted, but after a
/// restart the registries must be queried again.
pub fn ledger(config: &DaemonConfig) -> Ledger {
    Ledger::open(&config.ledger).unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the directory of the ledger cannot be used: pullgate keeps evidence in memory only");
        Ledger::in_memory_because(&error)
    })
}

/// A read-only view of the ledger of the daemon with `config`.
pub fn read_only_ledger(config: &DaemonConfig) -> Ledger {
    Ledger::open_read_only(&config.ledger).unwrap_or_else(|error| Ledger::in_memory_because(&error))
}

/// The runtime that `config` names.
pub fn upstream(config: &DaemonConfig) -> Upstream {
    let upstream = Upstream::new(&config.runtime.socket);
    match &config.runtime.image_socket {
        Some(socket) => upstream.with_image_service(socket),
        None => upstream,
    }
}

/// The settings in `config` for the calls that the proxy checks.
pub fn proxy_settings(config: &DaemonConfig) -> cri::CriSettings {
    cri::CriSettings {
        limits: config.limits.cri,
        containerd_config: Some(config.registry.containerd_config.clone()),
        ..config.gate.clone()
    }
}
