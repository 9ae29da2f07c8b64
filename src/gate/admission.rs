//! The way of one question through the gate.

use std::sync::Arc;

use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Finding, Gate, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::policy::{Action, Mode, Policy, Requirement, Rule, Ruling};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError};
use crate::signature::{self, Attachment, Proof, Subject};
use crate::telemetry::{Reason, Step};

/// One question, with the policy that it began with.
pub(super) struct Admission<'a> {
    pub(super) gate: &'a Gate,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) question: &'a Question,
    pub(super) reference: &'a Reference,
}

impl Admission<'_> {
    /// Asks every rule that speaks; each must admit the image.
    pub(super) async fn decide(&self, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let ruling = self.ruling();
        let labels: Vec<&str> = ruling.rules().map(Rule::label).collect();
        explanation.rule = Some(labels.join(" and "));
        let (mut reason, mut digest) = (None, None);
        // Rules that need no request come first to refuse; the strictest gives the reason.
        for rule in ruling.rules() {
            // What one rule looked at is what the others look at, whatever became of the tag in between.
            let named = resolved(explanation).map(|resolved| self.reference.with_digest(&resolved));
            let reference = named.as_ref().unwrap_or(self.reference);
            let passed = self.ask(rule, reference, explanation).await?;
            reason.get_or_insert(passed.reason);
            digest = digest.or(passed.digest);
        }
        let reason = reason.unwrap_or(Reason::Internal);
        Ok(Pinned::admitted(self.reference, digest.as_ref(), &labels.join(" and "), reason))
    }

    /// What becomes of a refusal outside of any one rule: it stands, unless no rule that speaks is enforced.
    pub(super) fn audit(&self, refusal: Refusal, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let ruling = self.ruling();
        if ruling.rules().any(|rule| rule.mode() == Mode::Enforce) {
            return Err(refusal);
        }
        explanation.audited.push(refusal);
        let digest = resolved(explanation);
        let rule = ruling.strictest().label();
        Ok(Pinned::admitted(self.reference, digest.as_ref(), rule, Reason::AuditOnly))
    }

    fn ruling(&self) -> Ruling<'_> {
        self.policy.rule_for(self.reference.repository(), self.question.namespace.as_deref())
    }

    /// Asks one rule, as seriously as it is to be taken.
    async fn ask(
        &self,
        rule: &Rule,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        if rule.mode() == Mode::Off {
            return Ok(Passed { reason: Reason::RuleOff, digest: None });
        }
        let refusal = match self.enforce(rule, reference, explanation).await {
            Err(refusal) if rule.mode() == Mode::Audit => refusal,
            decided => return decided,
        };
        explanation.audited.push(refusal);
        Ok(Passed { reason: Reason::AuditOnly, digest: resolved(explanation) })
    }

    async fn enforce(
        &self,
        rule: &Rule,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        match rule.action() {
            Action::Deny { reason } => Err(Refusal::denied(self.image(), rule.label(), reason.as_deref())),
            // Before anything is asked of the registry: an image that needs no signature costs no request.
            Action::AllowUnsigned(_) => Ok(Passed { reason: Reason::UnsignedAllowed, digest: None }),
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let digest = self.verify(rule, requirement, reference, explanation).await?;
                Ok(Passed { reason: Reason::Verified, digest: Some(digest) })
            }
        }
    }

    /// Finds the digest behind the name and has the rule's requirement judged over its signatures.
    async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        if let Some(digest) = reference.digest().filter(|digest| self.is_known(rule, digest)) {
            explanation.known = true;
            explanation.digest = Some(digest.to_string());
            return Ok(digest.clone());
        }
        let (digest, collected) = match reference.digest() {
            // The digest is in the name: its bytes and its signatures can be asked for at the same time.
            Some(digest) => {
                let (resolved, collected) =
                    tokio::join!(self.resolve(reference, explanation), self.collect(digest));
                resolved?;
                (digest.clone(), collected)
            }
            None => {
                let digest = self.resolve(reference, explanation).await?;
                if self.is_known(rule, &digest) {
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
        self.gate.verdicts.remember(self.known(rule, &digest), self.earliest_key_end(requirement));
        Ok(digest)
    }

    async fn resolve(&self, reference: &Reference, explanation: &mut Explanation) -> Result<Digest, Refusal> {
        let begin = tokio::time::Instant::now();
        let resolved = self.gate.registry.resolve(reference, &self.question.credentials).await;
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
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        let (findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        let judged =
            requirement.judge(proofs.iter().map(|proof| (proof.authenticator(), proof.fingerprint())));
        let Err(missing) = judged else {
            explanation.findings.extend(findings);
            return Ok(());
        };
        // What was not read might have sufficed: "the registry failed" must never be told as "there is no signature".
        let refusal = match collected.unanswered() {
            Some(problem) => self.unanswered(&problem.error),
            None => Refusal::unsatisfied(
                self.image(),
                digest.as_str(),
                rule.label(),
                &requirement.to_string(),
                &Found { collected: &collected, valid: missing.verified(), findings: &findings },
            ),
        };
        explanation.findings.extend(findings);
        Err(refusal)
    }

    fn is_known(&self, rule: &Rule, digest: &Digest) -> bool {
        self.gate.verdicts.holds(&self.known(rule, digest), jiff::Timestamp::now())
    }

    fn known(&self, rule: &Rule, digest: &Digest) -> Known {
        Known {
            rule: rule.identity(),
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

/// What one rule lets through.
struct Passed {
    reason: Reason,
    /// What it was found good as; nothing, if it was not looked at.
    digest: Option<Digest>,
}

/// What the registry was found to serve for the name.
fn resolved(explanation: &Explanation) -> Option<Digest> {
    explanation.digest.as_deref().and_then(|digest| Digest::parse(digest).ok())
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
