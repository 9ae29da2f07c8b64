//! Loads the policy from disk and from what is followed: at the start, at each SIGHUP, after its remote keys were fetched, and
//! when there is a new document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::state::State;
use super::trust_roots;
use crate::config::{self, DaemonConfig, KnownKeys, Loaded, Survey};
use crate::follow::Following;
use crate::gate::Gate;
use crate::keys::{self, PinnedKey};
use pullgate_core::followed::{Accepted, Kind};
use pullgate_core::untrusted::error_chain;

/// Why keys could not be fetched, by their location.
pub(crate) type Failures = BTreeMap<String, String>;

/// The policy on disk.
///
/// Missing keys are fetched in a separate task, while the daemon serves with the policy in effect.
#[derive(Debug)]
pub(super) struct PolicyFile {
    root: PathBuf,
    gate: Arc<Gate>,
    state: Arc<State>,
    keys: config::Keys,
    trust: config::Trust,
    fetching: JoinSet<Failures>,
    retry_at: Option<Instant>,
    /// What is followed, as it was last valid together with the local files.
    good: Following,
    /// The newest of it, which may not be valid.
    newest: Following,
}

/// Logs if `pullgate.toml` differs from the running configuration, or is not valid any more.
pub(super) fn warn_of_changes(root: &Path, running: &DaemonConfig) {
    let found = config::load_daemon(&root.join(config::DAEMON_FILE));
    match found.map(|found| is_same(found, running)) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("pullgate.toml has changed: restart the daemon to apply it"),
        Err(problems) => {
            for problem in &problems {
                tracing::error!(problem = %problem.line(), "problem in pullgate.toml");
            }
            tracing::error!("pullgate.toml is invalid: the next start of the daemon will fail");
        }
    }
}

/// The mode of the file is not a part of the configuration.
fn is_same(mut found: DaemonConfig, running: &DaemonConfig) -> bool {
    found.registry.keyring.is_world_readable = running.registry.keyring.is_world_readable;
    found == *running
}

/// Fetches the public keys that a policy names by `source`. The keys that were fetched are in the cache after that.
pub(crate) async fn fetch_keys(keys: &config::Keys, missing: &[PinnedKey]) -> Failures {
    let results = keys::fetch(missing, &keys.cache(), &keys.settings(), keys.fetch_timeout, false).await;
    let failed = missing
        .iter()
        .zip(results)
        .filter_map(|(key, result)| Some((key.location.to_string(), error_chain(&result.err()?))));
    failed.collect()
}

impl PolicyFile {
    pub(super) fn new(root: PathBuf, config: &DaemonConfig, gate: Arc<Gate>, state: Arc<State>) -> Self {
        let (keys, trust) = (config.keys.clone(), config.trust.clone());
        let good = Following::stored(&config.follow, jiff::Timestamp::now());
        let newest = good.clone();
        Self { root, gate, state, keys, trust, fetching: JoinSet::new(), retry_at: None, good, newest }
    }

    /// What this node has of what it follows.
    pub(super) fn followed(&self, kind: Kind) -> Option<&Accepted> {
        self.newest.accepted(kind)
    }

    /// Loads a new document of what is followed, together with everything else.
    pub(super) fn offer(&mut self, accepted: Accepted) {
        self.newest = self.newest.with(accepted);
        self.load_newest();
    }

    /// Activates the policy on disk, completely or not at all. If keys are missing, starts to fetch them; then the
    /// caller must wait for [`PolicyFile::fetched`].
    pub(super) fn load(&mut self) {
        // The signer in [follow] may be another by now.
        let now = jiff::Timestamp::now();
        (self.good, self.newest) = (self.good.verified_again(now), self.newest.verified_again(now));
        self.load_newest();
    }

