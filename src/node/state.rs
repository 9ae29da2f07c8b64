//! The daemon's state for `pullgate status` and `systemctl status`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};

use std::path::{Path, PathBuf};

use super::scan::{Report, Verdict};
use crate::cri::SandboxImage;
use crate::doctor;
use crate::follow::{FollowReport, FollowSettings, Refresh};
use crate::telemetry::whole_second;
use pullgate_core::followed::{Accepted, Kind};

/// Shared by the tasks that change it and those that report it.
#[derive(Debug)]
pub struct State {
    started: Timestamp,
    known: Mutex<Known>,
}

/// The policy in effect, and the last failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// Number of policies that were loaded since the start; 0 if none was.
    pub generation: u64,
    /// The hash of the policy in effect.
    pub hash: Option<String>,
    /// When it was loaded, in RFC 3339.
    pub loaded: Option<String>,
    /// The last attempt to load a policy, if it failed.
    pub failure: Option<Failure>,
    /// Number of attempts since the start that failed.
    #[serde(default)]
    pub failures: u64,
}

/// A failed attempt to load a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In RFC 3339.
    pub at: String,
    /// All problems, one or two lines each.
    pub problems: Vec<String>,
}

/// The result of the last scan of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// When it ended, in RFC 3339.
    pub at: String,
    /// Number of images and containers that are admitted.
    pub admitted: usize,
    /// Number of those that are refused.
    pub refused: usize,
    /// Number of those without a decision.
    pub unknown: usize,
}

#[derive(Clone, Debug, Default)]
struct Known {
    policy: PolicyState,
    sandbox: Option<SandboxImage>,
    scanned: Option<Scanned>,
    socket: Option<PathBuf>,
    doctor: Option<doctor::Report>,
    followed: BTreeMap<Kind, FollowReport>,
}

