//! The way of one question through the gate.

use std::sync::Arc;

use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Finding, Gate, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::policy::{Action, Policy, Requirement, Rule};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError};
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
                let digest = self.verify(rule, requirement, explanation).await?;
                Ok(Pinned::verified(self.reference, &digest, rule.label()))
            }
        }
    }

    /// Finds the digest behind the name and has the rule's requirement judged over its signatures.
    async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        if let Some(digest) = self.reference.digest().filter(|digest| self.is_known(digest)) {
            explanation.known = true;
            explanation.digest = Some(digest.to_string());
            return Ok(digest.clone());
        }
        let (digest, collected) = match self.reference.digest() {
            // The digest is in the name: its bytes and its signatures can be asked for at the same time.
            Some(digest) => {
                let (resolved, collected) = tokio::join!(self.resolve(explanation), self.collect(digest));
                resolved?;
                (digest.clone(), collected)
            }
            None => {
                let digest = self.resolve(explanation).await?;
                if self.is_known(&digest) {
                    explanation.known = true;
                    return Ok(digest);
                }
                let collected = self.collect(&digest).await;
                (digest, collected)
            }
        };
        let (collected, spent) = collected;
        explanation.steps.add(Step::Collect, spent);
        explanation.problems.extend(collected.problems.iter().map(ToString::to_string));
        self.judge(rule, requirement, &digest, collected, explanation).await?;
        self.gate.verdicts.remember(self.known(&digest), self.earliest_key_end(requirement));
        Ok(digest)
    }

    async fn resolve(&self, explanation: &mut Explanation) -> Result<Digest, Refusal> {
        let begin = tokio::time::Instant::now();
        let resolved = self.gate.registry.resolve(self.reference, &self.question.credentials).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        explanation.digest = Some(resolved.digest().to_string());
        explanation.media_type = Some(resolved.media_type().to_owned());
        explanation.problems.extend(resolved.warnings().iter().cloned());
        Ok(resolved.digest().clone())
    }

    async fn collect(&self, digest: &Digest) -> (Collected, std::time::Duration) {
        let begin = tokio::time::Instant::now();
        let repository = self.reference.repository();
        let collected = self.gate.registry.attachments(repository, digest, &self.question.credentials).await;
        (collected, begin.elapsed())
    }

    async fn judge(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        digest: &Digest,
        collected: Collected,
        explanation: &mut Explanation,
    ) -> Result<(), Refusal> {
        let Collected { attachments, .. } = &collected;
        let check = Check {
            policy: Arc::clone(self.policy),
            authenticators: requirement.authenticators().to_vec(),
            attachments: attachments.clone(),
            digest: digest.clone(),
            repositories: rule.accepted_repositories(self.reference.repository()),
        };
        let _turn = self.gate.turns.acquire().await;
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        let (findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        let judged =
            requirement.judge(proofs.iter().map(|proof| (proof.authenticator(), proof.fingerprint())));
        explanation.findings = findings;
        let Err(missing) = judged else { return Ok(()) };
        // What was not read might have sufficed: "the registry failed" must never be told as "there is no signature".
        if let Some(problem) = collected.unanswered() {
            return Err(self.unanswered(&problem.error));
        }
        Err(Refusal::unsatisfied(
            self.image(),
            digest.as_str(),
            rule.label(),
            &requirement.to_string(),
            &Found { collected: &collected, valid: missing.verified(), findings: &explanation.findings },
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

    /// A remembered verdict must not outlive a key that it may rest on.
    fn earliest_key_end(&self, requirement: &Requirement) -> Option<jiff::Timestamp> {
        let now = jiff::Timestamp::now();
        let authenticators =
            requirement.authenticators().iter().filter_map(|name| self.policy.authenticator(name));
        let ends =
            authenticators.flat_map(|authenticator| authenticator.keys()).filter_map(|key| key.not_after);
        ends.filter(|end| *end > now).min()
    }

    fn unanswered(&self, error: &RegistryError) -> Refusal {
        Refusal::registry(self.image(), error)
    }

    fn image(&self) -> &str {
        &self.question.image
    }
}

/// The pure part: every signature against every authenticator that the rule names.
struct Check {
    policy: Arc<Policy>,
    authenticators: Vec<String>,
    attachments: Vec<Attachment>,
    digest: Digest,
    repositories: Vec<String>,
}

impl Check {
    fn run(self) -> (Vec<Finding>, Vec<Proof>) {
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
