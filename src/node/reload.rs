//! The policy on disk, and how it comes into force: at the start, at each SIGHUP, and when the keys that it names elsewhere
//! have come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::state::State;
use crate::config::{self, DaemonConfig, KnownKeys, Survey};
use crate::gate::Gate;
use crate::keys::{self, PinnedKey};
use crate::telemetry::chain;

/// Why keys could not be had, by their location.
type Failures = BTreeMap<String, String>;

/// The policy on disk.
///
/// Keys that are missing are fetched in a task of their own, while the daemon serves by the policy that it has.
#[derive(Debug)]
pub(super) struct PolicyFile {
    root: PathBuf,
    gate: Arc<Gate>,
    state: Arc<State>,
    keys: config::Keys,
    fetching: JoinSet<Failures>,
    again: Option<Instant>,
}

/// Tells of a `pullgate.toml` that the next start would not go on with as this daemon does with `running`.
pub(super) fn warn_of_changes(root: &Path, running: &DaemonConfig) {
    match config::load_daemon(&root.join(config::DAEMON_FILE)) {
        Ok(found) if found == *running => {}
        Ok(_) => tracing::warn!(
            "pullgate.toml has changed, and is read at the start only: restart to put it in force"
        ),
        Err(problems) => {
            for problem in &problems {
                tracing::error!(problem = %problem.line(), "pullgate.toml");
            }
            tracing::error!("the next start will fail: pullgate.toml cannot be used");
        }
    }
}

impl PolicyFile {
    pub(super) fn new(root: PathBuf, config: &DaemonConfig, gate: Arc<Gate>, state: Arc<State>) -> Self {
        let keys = config.keys.clone();
        Self { root, gate, state, keys, fetching: JoinSet::new(), again: None }
    }

    /// Puts the policy on disk in force, all of it or nothing; or begins to fetch the keys that it needs, and then
    /// [`PolicyFile::fetched`] has to be waited for.
    pub(super) fn load(&mut self) {
        // What was being fetched was for a policy that is not there any more.
        self.fetching = JoinSet::new();
        self.again = None;
        let survey = self.survey(Failures::new());
        let missing = survey.missing();
        if missing.is_empty() {
            self.put_in_force(survey);
        } else {
            self.fetch(missing);
        }
    }

    /// Waits until the keys were asked for, and puts the policy in force as it is then. For ever, where nothing is to be
    /// fetched. Nothing is lost when it is dropped.
    pub(super) async fn fetched(&mut self) {
        loop {
            if let Some(failures) = self.fetching.join_next().await {
                let survey = self.survey(failures.unwrap_or_default());
                if !survey.missing().is_empty() {
                    self.again = Some(Instant::now() + self.keys.fetch_retry_interval);
                }
                return self.put_in_force(survey);
            }
            let Some(at) = self.again else { return std::future::pending().await };
            tokio::time::sleep_until(at).await;
            self.again = None;
            let missing = self.survey(Failures::new()).missing();
            self.fetch(missing);
        }
    }

    /// Whether keys are being fetched.
    pub(super) fn is_fetching(&self) -> bool {
        !self.fetching.is_empty()
    }

    fn survey(&self, failures: Failures) -> Survey {
        let known = KnownKeys { cache: self.keys.cache(), failures };
        config::survey_policy(&self.root, &known, jiff::Timestamp::now())
    }

    fn fetch(&mut self, missing: Vec<PinnedKey>) {
        tracing::info!(keys = missing.len(), "fetching keys that the policy names");
        let (cache, settings, limit) = (self.keys.cache(), self.keys.settings(), self.keys.fetch_timeout);
        self.fetching.spawn(async move {
            let results = keys::fetch(&missing, &cache, &settings, limit, false).await;
            let failed = missing
                .iter()
                .zip(results)
                .filter_map(|(key, result)| Some((key.location.to_string(), chain(&result.err()?))));
            failed.collect()
        });
    }

    fn put_in_force(&self, survey: Survey) {
        match survey.loaded {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    tracing::warn!(warning = %warning.line(), "policy");
                }
                let hash = loaded.policy.hash().to_owned();
                // First the policy: who reads in the log or the status that it is in force can count on it.
                self.gate.set_policy(loaded.policy);
                let generation = self.state.policy_loaded(&hash);
                tracing::info!(generation, hash, "policy in force");
            }
            Err(problems) => {
                for problem in problems.iter() {
                    tracing::error!(problem = %problem.line(), "policy");
                }
                self.state.policy_failed(problems.iter().map(ToString::to_string).collect());
                let kept = self.state.policy();
                match kept.hash {
                    Some(hash) => tracing::error!(
                        generation = kept.generation,
                        hash,
                        "the new policy is not usable: the old one stays in force"
                    ),
                    None => tracing::error!("no usable policy: every pull is refused"),
                }
            }
        }
    }
}
