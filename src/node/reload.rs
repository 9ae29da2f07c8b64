//! The policy on disk, and how it comes into force: at the start and at each SIGHUP.

use std::path::PathBuf;
use std::sync::Arc;

use super::state::State;
use crate::config;
use crate::gate::Gate;

/// The policy on disk.
pub(super) struct PolicyFile {
    pub(super) root: PathBuf,
    pub(super) gate: Arc<Gate>,
    pub(super) state: Arc<State>,
}

impl PolicyFile {
    /// Puts the policy on disk in force, all of it or nothing.
    pub(super) fn load(&self) {
        match config::load_policy(&self.root, jiff::Timestamp::now()) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    tracing::warn!(%warning, "policy");
                }
                let hash = loaded.policy.hash().to_owned();
                // First the policy: who reads in the log or the status that it is in force can count on it.
                self.gate.set_policy(loaded.policy);
                let generation = self.state.policy_loaded(&hash);
                tracing::info!(generation, hash, "policy in force");
            }
            Err(problems) => {
                for problem in problems.iter() {
                    tracing::error!(%problem, "policy");
                }
                self.state.policy_failed(problems.iter().map(ToString::to_string).collect());
                let kept = self.state.policy();
                match kept.hash {
                    Some(hash) => tracing::error!(
                        generation = kept.generation,
                        hash,
                        "the new policy is not usable: the old one stays in force"
                    ),
                    None => tracing::error!("there is no usable policy: every pull is refused"),
                }
            }
        }
    }
}
