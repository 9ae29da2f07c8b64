//! The way of one question through the gate.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Finding, Gate, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::ledger::{Evidence, Place};
use crate::policy::{Action, Policy, Requirement, Rule};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError, Resolved};
use crate::signature::{self, Attachment, Proof, Subject};
use crate::telemetry::Step;

/// One question, with the policy that it began with.
pub(super) struct Admission<'a> {
    pub(super) gate: &'a Gate,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) question: &'a Question,
    pub(super) reference: &'a Reference,
}

impl Admission<'_> {
    pub(super) async fn decide(&self, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let rule = self.policy.rule_for(self.reference.repository());
        explanation.rule = Some(rule.label().to_owned());
        match rule.action() {
            Action::Deny { reason } => Err(Refusal::denied(self.image(), rule.label(), reason.as_deref())),
            // Before anything is asked of the registry: an image that needs no signature costs no request.
            Action::AllowUnsigned { .. } => Ok(Pinned::unsigned(self.reference, rule.label())),
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let (digest, evidence) = self.verify(rule, requirement, explanation).await?;
                Ok(Pinned::verified(self.reference, &digest, rule.label(), evidence))
            }
        }
    }

    /// Finds the digest behind the name and has the rule's requirement judged over its signatures: those in the ledger,
    /// and only if they do not suffice those that the registry has. Gives the evidence, unless it is known already.
    async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        explanation: &mut Explanation,
    ) -> Result<(Digest, Option<Arc<Evidence>>), Refusal> {
        let resolved = match self.reference.digest() {
            Some(_) => None,
            None => Some(self.resolve(explanation).await?),
        };
        let digest = resolved.as_ref().map(Resolved::digest).or(self.reference.digest());
        let digest = digest.cloned().ok_or_else(|| Refusal::internal(self.image()))?;
        let kept = self.gate.evidence(&self.place(&digest)).await;
        if kept.is_some() && self.is_known(&digest) {
            explanation.known = true;
            explanation.digest = Some(digest.to_string());
            return Ok((digest, kept));
        }
        if let Some(kept) = &kept
            && self.judge(rule, requirement, kept, &Collected::default(), explanation).await.is_ok()
        {
            explanation.evidence = true;
            explanation.digest = Some(digest.to_string());
            self.remember(&digest, requirement);
            return Ok((digest, Some(Arc::clone(kept))));
        }
        // The digest is in the name: its bytes and its signatures can be asked for at the same time.
        let (resolved, (mut collected, spent)) = match resolved {
            Some(resolved) => (resolved, self.collect(&digest).await),
            None => {
                let (resolved, collected) = tokio::join!(self.resolve(explanation), self.collect(&digest));
                (resolved?, collected)
            }
        };
        explanation.steps.add(Step::Collect, spent);
        explanation.problems.extend(collected.problems.iter().map(ToString::to_string));
        let attachments = std::mem::take(&mut collected.attachments);
        let mut evidence = self.new_evidence(rule, &resolved, attachments);
        if let Some(kept) = kept {
            evidence.add_attachments(&kept.attachments);
        }
        let keys = self.judge(rule, requirement, &evidence, &collected, explanation).await?;
        evidence.keys = keys;
        self.remember(&digest, requirement);
        Ok((digest, Some(Arc::new(evidence))))
    }

    fn new_evidence(&self, rule: &Rule, resolved: &Resolved, attachments: Vec<Attachment>) -> Evidence {
        Evidence {
            repository: self.reference.repository().clone(),
            digest: resolved.digest().clone(),
            media_type: resolved.media_type().to_owned(),
            document: resolved.bytes().clone(),
            images: Vec::new(),
            attachments,
            names: vec![self.reference.to_string()],
            rule: rule.label().to_owned(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::now(),
        }
    }

    async fn resolve(&self, explanation: &mut Explanation) -> Result<Resolved, Refusal> {
        let begin = tokio::time::Instant::now();
        let resolved = self.gate.registry.resolve(self.reference, &self.question.credentials).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        explanation.digest = Some(resolved.digest().to_string());
        explanation.media_type = Some(resolved.media_type().to_owned());
        explanation.problems.extend(resolved.warnings().iter().cloned());
        Ok(resolved)
    }

    async fn collect(&self, digest: &Digest) -> (Collected, std::time::Duration) {
        let begin = tokio::time::Instant::now();
        let repository = self.reference.repository();
        let collected = self.gate.registry.attachments(repository, digest, &self.question.credentials).await;
        (collected, begin.elapsed())
    }

    /// Gives the fingerprints of the keys that the verdict may rest on. `collected` tells what could not be read.
    async fn judge(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
        collected: &Collected,
        explanation: &mut Explanation,
    ) -> Result<Vec<String>, Refusal> {
        let check = Check::new(self.policy, rule, requirement, evidence);
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        let (findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        let judged =
            requirement.judge(proofs.iter().map(|proof| (proof.authenticator(), proof.fingerprint())));
        explanation.findings = findings;
        let Err(missing) = judged else {
            let keys = proofs.iter().map(|proof| proof.fingerprint().to_owned());
            return Ok(keys.collect::<BTreeSet<_>>().into_iter().collect());
        };
        // What was not read might have sufficed: "the registry failed" must never be told as "there is no signature".
        if let Some(problem) = collected.unanswered() {
            return Err(self.unanswered(&problem.error));
        }
        Err(Refusal::unsatisfied(
            self.image(),
            evidence.digest.as_str(),
            rule.label(),
            &requirement.to_string(),
            &Found {
                attachments: evidence.attachments.len(),
                collected,
                valid: missing.verified(),
                findings: &explanation.findings,
            },
        ))
    }

    fn is_known(&self, digest: &Digest) -> bool {
        self.gate.verdicts.holds(&self.known(digest), jiff::Timestamp::now())
    }

    fn known(&self, digest: &Digest) -> Known {
        Known {
            repository: self.reference.repository().clone(),
            digest: digest.clone(),
            policy: self.policy.hash().to_owned(),
        }
    }

    fn remember(&self, digest: &Digest, requirement: &Requirement) {
        self.gate.verdicts.remember(self.known(digest), earliest_key_end(self.policy, requirement));
    }

    fn place(&self, digest: &Digest) -> Place {
        Place { repository: self.reference.repository().clone(), digest: digest.clone() }
    }

    fn unanswered(&self, error: &RegistryError) -> Refusal {
        Refusal::registry(self.image(), error)
    }

    fn image(&self) -> &str {
        &self.question.image
    }
}

/// A remembered verdict must not outlive a key that it may rest on.
pub(super) fn earliest_key_end(policy: &Policy, requirement: &Requirement) -> Option<jiff::Timestamp> {
    let now = jiff::Timestamp::now();
    let authenticators = requirement.authenticators().iter().filter_map(|name| policy.authenticator(name));
    let ends = authenticators.flat_map(|authenticator| authenticator.keys()).filter_map(|key| key.not_after);
    ends.filter(|end| *end > now).min()
}

/// The pure part: every signature against every authenticator that the rule names.
pub(super) struct Check {
    policy: Arc<Policy>,
    authenticators: Vec<String>,
    attachments: Vec<Attachment>,
    digest: Digest,
    repositories: Vec<String>,
}

impl Check {
    pub(super) fn new(
        policy: &Arc<Policy>,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
    ) -> Self {
        Self {
            policy: Arc::clone(policy),
            authenticators: requirement.authenticators().to_vec(),
            attachments: evidence.attachments.clone(),
            digest: evidence.digest.clone(),
            repositories: rule.accepted_repositories(&evidence.repository),
        }
    }

    pub(super) fn run(self) -> (Vec<Finding>, Vec<Proof>) {
        let now = jiff::Timestamp::now();
        let subject = Subject { digest: &self.digest, repositories: &self.repositories };
        let (mut findings, mut proofs) = (Vec::new(), Vec::new());
        for attachment in &self.attachments {
            for authenticator in self.authenticators.iter().filter_map(|name| self.policy.authenticator(name))
            {
                let verified = signature::verify(attachment, authenticator, &subject, now);
                findings.push(Finding {
                    place: attachment.place().to_owned(),
                    authenticator: authenticator.name().to_owned(),
                    outcome: verified
                        .as_ref()
                        .map(|proof| proof.fingerprint().to_owned())
                        .map_err(|error| super::refusal::chain(error)),
                });
                // One that does not hold says nothing about the others.
                proofs.extend(verified);
            }
        }
        (findings, proofs)
    }
}
