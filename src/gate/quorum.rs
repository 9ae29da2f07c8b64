//! Proofs whose key demands it count when the service of the key confirms them.
//!
//! Judging stays without I/O: it says what it would have to know, which is then asked, and judges again.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Finding;
use crate::keys::{Confirmation, RemoteVerifier};
use crate::policy::Requirement;
use crate::signature::Proof;
use crate::trust::RemoteCheck;

/// How many signatures of one key are asked about for one image. A key that has signed more is asked about these.
const ATTEMPTS: usize = 4;

/// What was answered on the way of one question: also what is remembered by nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmations(HashMap<[u8; 32], Confirmation>);

/// What proofs come to.
#[derive(Debug)]
pub(super) enum QuorumResult {
    /// They meet the requirement, by these keys, and until then.
    Met {
        /// The fingerprints of the keys that counted.
        keys: Vec<String>,
        /// When the first of the confirmations ends that this rests on.
        until: Option<Instant>,
    },
    /// They do not, whatever a service says: those whose signatures hold.
    Missing {
        /// Names of authenticators.
        verified: Vec<String>,
    },
    /// They would, and a service does not answer: why.
    Unanswered(String),
    /// Services have to be asked.
    Ask(Vec<Arc<RemoteCheck>>),
}

/// What is known about one proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<'a> {
    Counts(Option<Instant>),
    Unknown,
    Denied(&'a str),
    Unanswered(&'a str),
}

impl Confirmations {
    /// Judges `proofs` by what services have said; nobody is asked about what would change nothing.
    pub(super) fn weigh(
        &self,
        requirement: &Requirement,
        proofs: &[Proof],
        remote_verifier: &RemoteVerifier,
    ) -> QuorumResult {
        let states: Vec<(&Proof, State<'_>)> = self.states(proofs, remote_verifier);
        let judge = |counts: &dyn Fn(&State<'_>) -> bool| {
            let counted = states.iter().filter(|(_, state)| counts(state));
            requirement.judge(counted.map(|(proof, _)| (proof.authenticator(), proof.fingerprint())))
        };
        let met = |counts: &dyn Fn(&State<'_>) -> bool| {
            let counted: Vec<_> = states.iter().filter(|(_, state)| counts(state)).collect();
            let mut keys: Vec<String> =
                counted.iter().map(|(proof, _)| proof.fingerprint().to_owned()).collect();
            keys.sort_unstable();
            keys.dedup();
            let ends = counted.iter().filter_map(|(_, state)| match state {
                State::Counts(until) => *until,
                _ => None,
            });
            QuorumResult::Met { keys, until: ends.min() }
        };
        let local = |state: &State<'_>| *state == State::Counts(None);
        let counts = |state: &State<'_>| matches!(state, State::Counts(_));
        let possible = |state: &State<'_>| matches!(state, State::Counts(_) | State::Unknown);
        let hoped = |state: &State<'_>| !matches!(state, State::Denied(_));
        if judge(&local).is_ok() {
            return met(&local);
        }
        if judge(&counts).is_ok() {
            return met(&counts);
        }
        if judge(&possible).is_ok() {
            return QuorumResult::Ask(next(&states));
        }
        match judge(&hoped) {
            Ok(_) => {
                let why = states.iter().find_map(|(_, state)| match state {
                    State::Unanswered(why) => Some((*why).to_owned()),
                    _ => None,
                });
                QuorumResult::Unanswered(why.unwrap_or_default())
            }
            Err(missing) => QuorumResult::Missing { verified: missing.verified().to_vec() },
        }
    }

    /// Says in the findings about `proofs` what services said against them.
    pub(super) fn tell(&self, findings: &mut [Finding], proofs: &[Proof], remote_verifier: &RemoteVerifier) {
        // Each proof has made a finding, in the same order.
        let held = findings.iter_mut().filter(|finding| finding.outcome.is_ok());
        for (finding, (_, state)) in held.zip(self.states(proofs, remote_verifier)) {
            if let State::Denied(why) | State::Unanswered(why) = state {
                finding.outcome = Err(why.to_owned());
            }
        }
    }

    /// Takes over what was said to another.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn add(&mut self, answers: impl IntoIterator<Item = ([u8; 32], Confirmation)>) {
        self.0.extend(answers);
    }

    fn states<'p>(
        &self,
        proofs: &'p [Proof],
        remote_verifier: &RemoteVerifier,
    ) -> Vec<(&'p Proof, State<'_>)> {
        let mut states: Vec<_> =
            proofs.iter().map(|proof| (proof, self.state(proof, remote_verifier))).collect();
        for at in 0..states.len() {
            let Some((proof, State::Unknown)) = states.get(at).copied() else { continue };
            // What was said of other signatures of the same key.
            let mut denied = 0;
            let mut instead = None;
            for (other, state) in &states {
                if other.authenticator() != proof.authenticator()
                    || other.fingerprint() != proof.fingerprint()
                {
                    continue;
                }
                match state {
                    State::Unanswered(_) => instead = Some(*state),
                    State::Denied(_) => {
                        denied += 1;
                        if denied >= ATTEMPTS {
                            instead = instead.or(Some(*state));
                        }
                    }
                    State::Counts(_) | State::Unknown => {}
                }
            }
            if let (Some(state), Some(slot)) = (instead, states.get_mut(at)) {
                slot.1 = state;
            }
        }
        states
    }

    fn state(&self, proof: &Proof, remote_verifier: &RemoteVerifier) -> State<'_> {
        let Some(demand) = proof.demand() else { return State::Counts(None) };
        match self.0.get(&demand.id()) {
            Some(Confirmation::Confirmed(until)) => State::Counts(Some(*until)),
            Some(Confirmation::Denied(why)) => State::Denied(why),
            Some(Confirmation::Unanswered(why)) => State::Unanswered(why),
            None => {
                remote_verifier.remembered(demand).map_or(State::Unknown, |until| State::Counts(Some(until)))
            }
        }
    }
}

