//! What the daemon knows of itself beyond what the gate and the proxy know.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sd_notify::NotifyState;

use super::scan::{Report, Verdict};
use crate::cri::SandboxImage;

/// Shared by all that changes it and all that tells of it.
#[derive(Debug)]
pub struct State {
    started: Timestamp,
    known: Mutex<Known>,
}

/// The policy as far as the daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyState {
    /// How often a policy was put in force; 0 while there is none.
    pub generation: u64,
    /// The hash of the one in force.
    pub hash: Option<String>,
    /// When it was put in force.
    pub loaded: Option<Timestamp>,
    /// The last attempt to load one, if that failed.
    pub failure: Option<Failure>,
}

/// An attempt to load a policy that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Everything that was wrong, a line or two each.
    pub problems: Vec<String>,
}

/// What the last scan of the node came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// When it ended.
    pub at: Timestamp,
    /// How many images and containers are admitted.
    pub admitted: usize,
    /// How many are refused.
    pub refused: usize,
    /// Of how many it could not be told.
    pub unknown: usize,
}

#[derive(Clone, Debug, Default)]
struct Known {
    policy: PolicyState,
    sandbox: Option<SandboxImage>,
    scanned: Option<Scanned>,
}

impl State {
    /// Of a daemon that starts at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { started: now, known: Mutex::default() }
    }

    /// When the daemon started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The policy.
    pub fn policy(&self) -> PolicyState {
        self.known().policy.clone()
    }

    /// The sandbox image, once it was looked after.
    pub fn sandbox(&self) -> Option<SandboxImage> {
        self.known().sandbox.clone()
    }

    /// The last scan, if there was one.
    pub fn scanned(&self) -> Option<Scanned> {
        self.known().scanned
    }

    /// Notes that the policy with this hash was put in force, and gives its generation.
    pub(super) fn policy_loaded(&self, hash: &str) -> u64 {
        let generation = self.policy().generation + 1;
        let hash = Some(hash.to_owned());
        self.tell(|known| {
            known.policy = PolicyState { generation, hash, loaded: Some(Timestamp::now()), failure: None };
        });
        generation
    }

    /// Notes that a policy could not be loaded; what is in force stays.
    pub(super) fn policy_failed(&self, problems: Vec<String>) {
        self.tell(|known| known.policy.failure = Some(Failure { at: Timestamp::now(), problems }));
    }

    pub(super) fn sandbox_changed(&self, image: &SandboxImage) {
        self.tell(|known| known.sandbox = Some(image.clone()));
    }

    pub(super) fn node_scanned(&self, report: &Report) {
        let [admitted, refused, unknown] =
            [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
        self.known().scanned = Some(Scanned { at: Timestamp::now(), admitted, refused, unknown });
    }

    /// Changes what is known, and tells it to systemd for `systemctl status`.
    fn tell(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        pullgate_daemon::systemd::notify(&[NotifyState::Status(&line(&known))]);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line of `systemctl status`: the policy, and what the operator has to know besides.
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
        let shown = || line(&state.known());
        assert_eq!(shown(), "NO USABLE POLICY; every pull is refused");
        state.policy_failed(vec!["wrong".to_owned()]);
        assert_eq!(
            (state.policy().generation, shown().as_str()),
            (0, "NO USABLE POLICY; every pull is refused")
        );
        assert_eq!(state.policy_loaded("sha256:1"), 1);
        assert_eq!((state.policy().failure, shown().as_str()), (None, "policy generation 1 (sha256:1)"));
        state.policy_failed(vec!["wrong".to_owned()]);
        state.sandbox_changed(&SandboxImage::NotReported);
        let policy = state.policy();
        assert_eq!((policy.generation, policy.hash.as_deref()), (1, Some("sha256:1")));
        assert_eq!(policy.failure.unwrap().problems, ["wrong"]);
        assert_eq!(shown(), "RELOAD FAILED; still policy generation 1 (sha256:1); sandbox image unknown");
        assert_eq!(state.policy_loaded("sha256:2"), 2);
        assert_eq!(state.policy().failure, None);
    }
}
