//! Whether the signatures of one digest meet the requirement of one rule, for a pull.
//!
//! Equal verifications share one execution (single flight): 500 pods of one image cost one fetch and one check. Two are
//! equal if all that the answer depends on and all that it reports is equal: image, digest, rule, policy, and the
//! credentials, so that a caller never learns what was shown to another one's credentials.

use std::sync::Arc;

use pullgate_net::offload;
use pullgate_net::single_flight::Key;
use tokio::time::Instant;

use super::Refusal;
use super::admission::Verified;
use super::check::{self, Check, Checked};
use super::crl_fetcher::CrlRounds;
use super::lookup::{Fetched, Lookup};
use super::quorum::{self, QuorumResult};
use super::refusal::Found;
use super::stored_evidence::Kept;
use super::verdict_cache::{VerdictKey, earliest_end};
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Policy, Requirement, Rule, Satisfied};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError};
use crate::telemetry::Step;

/// One verification: a digest, and the requirement that it must meet.
#[derive(Debug)]
pub(super) struct Verification {
    pub(super) lookup: Lookup,
    pub(super) policy: Arc<Policy>,
    pub(super) rule: Rule,
    pub(super) requirement: Requirement,
    /// The name for requests to the registry; it has `digest`, or resolved to it.
    pub(super) reference: Reference,
    pub(super) digest: Digest,
    /// Whether an index named the digest as the image for this platform. Then it must not be an index again.
    pub(super) from_index: bool,
}

/// The outcome, for every caller that waited for it.
#[derive(Clone, Debug)]
pub(super) struct VerificationResult {
    pub(super) decided: Result<Verified, Refusal>,
    pub(super) lookup: Lookup,
}

/// How a requirement was met.
struct Satisfaction {
    satisfied: Arc<Satisfied>,
    /// The identities that counted.
    identities: Vec<String>,
    /// When the first confirmation that this rests on expires.
    until: Option<Instant>,
    /// When the first signature ends that this may rest on.
    end: Option<jiff::Timestamp>,
    /// The time of the check.
    at: jiff::Timestamp,
}

impl Verification {
    /// The cached verdict about `kept`, if there is one.
    ///
    /// # Errors
    /// When the evidence is an index and must not be.
    pub(super) fn cached(&mut self, kept: &Kept) -> Result<Option<Verified>, Refusal> {
        self.check_kind(kept.is_index)?;
        let verdict = self.lookup.shared.verdicts.get(&self.verdict_key(), jiff::Timestamp::now());
        self.lookup.explanation.known |= verdict.is_some();
        Ok(verdict.map(|(satisfied, _)| Verified { digest: self.digest.clone(), satisfied }))
    }

    /// Verifies; equal verifications share one execution.
    pub(super) async fn join(self) -> Option<VerificationResult> {
        let verifying = Arc::clone(&self.lookup.shared.verifying);
        let share = self.lookup.share.clone();
        verifying.join_in(&share, self.key(), self.run()).await
    }

    async fn run(mut self) -> VerificationResult {
        let decided =
            self.verify().await.map(|satisfied| Verified { digest: self.digest.clone(), satisfied });
        VerificationResult { decided, lookup: self.lookup }
    }

    /// Identifies equal verifications. Refusals contain the image as written and the label of the rule.
    fn key(&self) -> Key {
        let identity = self.rule.identity();
        // What was fetched is the callers' for their other rules, too.
        let wanted = format!("{:?}", self.lookup.wanted);
        let parts = [
            self.lookup.image(),
            self.digest.as_str(),
            if self.from_index { "platform" } else { "named" },
            self.policy.hash(),
            identity.as_str(),
            self.rule.label(),
            &wanted,
        ];
        self.lookup.shared.registry.key("verify", &parts, &self.lookup.request.credentials)
    }

    /// Checks the signatures in the ledger, and only if they are not enough those in the registry.
    async fn verify(&mut self) -> Result<Arc<Satisfied>, Refusal> {
        // Another verification may have ended since the caller looked.
        self.lookup.refresh_kept(&self.digest).await;
        if let Some(kept) = self.lookup.kept(&self.digest).await? {
            if let Some(verified) = self.cached(&kept)? {
                return Ok(verified.satisfied);
            }
            let before = self.lookup.explanation.findings.len();
            if check::has_newest(&kept.evidence, &self.policy, &self.requirement)
                && let Ok(satisfaction) = self.judge(&kept.evidence, &Collected::default()).await
            {
                self.lookup.explanation.evidence = true;
                self.remember(&satisfaction);
                return Ok(satisfaction.satisfied);
            }
            self.lookup.explanation.findings.truncate(before);
        }
        let mut fetched = self.lookup.fetch(&self.reference, &self.digest).await?;
        self.check_kind(fetched.is_index)?;
        let Fetched { evidence, collected, .. } = &fetched;
        let judged = self.judge(evidence, collected).await;
        if let Ok(satisfaction) = &judged {
            fetched.evidence.rule = self.rule.label().to_owned();
            fetched.evidence.keys.clone_from(&satisfaction.identities);
            // The next pull of the same image does not have to wait for this one to end.
            let (ledger, mut noted) = (Arc::clone(&self.lookup.shared.ledger), fetched.evidence.clone());
            self.lookup.prefer(&mut noted, &fetched.collected);
            offload::document(noted.bytes(), move || ledger.note(noted)).await;
        }
        self.lookup.keep_fetched(fetched);
        let satisfaction = judged?;
        self.remember(&satisfaction);
        Ok(satisfaction.satisfied)
    }