/// One signature of each key about which nothing is known yet.
fn next(states: &[(&Proof, State<'_>)]) -> Vec<Arc<RemoteCheck>> {
    let mut asked: Vec<(&str, &str)> = Vec::new();
    let mut demands: Vec<Arc<RemoteCheck>> = Vec::new();
    for (proof, state) in states {
        let of = (proof.authenticator(), proof.fingerprint());
        let confirmed = states.iter().any(|(other, state)| {
            (other.authenticator(), other.fingerprint()) == of && matches!(state, State::Counts(_))
        });
        if let (State::Unknown, Some(demand), false) =
            (state, proof.demand(), asked.contains(&of) || confirmed)
        {
            asked.push(of);
            demands.push(Arc::clone(demand));
        }
    }
    demands
}

/// Asks the services of keys, all at the same time.
pub(super) async fn ask(
    remote_verifier: &Arc<RemoteVerifier>,
    demands: Vec<Arc<RemoteCheck>>,
) -> Vec<([u8; 32], Confirmation)> {
    let mut asking = JoinSet::new();
    for demand in demands {
        let remote_verifier = Arc::clone(remote_verifier);
        asking.spawn(async move { (demand.id(), remote_verifier.confirm(&demand).await) });
    }
    asking.join_all().await
}

/// Judges proofs by what was said, and asks services for as long as that can change something.
pub(super) async fn weigh(
    requirement: &Requirement,
    proofs: &[Proof],
    said: &mut Confirmations,
    remote_verifier: &Arc<RemoteVerifier>,
) -> QuorumResult {
    loop {
        match said.weigh(requirement, proofs, remote_verifier) {
            QuorumResult::Ask(demands) if !demands.is_empty() => {
                said.add(ask(remote_verifier, demands).await)
            }
            weighed => return weighed,
        }
    }
}
