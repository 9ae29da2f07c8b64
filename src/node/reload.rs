//! Loads the policy from disk and from what is followed: at the start, at each SIGHUP, after its remote keys were fetched, and
//! when there is a new document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::state::State;
use super::trust_roots;
use crate::config::{self, DaemonConfig, KnownKeys, Loaded, Survey};
use crate::follow::{Following, StoreError};
use crate::gate::Gate;
use crate::keys::{self, PinnedKey};
use pullgate_core::followed::{Accepted, Kind};
use pullgate_core::untrusted::error_chain;

/// Why keys could not be fetched, by their location.
pub(crate) type Failures = BTreeMap<String, String>;

/// The pause after what is followed could not be stored.
const STORE_AGAIN: Duration = Duration::from_secs(60);

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
    /// What is on the disk for the next start, as far as it is known.
    stored: Following,
    /// Stores `good`, outside of the serving thread: it waits for the disk.
    storing: JoinSet<Result<Following, StoreError>>,
    store_at: Option<Instant>,
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
        let (newest, stored) = (good.clone(), good.clone());
        let (fetching, storing) = (JoinSet::new(), JoinSet::new());
        let (retry_at, store_at) = (None, None);
        Self { root, gate, state, keys, trust, fetching, retry_at, good, newest, stored, storing, store_at }
    }

    /// What this node has of what it follows.
    pub(super) fn followed(&self, kind: Kind) -> Option<&Accepted> {
        self.newest.accepted(kind)
    }

    /// Loads a new document of what is followed, together with everything else.
    pub(super) fn offer(&mut self, accepted: Accepted) {
        self.newest = self.newest.with(accepted);
        self.load();
    }

    /// Activates the policy on disk, completely or not at all. If keys are missing, starts to fetch them; then the
    /// caller must wait for [`PolicyFile::fetched`].
    pub(super) fn load(&mut self) {
        // The signer in [follow] may be another by now.
        let now = jiff::Timestamp::now();
        (self.good, self.newest) = (self.good.verified_again(now), self.newest.verified_again(now));
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
            tokio::select! {
                Some(failures) = self.fetching.join_next() => {
                    let survey = self.survey(failures.unwrap_or_default());
                    if !survey.missing().is_empty() {
                        self.retry_at = Some(Instant::now() + self.keys.fetch_retry_interval);
                    }
                    return self.activate(survey);
                }
                () = until(self.retry_at) => {
                    self.retry_at = None;
                    let missing = self.survey(Failures::new()).missing();
                    self.fetch(missing);
                }
                Some(stored) = self.storing.join_next() => self.note_stored(stored),
                () = until(self.store_at) => {
                    self.store_at = None;
                    self.store();
                }
            }
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

    /// Puts the local files in force as they are now, with the newest documents of what is followed that are valid: a policy
    /// that does not load must not delay a revocation. Where that is what is in force, nothing changes.
    fn fall_back(&mut self) {
        let known = KnownKeys { cache: self.keys.cache(), failures: Failures::new() };
        let one_new = [Kind::DenyList, Kind::Policy].map(|kind| self.good.with_that_of(&self.newest, kind));
        for following in one_new.into_iter().flatten().chain([self.good.clone()]) {
            if following.is_same(&self.newest) {
                continue;
            }
            let Ok(loaded) = self.survey_of(&following, &known).loaded else { continue };
            self.good = following;
            self.store();
            if self.gate.policy().is_none_or(|policy| policy.hash() != loaded.policy.hash()) {
                self.put_in_force(loaded);
            }
            return;
        }
    }

    /// Stores what is in force, unless it is stored already. One at a time, so that an older document is never the last.
    fn store(&mut self) {
        if self.storing.is_empty() && !self.good.is_same(&self.stored) {
            let (good, stored) = (self.good.clone(), self.stored.clone());
            self.storing.spawn_blocking(move || good.keep(&stored).map(|()| good));
        }
    }

    fn note_stored(&mut self, result: Result<Result<Following, StoreError>, JoinError>) {
        let error = match result {
            Ok(Ok(following)) => {
                self.stored = following;
                self.state.follow_stored(Ok(()));
                return self.store();
            }
            Ok(Err(error)) => error_chain(&error),
            Err(error) => error_chain(&error),
        };
        tracing::error!(error, "what is followed is in force, but cannot be stored for the next start");
        self.state.follow_stored(Err(error));
        self.store_at = Some(Instant::now() + STORE_AGAIN);
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
                self.good = self.newest.clone();
                self.put_in_force(loaded);
                self.store();
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

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