    fn load_newest(&mut self) {
        // A fetch in progress was for the previous files.
        self.fetching = JoinSet::new();
        self.retry_at = None;
        let survey = self.survey(Failures::new());
        let missing = survey.missing();
        if missing.is_empty() {
            self.activate(survey);
        } else {
            self.fetch(missing);
        }
    }

    /// Waits until the keys were fetched, and activates the policy. Never completes if nothing is to be fetched.
    /// Cancel-safe.
    pub(super) async fn fetched(&mut self) {
        loop {
            if let Some(failures) = self.fetching.join_next().await {
                let survey = self.survey(failures.unwrap_or_default());
                if !survey.missing().is_empty() {
                    self.retry_at = Some(Instant::now() + self.keys.fetch_retry_interval);
                }
                return self.activate(survey);
            }
            let Some(at) = self.retry_at else { return std::future::pending().await };
            tokio::time::sleep_until(at).await;
            self.retry_at = None;
            let missing = self.survey(Failures::new()).missing();
            self.fetch(missing);
        }
    }

    /// Logs what will soon end that the policy trusts.
    pub(super) fn warn_of_ends(&self) {
        let policy = self.gate.policy();
        for warning in trust_roots::warnings(policy.as_deref(), &self.trust, jiff::Timestamp::now()) {
            tracing::warn!(warning, "policy");
        }
    }

    pub(super) fn is_fetching(&self) -> bool {
        !self.fetching.is_empty()
    }

    fn survey(&self, failures: Failures) -> Survey {
        let known = KnownKeys { cache: self.keys.cache(), failures };
        self.survey_of(&self.newest, &known)
    }

    fn survey_of(&self, following: &Following, known: &KnownKeys) -> Survey {
        let (now, notice) = (jiff::Timestamp::now(), self.trust.notice_span());
        config::survey_following(&self.root, following, known, now, notice)
    }

    /// Puts the local files in force as they are now, with the last good documents of what is followed. Where that is what is
    /// in force, nothing changes.
    fn fall_back(&self) {
        if self.good.is_same(&self.newest) {
            return;
        }
        let known = KnownKeys { cache: self.keys.cache(), failures: Failures::new() };
        let in_force = self.gate.policy();
        if let Ok(loaded) = self.survey_of(&self.good, &known).loaded
            && in_force.is_none_or(|policy| policy.hash() != loaded.policy.hash())
        {
            self.put_in_force(loaded);
        }
    }

    fn put_in_force(&self, loaded: Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!(warning = %warning.line(), "warning about the policy");
        }
        let hash = loaded.policy.hash().to_owned();
        // The policy first: when the log or the status report it, it must be in effect.
        self.gate.set_policy(loaded.policy);
        for kind in Kind::ALL {
            self.state.follows(kind, self.good.accepted(kind));
        }
        let generation = self.state.policy_loaded(&hash);
        tracing::info!(generation, hash, "policy in force");
    }

    fn fetch(&mut self, missing: Vec<PinnedKey>) {
        tracing::info!(keys = missing.len(), "fetching keys that the policy names");
        let keys = self.keys.clone();
        self.fetching.spawn(async move { fetch_keys(&keys, &missing).await });
    }

    fn activate(&mut self, survey: Survey) {
        match survey.loaded {
            Ok(loaded) => {
                if let Err(error) = self.newest.keep(&self.good) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        "the followed policy is in force, but cannot be stored for the next start"
                    );
                }
                self.good = self.newest.clone();
                self.put_in_force(loaded);
            }
            Err(problems) => {
                self.fall_back();
                for problem in problems.iter() {
                    tracing::error!(problem = %problem.line(), "problem in the policy");
                }
                self.state.policy_failed(problems.iter().map(ToString::to_string).collect());
                let kept = self.state.policy();
                match kept.hash {
                    Some(hash) => tracing::error!(
                        generation = kept.generation,
                        hash,
                        "the new policy is invalid: the previous policy stays in force"
                    ),
                    None => tracing::error!("no usable policy: every pull is refused"),
                }
            }
        }
    }
}
