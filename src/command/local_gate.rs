//! A gate in this process, with the configuration and policy of the daemon, so that it decides like the daemon.

use std::io;
use std::path::Path;

use crate::config::{self, BreakGlassFile, DaemonConfig, Problems};
use crate::gate::Gate;
use crate::node;
use crate::registry::RegistryError;
use pullgate_cli::Outcome;

/// A gate with its configuration and async runtime.
#[derive(Debug)]
pub(super) struct LocalGate {
    pub(super) config: DaemonConfig,
    pub(super) gate: Gate,
    pub(super) runtime: tokio::runtime::Runtime,
}

impl LocalGate {
    /// Like [`Self::open`], with read access to the daemon's ledger.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_with_evidence(root: &Path) -> Result<Self, OpenError> {
        let Self { config, gate, runtime } = Self::open(root)?;
        let gate = gate.with_ledger(node::read_only_ledger(&config));
        Ok(Self { config, gate, runtime })
    }

    /// Reads the configuration in `root` and loads its policy.
    ///
    /// # Errors
    /// When the configuration or the policy is invalid, or the gate cannot be created.
    pub(super) fn open(root: &Path) -> Result<Self, OpenError> {
        let (config, survey) =
            config::survey(root, jiff::Timestamp::now()).map_err(OpenError::Configuration)?;
        let policy = survey.loaded.map_err(OpenError::Configuration)?.policy;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Start)?;
        let gate = node::gate(&config).map_err(OpenError::Registry)?;
        gate.set_break_glass(Box::new(BreakGlassFile::of(root)));
        gate.set_policy(policy);
        Ok(Self { config, gate, runtime })
    }
}

/// Why a local gate cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// The configuration or the policy is invalid.
    #[error("invalid configuration:\n{0}")]
    Configuration(Problems),
    /// The registry client cannot be created.
    #[error("cannot create the registry client")]
    Registry(#[source] RegistryError),
    /// The async runtime cannot be created.
    #[error("cannot start the async runtime")]
    Start(#[source] io::Error),
}

impl OpenError {
    /// The outcome of a run that failed with this error.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Configuration(_) | Self::Registry(_) => Outcome::Usage,
            Self::Start(_) => Outcome::Undetermined,
        }
    }
}
