//! A proof by a key with a remote check counts only if the key's service confirms it.
//!
//! The evaluation does no I/O: it returns the checks that it needs; they are made, and it runs again.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Finding;
use crate::keys::{Confirmation, RemoteVerifier};
use crate::policy::{Policy, Requirement, Satisfied, Vote};
use crate::signature::Proof;
use crate::trust::{Identity, RemoteCheck};

/// How many signatures of one key are checked remotely for one image; more are ignored.
const ATTEMPTS: usize = 4;

/// Confirmations gathered for this request, including those that are not cached.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmations(HashMap<[u8; 32], Confirmation>);

/// Whether proofs meet a requirement.
#[derive(Debug)]
pub(super) enum QuorumResult {
    /// They do.
    Met {
        /// The proof.
        satisfied: Satisfied,
        /// The identities that counted.
        identities: Vec<String>,
        /// When the first confirmation that this rests on expires.
        until: Option<Instant>,
    },
    /// They do not, whatever a service answers: the authenticators with valid signatures.
    Missing {
        /// Names of authenticators.
        verified: Vec<String>,
        /// The condition whose attestations are missing; `None` if signatures are.
        condition: Option<String>,
    },
    /// They would, but a service does not answer: its error.
    Unanswered(String),
}

impl QuorumResult {
    /// Both results, as one: what is missing in `other` is missing in all.
    fn and(self, other: Self) -> Self {
        let Self::Met { satisfied, mut identities, until } = self else { return self };
        let Self::Met { satisfied: more, identities: others, until: end } = other else { return other };
        identities.extend(others);
        identities.sort_unstable();
        identities.dedup();
        Self::Met { satisfied: satisfied.and(more), identities, until: until.into_iter().chain(end).min() }
    }
}

/// The checks that services must make before it is known whether proofs meet a requirement.
pub(super) type OpenChecks = Vec<Arc<RemoteCheck>>;

