//! Whether one rule's requirement is met by what is attached to one digest.
//!
//! Equal questions share one flight: 500 pods of one image cost one collection of signatures and one verification. What
//! makes questions equal is all that the answer depends on and all that it tells: image, digest, rule, policy, and the
//! credentials, so that nobody profits from what another's credentials were shown.

use std::sync::Arc;

use super::check::Check;
use super::facts::{Facts, Fetched, Satisfaction, earliest_key_end, listed, unsigned_evidence};
use super::pull_evaluation::PullEvaluation;
use super::quorum::{self, Confirmations, QuorumResult};
use super::refusal::Found;
use super::verdict_cache::VerdictKey as Known;
use super::{Explanation, Refusal, provenance};
use crate::digest::Digest;
use crate::ledger::{Evidence, Place};
use crate::policy::{Requirement, Rule};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError, Resolved};
use crate::signature::Attachment;
use crate::telemetry::Step;
use pullgate_net::single_flight::Key;

/// What a verification came to, for everybody who waited for it.
#[derive(Clone, Debug)]
pub(super) struct VerificationResult {
    decided: Result<(), Refusal>,
    facts: Facts,
    explanation: Explanation,
}

impl PullEvaluation {
    /// Finds the digest behind a name and has the rule's requirement judged over its signatures: those in the ledger, and
    /// only if they do not suffice those that the registry has.
    pub(super) async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        reference: &Reference,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let digest = match reference.digest() {
            Some(digest) => digest.clone(),
            None => self.resolve(reference, facts, explanation).await?.digest().clone(),
        };
        if let Some(kept) = self.kept(&digest, facts).await {
            self.check_denied(&listed(&kept))?;
            self.check_named(&digest, provenance::is_index(&kept), explanation)?;
            explanation.digest.get_or_insert_with(|| digest.to_string());
            // What is known but no longer recorded is looked up again, so that it is recorded again.
            if self.is_known(rule, &digest) {
                explanation.known = true;
                return Ok(digest);
            }
        }
        let named = explanation.platform_digest.clone();
        let key = self.key(rule, &digest, named.as_deref());
        // What is known of the way here goes along, so that nothing is asked twice.
        let mut part = Explanation {
            digest: explanation.digest.clone(),
            media_type: explanation.media_type.clone(),
            platform_digest: named,
            ..Explanation::default()
        };
        let (this, rule, requirement) = (self.clone(), rule.clone(), requirement.clone());
        let (reference, known, mut own) = (reference.clone(), digest.clone(), facts.clone());
        let work = async move {
            let decided = this.verify_now(&rule, &requirement, &reference, &known, &mut own, &mut part).await;
            VerificationResult { decided, facts: own, explanation: part }
        };
        let verified = self.means.verifying.join(key, work).await;
        // Lost to a panic, which is no answer.
        let verified = verified.ok_or_else(|| Refusal::internal(self.image()))?;
        facts.merge(verified.facts);
        explanation.merge(verified.explanation);
        verified.decided.map(|()| digest)
    }

    /// What tells this verification from others. Refusals tell the image as written and the rule's place.
    fn key(&self, rule: &Rule, digest: &Digest, named: Option<&str>) -> Key {
        let identity = rule.identity();
        let question = [
            self.image(),
            digest.as_str(),
            named.unwrap_or_default(),
            self.policy.hash(),
            identity.as_str(),
            rule.label(),
        ];
        self.means.registry.key("verify", &question, &self.question.credentials)
    }

    /// The same, for whoever asks it.
    async fn verify_now(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        reference: &Reference,
        digest: &Digest,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<(), Refusal> {
        // Another flight may have landed between the look before and this one.
        if let Some(noted) = self.means.ledger.noted(&self.place(digest)) {
            facts.kept.insert(digest.clone(), Some(noted));
        }
        if let Some(kept) = self.kept(digest, facts).await {
            self.check_denied(&listed(&kept))?;
            if self.is_known(rule, digest) {
                explanation.known = true;
                return Ok(());
            }
            let before = explanation.findings.len();
            let nothing = Collected::default();
            let judged = self.judge(rule, requirement, &kept, &nothing, &mut facts.said, explanation).await;
            if let Ok(judged) = judged {
                explanation.evidence = true;
                self.remember(rule, requirement, digest, &judged);
                return Ok(());
            }
            explanation.findings.truncate(before);
        }
        let mut fresh = self.look_up(reference, digest, facts, explanation).await?;
        let Fetched { evidence, collected } = &fresh;
        let judged = self.judge(rule, requirement, evidence, collected, &mut facts.said, explanation).await;
        if let Ok(judged) = &judged {
            fresh.evidence.rule = rule.label().to_owned();
            fresh.evidence.keys.clone_from(&judged.keys);
            // The next pull of the same need not wait for this one to end.
            self.means.ledger.note(fresh.evidence.clone());
        }
        facts.fresh.push(fresh);
        self.remember(rule, requirement, digest, &judged?);
        Ok(())
    }

    /// The evidence in the ledger, which is read once for each digest.
    async fn kept(&self, digest: &Digest, facts: &mut Facts) -> Option<Arc<Evidence>> {
        if let Some(kept) = facts.kept.get(digest) {
            return kept.clone();
        }
        let place = self.place(digest);
        let (ledger, asked) = (Arc::clone(&self.means.ledger), place.clone());
        // Read where it keeps nobody waiting. Of what is not about its own digest a pull would keep the document for ever,
        // and no image would follow from it: it counts for nothing.
        let found = tokio::task::spawn_blocking(move || {
            ledger.find(&asked).filter(|found| found.place() == asked && provenance::is_consistent(found))
        });
        // Another pull of the same may have come to its end while the disk was asked.
        let kept = found.await.ok().flatten().or_else(|| self.means.ledger.noted(&place));
        facts.kept.insert(digest.clone(), kept.clone());
        kept
    }

    fn place(&self, digest: &Digest) -> Place {
        Place { repository: self.reference.repository().clone(), digest: digest.clone() }
    }

    /// What the registry has for the digest, asked once, and what the ledger has beyond that.
    async fn look_up(
        &self,
        reference: &Reference,
        digest: &Digest,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<Fetched, Refusal> {
        if let Some(at) = facts.fresh.iter().position(|fresh| fresh.evidence.digest == *digest) {
            return Ok(facts.fresh.swap_remove(at));
        }
        // Where the digest is in the name, its bytes and its signatures can be asked for at the same time.
        let (resolved, (mut collected, spent)) =
            tokio::join!(self.resolve(reference, facts, explanation), self.collect(digest));
        let resolved = resolved?;
        self.check_named(digest, resolved.is_index(), explanation)?;
        explanation.steps.add(Step::Collect, spent);
        explanation.note(collected.problems.iter().map(ToString::to_string));
        let mut evidence = self.new_evidence(&resolved, std::mem::take(&mut collected.attachments));
        if let Some(Some(kept)) = facts.kept.get(digest) {
            evidence.add_attachments(&kept.attachments);
            evidence.images.clone_from(&kept.images);
        }
        Ok(Fetched { evidence, collected })
    }

    /// An image that an index names is one: not an index from which the runtime would choose again.
    fn check_named(&self, digest: &Digest, is_index: bool, explanation: &Explanation) -> Result<(), Refusal> {
        if explanation.platform_digest.as_deref() == Some(digest.as_str()) && is_index {
            let what = format!("the image {digest}");
            let reason = "that an index names is an index".to_owned();
            return Err(self.unanswered(&RegistryError::Platform { what, reason }));
        }
        Ok(())
    }

    fn new_evidence(&self, resolved: &Resolved, attachments: Vec<Attachment>) -> Evidence {
        Evidence { attachments, ..unsigned_evidence(&self.reference, resolved) }
    }

    async fn collect(&self, digest: &Digest) -> (Collected, std::time::Duration) {
        let begin = tokio::time::Instant::now();
        let repository = self.reference.repository();
        let collected = self.means.registry.attachments(repository, digest, &self.question.credentials).await;
        (collected, begin.elapsed())
    }

    /// Gives what the verdict rests on. `collected` tells what could not be read.
    async fn judge(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
        collected: &Collected,
        said: &mut Confirmations,
        explanation: &mut Explanation,
    ) -> Result<Satisfaction, Refusal> {
        let check = Check::new(&self.policy, rule, requirement, evidence);
        let _stopper = check.stopper();
        let turn = self.means.turns.acquire().await;
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        // A service that is slow keeps nobody else waiting.
        drop(turn);
        let (mut findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        self.means.checks.add_all(findings.len());
        let remote_verifier = &self.means.remote_verifier;
        let begin = tokio::time::Instant::now();
        let weighed = quorum::weigh(requirement, &proofs, said, remote_verifier).await;
        if proofs.iter().any(|proof| proof.demand().is_some()) {
            explanation.steps.add(Step::KeyService, begin.elapsed());
        }
        said.tell(&mut findings, &proofs, remote_verifier);
        let (verified, service) = match weighed {
            QuorumResult::Met { keys, until } => {
                explanation.findings.extend(findings);
                return Ok(Satisfaction { keys, until });
            }
            QuorumResult::Unanswered(why) => (Vec::new(), Some(why)),
            QuorumResult::Missing { verified } => (verified, None),
            QuorumResult::Ask(_) => (Vec::new(), None),
        };
        // What was not read might have sufficed: "the registry failed" must never be told as "there is no signature".
        let refusal = match (service, collected.unanswered()) {
            (Some(why), _) => {
                Refusal::key_service(self.image(), evidence.digest.as_str(), rule.label(), &why)
            }
            (None, Some(problem)) => self.unanswered(&problem.error),
            (None, None) => Refusal::unsatisfied(
                self.image(),
                evidence.digest.as_str(),
                rule.label(),
                &requirement.to_string(),
                &Found {
                    attachments: evidence.attachments.len(),
                    collected,
                    valid: &verified,
                    findings: &findings,
                },
            ),
        };
        explanation.findings.extend(findings);
        Err(refusal)
    }

    fn is_known(&self, rule: &Rule, digest: &Digest) -> bool {
        self.means.verdicts.holds(&self.known(rule, digest), jiff::Timestamp::now())
    }

    fn remember(&self, rule: &Rule, requirement: &Requirement, digest: &Digest, judged: &Satisfaction) {
        let end = earliest_key_end(&self.policy, requirement);
        self.means.verdicts.remember(self.known(rule, digest), end, judged.until);
    }

    fn known(&self, rule: &Rule, digest: &Digest) -> Known {
        Known::new(&self.policy, rule, self.reference.repository(), digest)
    }
}