    /// An image that an index names must not be an index, from which the runtime would choose again.
    fn check_kind(&self, is_index: bool) -> Result<(), Refusal> {
        if self.from_index && is_index {
            let what = format!("the image {}", self.digest);
            let reason = "is listed by an index, but is itself an index".to_owned();
            return Err(self.lookup.unanswered(&RegistryError::Platform { what, reason }));
        }
        Ok(())
    }

    /// Evaluates signatures. `collected` has what could not be read.
    async fn judge(&mut self, evidence: &Evidence, collected: &Collected) -> Result<Satisfaction, Refusal> {
        let shared = self.lookup.shared.clone();
        let mut crls = CrlRounds::default();
        let mut checked = self.check(evidence, &crls).await?;
        let fetcher = (&shared.crls, &shared.registry);
        while crls.fetch(fetcher, std::mem::take(&mut checked.crls_to_fetch)).await {
            checked = self.check(evidence, &crls).await?;
        }
        let end = checked.end();
        let Checked { mut findings, proofs, at, .. } = checked;
        shared.checks.add_all(findings.len());
        let begin = Instant::now();
        let confirmations = &mut self.lookup.confirmations;
        let required = (self.policy.as_ref(), &self.requirement);
        let result = quorum::weigh(required, &proofs, confirmations, &shared.remote_verifier).await;
        confirmations.tell(&mut findings, &proofs, &shared.remote_verifier);
        if proofs.iter().any(|proof| proof.demand().is_some()) {
            self.lookup.explanation.steps.add(Step::KeyService, begin.elapsed());
        }
        let judged = match result {
            QuorumResult::Met { satisfied, identities, until } => match self.hidden(collected) {
                None => Ok(Satisfaction { satisfied: Arc::new(satisfied), identities, until, at, end }),
                Some(refusal) => Err(refusal),
            },
            QuorumResult::Unanswered(why) => {
                let (image, rule) = (self.lookup.image(), self.rule.label());
                Err(Refusal::key_service(image, self.digest.as_str(), rule, &why))
            }
            QuorumResult::Missing { verified, condition } => {
                let condition = condition.as_deref();
                Err(self.unsatisfied(&Found::of(evidence, collected, (&verified, condition), &findings)))
            }
        };
        self.lookup.explanation.findings.extend(findings);
        judged
    }

    /// Verifies each signature with what is known now.
    async fn check(&mut self, evidence: &Evidence, crls: &CrlRounds) -> Result<Checked, Refusal> {
        let shared = self.lookup.shared.clone();
        let crls = crls.known(&shared.crls);
        let check = Check::new(&self.policy, &self.rule, &self.requirement, evidence, crls);
        let _stopper = check.stopper();
        let reserved = self.lookup.reserve(check.working_memory()).await?;
        // Given back at the end: a slow service of keys or lists delays no other verification.
        let _permit = shared.verifications.acquire().await;
        // Public-key arithmetic takes milliseconds at worst, but other calls cross on this thread.
        let checking = tokio::task::spawn_blocking(|| {
            let checked = check.run();
            drop(reserved);
            checked
        });
        let checked = self.lookup.explanation.steps.time(Step::Judge, checking).await;
        checked.map_err(|_| Refusal::internal(self.lookup.image()))
    }

    /// The refusal if an attestation that was not read may be newer than the one that counted.
    fn hidden(&self, collected: &Collected) -> Option<Refusal> {
        let newest_counts = check::newest_count(&self.policy, &self.requirement).next().is_some();
        let problem = collected.hiding().filter(|_| newest_counts)?;
        Some(self.lookup.unanswered(&problem.error))
    }

    /// Signatures that were not read might have sufficed: "the registry failed" is never reported as "no signature".
    fn unsatisfied(&self, found: &Found<'_>) -> Refusal {
        if let Some(problem) = found.collected.unanswered() {
            return self.lookup.unanswered(&problem.error);
        }
        let required = (&*self.policy, &self.requirement);
        Refusal::unmet((self.lookup.image(), self.digest.as_str()), self.rule.label(), required, found)
    }

    fn remember(&self, satisfaction: &Satisfaction) {
        let end = earliest_end(&self.policy, &self.requirement, satisfaction.at);
        let end = end.into_iter().chain(satisfaction.end).min();
        let satisfied = Arc::clone(&satisfaction.satisfied);
        self.lookup.shared.verdicts.remember(self.verdict_key(), satisfied, end, satisfaction.until);
    }

    fn verdict_key(&self) -> VerdictKey {
        VerdictKey::new(&self.policy, &self.rule, self.lookup.reference.repository(), &self.digest)
    }
}
