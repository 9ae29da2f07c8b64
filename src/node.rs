//! The daemon: socket, readiness, reload, end.

pub mod daemon;
pub mod socket;

use std::sync::Arc;

use crate::config::DaemonConfig;
use crate::gate::{self, Gate};
use crate::registry::{Registry, RegistryError};

/// A gate as `config` wants it, without a policy yet.
///
/// # Errors
/// When the registry client cannot be made.
pub fn gate(config: &DaemonConfig) -> Result<Arc<Gate>, RegistryError> {
    let registry = Arc::new(Registry::new(config.registry_settings())?);
    let limits = &config.limits;
    let settings = gate::Settings { timeout: limits.pull_timeout, concurrent: limits.concurrent_pulls };
    Ok(Arc::new(Gate::new(registry, settings)))
}