impl State {
    /// The state of a daemon that starts at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { started: whole_second(now), known: Mutex::default() }
    }

    pub fn started(&self) -> Timestamp {
        self.started
    }

    pub fn policy(&self) -> PolicyState {
        self.known().policy.clone()
    }

    /// The sandbox image, after the first check.
    pub fn sandbox(&self) -> Option<SandboxImage> {
        self.known().sandbox.clone()
    }

    /// The last scan, if any.
    pub fn scanned(&self) -> Option<Scanned> {
        self.known().scanned.clone()
    }

    /// The socket for kubelet.
    pub fn socket(&self) -> Option<PathBuf> {
        self.known().socket.clone()
    }

    /// The last findings of `pullgate doctor`, or of the daemon itself.
    pub fn doctor(&self) -> Option<doctor::Report> {
        self.known().doctor.clone()
    }

    /// What is followed, judged now.
    pub fn followed(&self, settings: &FollowSettings) -> Vec<FollowReport> {
        let (now, limit): (_, Duration) = (Timestamp::now(), settings.frozen_after);
        let known = self.known().followed.clone();
        known.into_values().map(|report| report.judged(now, self.started, limit)).collect()
    }

    /// Records what is followed, the highest version that was seen before the start, and when it was current last.
    pub(super) fn begins_to_follow(
        &self,
        kind: Kind,
        reference: &str,
        before: Option<(u64, Option<Timestamp>)>,
    ) {
        let mut known = self.known();
        let report = known.followed.entry(kind).or_default();
        kind.name().clone_into(&mut report.kind);
        reference.clone_into(&mut report.reference);
        report.seen = before.map(|(seen, _)| seen);
        report.refreshed = before.and_then(|(_, refreshed)| refreshed).map(|at| at.to_string());
    }

    /// Records a version that was verified.
    pub(super) fn saw(&self, kind: Kind, version: u64) {
        self.known().followed.entry(kind).or_default().seen = Some(version);
    }

    /// Records whether what is in force is stored for the next start; if not, why.
    pub(super) fn follow_stored(&self, result: Result<(), String>) {
        let unstored = result.err();
        for report in self.known().followed.values_mut() {
            report.unstored.clone_from(&unstored);
        }
    }

    /// Records which document is in force.
    pub(super) fn follows(&self, kind: Kind, accepted: Option<&Accepted>) {
        let mut known = self.known();
        let Some(report) = known.followed.get_mut(&kind) else { return };
        let verified = accepted.map(Accepted::verified);
        report.version = verified.map(|it| it.document().version().number());
        report.digest = verified.map(|it| it.digest().to_string());
        report.expires = verified.and_then(|it| it.document().expires()).map(|at| at.to_string());
    }

    /// Records the result of a refresh; of one that failed why, and whether something was refused.
    pub(super) fn refreshed(&self, kind: Kind, result: Result<(), (String, bool)>) {
        let mut known = self.known();
        let report = known.followed.entry(kind).or_default();
        match result {
            Ok(()) => (report.refreshed, report.failure) = (Some(now()), None),
            Err((problem, refused)) => {
                report.failures += 1;
                report.failure = Some(Refresh { at: now(), problem, refused });
            }
        }
    }

    pub(super) fn serves_at(&self, socket: &Path) {
        self.known().socket = Some(socket.to_owned());
    }

    /// Records findings about the node.
    pub fn examined(&self, report: doctor::Report) {
        self.known().doctor = Some(report);
    }

    /// Records that the policy with this hash is in effect, and returns its generation.
    pub(super) fn policy_loaded(&self, hash: &str) -> u64 {
        let PolicyState { generation, failures, .. } = self.policy();
        let (generation, hash) = (generation + 1, Some(hash.to_owned()));
        self.update(|known| {
            known.policy = PolicyState { generation, hash, loaded: Some(now()), failure: None, failures };
        });
        generation
    }

    /// Records that a policy could not be loaded; the policy in effect stays.
    pub(super) fn policy_failed(&self, problems: Vec<String>) {
        self.update(|known| {
            known.policy.failure = Some(Failure { at: now(), problems });
            known.policy.failures += 1;
        });
    }

    pub(super) fn sandbox_changed(&self, image: &SandboxImage) {
        self.update(|known| known.sandbox = Some(image.clone()));
    }

    pub(super) fn node_scanned(&self, report: &Report) {
        let [admitted, refused, unknown] =
            [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
        self.known().scanned = Some(Scanned { at: now(), admitted, refused, unknown });
    }

    /// Changes the state and updates the status line in systemd.
    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        pullgate_daemon::systemd::notify(&[NotifyState::Status(&line(&known))]);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> String {
    whole_second(Timestamp::now()).to_string()
}

/// The status line for `systemctl status`: the policy, and what the operator must know.
fn line(known: &Known) -> String {
    let PolicyState { generation, hash, failure, .. } = &known.policy;
    let policy = match (hash, failure) {
        (Some(hash), None) => format!("policy generation {generation} ({hash})"),
        (Some(hash), Some(_)) => format!("RELOAD FAILED; still policy generation {generation} ({hash})"),
        (None, _) => "NO USABLE POLICY; every pull is refused".to_owned(),
    };
    match &known.sandbox {
        Some(sandbox) => format!("{policy}; {sandbox}"),
        None => policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_policy_stays_until_there_is_a_better_one() {
        let state = State::new(Timestamp::UNIX_EPOCH);
        let status_line = || line(&state.known());
        assert_eq!(status_line(), "NO USABLE POLICY; every pull is refused");
        state.policy_failed(vec!["wrong".to_owned()]);
        assert_eq!(
            (state.policy().generation, status_line().as_str()),
            (0, "NO USABLE POLICY; every pull is refused")
        );
        assert_eq!(state.policy_loaded("sha256:1"), 1);
        assert_eq!(
            (state.policy().failure, status_line().as_str()),
            (None, "policy generation 1 (sha256:1)")
        );
        state.policy_failed(vec!["wrong".to_owned()]);
        state.sandbox_changed(&SandboxImage::NotReported);
        let policy = state.policy();
        assert_eq!((policy.generation, policy.hash.as_deref()), (1, Some("sha256:1")));
        assert_eq!(policy.failure.unwrap().problems, ["wrong"]);
        assert_eq!(
            status_line(),
            "RELOAD FAILED; still policy generation 1 (sha256:1); sandbox image not known"
        );
        assert_eq!(state.policy_loaded("sha256:2"), 2);
        assert_eq!((state.policy().failure, state.policy().failures), (None, 2));
    }
}
