//! The way of one question through the gate.

use std::sync::Arc;

use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Finding, Gate, Kind, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::policy::{Accept, Action, Allowance, Mode, Policy, Requirement, Rule, Ruling};
use crate::reference::Reference;
use crate::registry::{Collected, Platform, RegistryError, Resolved};
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
        if let Some(digest) = self.reference.digest() {
            self.check_denied(std::iter::once(digest))?;
        }
        let (mut reason, mut digest): (_, Option<Digest>) = (None, None);
        // Rules that need no request come first to refuse; the strictest gives the reason.
        for rule in ruling.rules() {
            // What one rule looked at is what the others look at, whatever became of the tag in between.
            let named = resolved(explanation).map(|resolved| self.reference.with_digest(&resolved));
            let reference = named.as_ref().unwrap_or(self.reference);
            let passed = self.ask(rule, reference, explanation).await?;
            reason.get_or_insert(passed.reason);
            // The image for the platform beats the index that names it: it is what was signed for one of the rules.
            let platform = passed.digest.is_some() && passed.digest != resolved(explanation);
            digest = if platform { passed.digest } else { digest.or(passed.digest) };
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
            // The deny list is no rule, and no rule softens it.
            Err(refusal) if rule.mode() == Mode::Audit && refusal.reason() != Reason::DigestDenied => refusal,
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
            Action::AllowUnsigned(allowance) => self.allow(rule, allowance, reference, explanation).await,
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let digest = match rule.accept() {
                    Accept::Index => self.verify(rule, requirement, reference, explanation).await?,
                    Accept::Platform => {
                        let image = self.image_for_node(reference, explanation).await?;
                        self.verify(rule, requirement, &image, explanation).await?
                    }
                    Accept::Either => self.verify_either(rule, requirement, reference, explanation).await?,
                };
                Ok(Passed { reason: Reason::Verified, digest: Some(digest) })
            }
        }
    }

    /// An image that needs no signature costs no request, unless it may not be just any.
    async fn allow(
        &self,
        rule: &Rule,
        allowance: &Allowance,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        if let Some(until) = allowance.until.filter(|_| allowance.is_over(jiff::Timestamp::now())) {
            return Err(Refusal::allowance_over(self.image(), rule.label(), &until.to_string()));
        }
        // What an index lists may be denied, so it has to be read.
        let denials = self.policy.denials().has_digests();
        let digest = match reference.digest() {
            Some(digest) if !denials => digest.clone(),
            None if !denials && allowance.digests.is_empty() => {
                return Ok(Passed { reason: Reason::UnsignedAllowed, digest: None });
            }
            _ => self.resolve(reference, explanation).await?.digest().clone(),
        };
        if !allowance.digests.is_empty() && !allowance.digests.contains(&digest) {
            return Err(Refusal::digest_not_allowed(self.image(), digest.as_str(), rule.label()));
        }
        Ok(Passed { reason: Reason::UnsignedAllowed, digest: Some(digest) })
    }

    /// Looks for signatures of the index, and then for those of the image that it names for this node.
    async fn verify_either(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let refusal = match self.verify(rule, requirement, reference, explanation).await {
            Err(refusal) if refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        // Not what the tag stands for by now, but what was looked at.
        let Some(index) = resolved(explanation) else { return Err(refusal) };
        let image = self.image_for_node(&self.reference.with_digest(&index), explanation).await?;
        if image.digest() == Some(&index) {
            return Err(refusal);
        }
        match self.verify(rule, requirement, &image, explanation).await {
            // The index is what the name stands for: its refusal is the one to be told.
            Err(other) if other.kind() == Kind::Signature => Err(refusal),
            decided => decided,
        }
    }

    /// The image that a name stands for on this node, by its digest; its bytes have yet to be read.
    async fn image_for_node(
        &self,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Reference, Refusal> {
        let resolved = self.resolve(reference, explanation).await?;
        let image = resolved
            .image_for(&Platform::of_node())
            .map_err(|error| Refusal::registry(self.image(), &error))?;
        if image != *resolved.digest() {
            explanation.platform_digest = Some(image.to_string());
        }
        Ok(reference.with_digest(&image))
    }

    fn check_denied<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> Result<(), Refusal> {
        let denials = self.policy.denials();
        for digest in digests {
            if let Some(why) = denials.of_digest(digest) {
                return Err(Refusal::digest_denied(self.image(), digest.as_str(), why));
            }
        }
        Ok(())
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
            explanation.digest.get_or_insert_with(|| digest.to_string());
            return Ok(digest.clone());
        }
        let (digest, collected) = match reference.digest() {
            // The digest is in the name: its bytes and its signatures can be asked for at the same time.
            Some(digest) => {
                let (resolved, collected) =
                    tokio::join!(self.resolve(reference, explanation), self.collect(digest));
                let resolved = resolved?;
                // An image that an index names is one: not an index from which the runtime would choose again.
                if explanation.platform_digest.as_deref() == Some(digest.as_str()) && resolved.is_index() {
                    let what = format!("the image {digest}");
                    let error = RegistryError::Platform {
                        what,
                        reason: "that an index names is an index".to_owned(),
                    };
                    return Err(Refusal::registry(self.image(), &error));
                }
                (digest.clone(), collected)
            }
            None => {
                let digest = self.resolve(reference, explanation).await?.digest().clone();
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

    async fn resolve(
        &self,
        reference: &Reference,
        explanation: &mut Explanation,
    ) -> Result<Resolved, Refusal> {
        let begin = tokio::time::Instant::now();
        let resolved = self.gate.registry.resolve(reference, &self.question.credentials).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        if explanation.digest.is_none() {
            explanation.digest = Some(resolved.digest().to_string());
            explanation.media_type = Some(resolved.media_type().to_owned());
            explanation.problems.extend(resolved.warnings().iter().cloned());
        }
        self.check_denied([resolved.digest()])?;
        if resolved.is_index() && self.policy.denials().has_digests() {
            let named = resolved.named().map_err(|error| self.unanswered(&error))?;
            self.check_denied(&named)?;
        }
        Ok(resolved)
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