/// What is known about one proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<'a> {
    Counts(Option<Instant>),
    Unknown,
    Denied(&'a str),
    Unanswered(&'a str),
}

impl Confirmations {
    /// Evaluates `proofs` with the answers so far: of signatures first, then of attestations, condition by condition. Checks
    /// that could not change the result are not requested.
    pub(super) fn weigh(
        &self,
        (policy, requirement): (&Policy, &Requirement),
        proofs: &[Proof],
        remote_verifier: &RemoteVerifier,
    ) -> Result<QuorumResult, OpenChecks> {
        let mut all = self.weigh_one(requirement, proofs, remote_verifier)?;
        for name in requirement.attestations() {
            let Some(condition) = policy.condition(name) else {
                return Ok(QuorumResult::Missing { verified: Vec::new(), condition: Some(name.clone()) });
            };
            if !matches!(all, QuorumResult::Met { .. }) {
                break;
            }
            all = all.and(self.weigh_one(condition.by(), proofs, remote_verifier)?);
        }
        Ok(all)
    }

    fn weigh_one(
        &self,
        requirement: &Requirement,
        proofs: &[Proof],
        remote_verifier: &RemoteVerifier,
    ) -> Result<QuorumResult, OpenChecks> {
        let states = self.states(proofs, remote_verifier).into_iter();
        // Signatures are no attestations, and each attestation counts only for its condition.
        let states: Vec<(&Proof, State<'_>)> =
            states.filter(|(proof, _)| proof.condition() == requirement.condition()).collect();
        let judge = |counts: &dyn Fn(&State<'_>) -> bool| {
            let counted = states.iter().filter(|(_, state)| counts(state));
            requirement.judge(counted.map(|(proof, _)| vote(proof)))
        };
        let met = |satisfied: Satisfied, counts: &dyn Fn(&State<'_>) -> bool| {
            let counted: Vec<_> = states.iter().filter(|(_, state)| counts(state)).collect();
            let mut identities: Vec<String> =
                counted.iter().map(|(proof, _)| proof.identity().as_str().to_owned()).collect();
            identities.sort_unstable();
            identities.dedup();
            let ends = counted.iter().filter_map(|(_, state)| match state {
                State::Counts(until) => *until,
                _ => None,
            });
            Ok(QuorumResult::Met { satisfied, identities, until: ends.min() })
        };
        let local = |state: &State<'_>| *state == State::Counts(None);
        let counts = |state: &State<'_>| matches!(state, State::Counts(_));
        let possible = |state: &State<'_>| matches!(state, State::Counts(_) | State::Unknown);
        let hoped = |state: &State<'_>| !matches!(state, State::Denied(_));
        if let Ok(satisfied) = judge(&local) {
            return met(satisfied, &local);
        }
        if let Ok(satisfied) = judge(&counts) {
            return met(satisfied, &counts);
        }
        if judge(&possible).is_ok() {
            return Err(next(&states));
        }
        Ok(match judge(&hoped) {
            Ok(_) => {
                let why = states.iter().find_map(|(_, state)| match state {
                    State::Unanswered(why) => Some((*why).to_owned()),
                    _ => None,
                });
                QuorumResult::Unanswered(why.unwrap_or_default())
            }
            Err(missing) => QuorumResult::Missing {
                verified: missing.verified().to_vec(),
                condition: requirement.condition().map(str::to_owned),
            },
        })
    }

    /// Puts rejections by services into the findings about `proofs`.
    pub(super) fn tell(&self, findings: &mut [Finding], proofs: &[Proof], remote_verifier: &RemoteVerifier) {
        // Each proof has a finding, in the same order.
        let held = findings.iter_mut().filter(|finding| finding.outcome.is_ok());
        for (finding, (_, state)) in held.zip(self.states(proofs, remote_verifier)) {
            if let State::Denied(why) | State::Unanswered(why) = state {
                finding.outcome = Err(why.to_owned());
            }
        }
    }

    /// Adds the answers of another request.
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
            // Answers about other signatures of the same key.
            let mut denied = 0;
            let mut instead = None;
            for (other, state) in &states {
                if other.authenticator() != proof.authenticator() || other.identity() != proof.identity() {
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

/// A proof that waits for a service is by a key, which is its identity: it never shows that two others are of one signer, so
/// that its confirmation never makes others count for less.
fn vote(proof: &Proof) -> Vote<'_> {
    let identity = proof.identity().as_str();
    Vote { authenticator: proof.authenticator(), identity, keys: proof.keys() }
}

/// One unchecked signature of each key.
fn next(states: &[(&Proof, State<'_>)]) -> OpenChecks {
    let mut asked: Vec<(&str, &Identity)> = Vec::new();
    let mut demands: Vec<Arc<RemoteCheck>> = Vec::new();
    for (proof, state) in states {
        let of = (proof.authenticator(), proof.identity());
        let confirmed = states.iter().any(|(other, state)| {
            (other.authenticator(), other.identity()) == of && matches!(state, State::Counts(_))
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

/// Asks all key services at the same time.
pub(super) async fn ask(
    remote_verifier: &Arc<RemoteVerifier>,
    demands: OpenChecks,
) -> Vec<([u8; 32], Confirmation)> {
    let mut asking = JoinSet::new();
    for demand in demands {
        let remote_verifier = Arc::clone(remote_verifier);
        asking.spawn(async move { (demand.id(), remote_verifier.confirm(&demand).await) });
    }
    asking.join_all().await
}

/// Evaluates proofs, and asks services as long as an answer can change the result.
pub(super) async fn weigh(
    required: (&Policy, &Requirement),
    proofs: &[Proof],
    confirmations: &mut Confirmations,
    remote_verifier: &Arc<RemoteVerifier>,
) -> QuorumResult {
    loop {
        match confirmations.weigh(required, proofs, remote_verifier) {
            Ok(result) => return result,
            Err(open) if open.is_empty() => {
                return QuorumResult::Unanswered("pullgate did not query the key service".to_owned());
            }
            Err(open) => confirmations.add(ask(remote_verifier, open).await),
        }
    }
}
