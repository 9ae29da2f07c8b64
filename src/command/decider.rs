//! A gate for one run of the program, with the daemon's own configuration and policy: it decides as the daemon would.

use std::io;
use std::path::Path;

use super::Outcome;
use crate::config::{self, BreakGlassFile, DaemonConfig, KnownKeys, Problems};
use crate::gate::Gate;
use crate::node;
use crate::registry::RegistryError;

/// Everything that is needed to decide.
#[derive(Debug)]
pub(super) struct Decider {
    pub(super) config: DaemonConfig,
    pub(super) gate: Gate,
    pub(super) runtime: tokio::runtime::Runtime,
}

impl Decider {
    /// The same, with the evidence of the daemon, which is only read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_with_evidence(root: &Path) -> Result<Self, OpenError> {
        let Self { config, gate, runtime } = Self::open(root)?;
        let gate = gate.with_ledger(node::evidence_of_daemon(&config));
        Ok(Self { config, gate, runtime })
    }

    /// Reads the configuration below `root` and puts its policy in force.
    ///
    /// # Errors
    /// When there is no usable configuration or policy, or the program cannot start.
    pub(super) fn open(root: &Path) -> Result<Self, OpenError> {
        let config =
            config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(OpenError::Configuration)?;
        let known = KnownKeys { cache: config.keys.cache.clone(), ..KnownKeys::default() };
        let loaded = config::survey_policy(root, &known, jiff::Timestamp::now()).loaded;
        let policy = loaded.map_err(OpenError::Configuration)?.policy;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Start)?;
        let gate = node::gate(&config).map_err(OpenError::Registry)?;
        gate.set_emergency(Box::new(BreakGlassFile::of(root)));
        gate.set_policy(policy);
        Ok(Self { config, gate, runtime })
    }
}

/// Why nothing can be decided.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// The configuration or the policy is not usable.
    #[error("the configuration cannot be used:\n{0}")]
    Configuration(Problems),
    /// The registry client cannot be made.
    #[error("the registry client cannot be made")]
    Registry(#[source] RegistryError),
    /// There is no event loop.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

impl OpenError {
    /// What a run that ends with this comes to.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Configuration(_) | Self::Registry(_) => Outcome::Usage,
            Self::Start(_) => Outcome::Unknown,
        }
    }
}
