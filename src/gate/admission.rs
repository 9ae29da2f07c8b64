//! The way of one question through the gate.

use std::sync::Arc;

use super::check::Check;
use super::confirm::{Said, Weighed};
use super::look::{Fresh, Judged, Look, Passed, earliest_key_end, listed, resolved, unsigned_evidence};
use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Gate, Kind, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::ledger::{Evidence, Place};
use crate::policy::{Accept, Action, Allowance, Mode, Policy, Requirement, Rule, Ruling};
use crate::reference::Reference;
use crate::registry::{Collected, Platform, RegistryError, Resolved};
use crate::signature::Attachment;
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
        let mut look = Look::default();
        // Rules that need no request come first to refuse; the strictest gives the reason.
        for rule in ruling.rules() {
            let passed = self.ask(rule, &mut look, explanation).await?;
            reason.get_or_insert(passed.reason);
            // The image for the platform beats the index that names it: it is what was signed for one of the rules.
            let platform = passed.digest.is_some() && passed.digest != resolved(explanation);
            digest = if platform { passed.digest } else { digest.or(passed.digest) };
        }
        let reason = reason.unwrap_or(Reason::Internal);
        let pinned = Pinned::admitted(self.reference, digest.as_ref(), &labels.join(" and "), reason);
        let evidence = digest.and_then(|digest| {
            let seen = look.resolved.iter().find(|(_, resolved)| *resolved.digest() == digest);
            let unsigned = seen.map(|(_, resolved)| Arc::new(self.new_evidence(resolved, Vec::new())));
            look.evidence(&digest, &explanation.findings).or(unsigned)
        });
        Ok(pinned.with_evidence(evidence))
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
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        if rule.mode() == Mode::Off {
            return Ok(Passed { reason: Reason::RuleOff, digest: None });
        }
        let refusal = match self.enforce(rule, look, explanation).await {
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
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        match rule.action() {
            Action::Deny { reason } => Err(Refusal::denied(self.image(), rule.label(), reason.as_deref())),
            Action::AllowUnsigned(allowance) => self.allow(rule, allowance, look, explanation).await,
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let reference = self.reference;
                let digest = match rule.accept() {
                    Accept::Index => self.verify(rule, requirement, reference, look, explanation).await?,
                    Accept::Platform => {
                        let image = self.image_for_node(reference, look, explanation).await?;
                        self.verify(rule, requirement, &image, look, explanation).await?
                    }
                    Accept::Either => self.verify_either(rule, requirement, look, explanation).await?,
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
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Passed, Refusal> {
        if let Some(until) = allowance.until.filter(|_| allowance.is_over(jiff::Timestamp::now())) {
            return Err(Refusal::allowance_over(self.image(), rule.label(), &until.to_string()));
        }
        let listed = |digest: &Digest| allowance.digests.is_empty() || allowance.digests.contains(digest);
        if let Some(digest) = self.reference.digest().filter(|digest| !listed(digest)) {
            return Err(Refusal::digest_not_allowed(self.image(), digest.as_str(), rule.label()));
        }
        // What an index lists may be denied, so it has to be read.
        let denials = self.policy.denials().has_digests();
        let digest = match self.reference.digest() {
            // What is allowed by its digest is recorded, so that it can be told from others on the node.
            Some(digest) if !denials && allowance.digests.is_empty() => digest.clone(),
            None if !denials && allowance.digests.is_empty() => {
                return Ok(Passed { reason: Reason::UnsignedAllowed, digest: None });
            }
            _ => self.resolve(self.reference, look, explanation).await?.digest().clone(),
        };
        if !listed(&digest) {
            return Err(Refusal::digest_not_allowed(self.image(), digest.as_str(), rule.label()));
        }
        Ok(Passed { reason: Reason::UnsignedAllowed, digest: Some(digest) })
    }

    /// Looks for signatures of the index, and then for those of the image that it names for this node.
    async fn verify_either(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let refusal = match self.verify(rule, requirement, self.reference, look, explanation).await {
            Err(refusal) if refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        // Not what the tag stands for by now, but what was looked at.
        let Some(index) = resolved(explanation) else { return Err(refusal) };
        let image = self.image_for_node(&self.reference.with_digest(&index), look, explanation).await?;
        if image.digest() == Some(&index) {
            return Err(refusal);
        }
        match self.verify(rule, requirement, &image, look, explanation).await {
            // The index is what the name stands for: its refusal is the one to be told.
            Err(other) if other.kind() == Kind::Signature => Err(refusal),
            decided => decided,
        }
    }

    /// The image that a name stands for on this node, by its digest; its bytes have yet to be read.
    async fn image_for_node(
        &self,
        reference: &Reference,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Reference, Refusal> {
        let resolved = self.resolve(reference, look, explanation).await?;
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

    /// Finds the digest behind a name and has the rule's requirement judged over its signatures: those in the ledger, and
    /// only if they do not suffice those that the registry has.
    async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        reference: &Reference,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let digest = match reference.digest() {
            Some(digest) => digest.clone(),
            None => self.resolve(reference, look, explanation).await?.digest().clone(),
        };
        if let Some(kept) = self.kept(&digest, look).await {
            self.check_denied(&listed(&kept))?;
            explanation.digest.get_or_insert_with(|| digest.to_string());
            // What is known but no longer recorded is looked up again, so that it is recorded again.
            if self.is_known(rule, &digest) {
                explanation.known = true;
                return Ok(digest);
            }
            let before = explanation.findings.len();
            let nothing = Collected::default();
            let said = &mut look.said;
            let judged = self.judge(rule, requirement, &kept, &nothing, said, explanation).await;
            if let Ok(judged) = judged {
                explanation.evidence = true;
                self.remember(rule, requirement, &digest, &judged);
                return Ok(digest);
            }
            explanation.findings.truncate(before);
        }
        let mut fresh = self.look_up(reference, &digest, look, explanation).await?;
        let Fresh { evidence, collected } = &fresh;
        let judged = self.judge(rule, requirement, evidence, collected, &mut look.said, explanation).await;
        if let Ok(judged) = &judged {
            fresh.evidence.rule = rule.label().to_owned();
            fresh.evidence.keys.clone_from(&judged.keys);
            // The next pull of the same need not wait for this one to end.
            self.gate.ledger.note(fresh.evidence.clone());
        }
        look.fresh.push(fresh);
        self.remember(rule, requirement, &digest, &judged?);
        Ok(digest)
    }

    /// The evidence in the ledger, which is read once for each digest.
    async fn kept(&self, digest: &Digest, look: &mut Look) -> Option<Arc<Evidence>> {
        if let Some(kept) = look.kept.get(digest) {
            return kept.clone();
        }
        let place = Place { repository: self.reference.repository().clone(), digest: digest.clone() };
        // Another pull of the same may have come to its end while the disk was asked.
        let kept = self.gate.evidence(&place).await.or_else(|| self.gate.ledger.noted(&place));
        look.kept.insert(digest.clone(), kept.clone());
        kept
    }

    /// What the registry has for the digest, asked once, and what the ledger has beyond that.
    async fn look_up(
        &self,
        reference: &Reference,
        digest: &Digest,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Fresh, Refusal> {
        if let Some(at) = look.fresh.iter().position(|fresh| fresh.evidence.digest == *digest) {
            return Ok(look.fresh.swap_remove(at));
        }
        // Where the digest is in the name, its bytes and its signatures can be asked for at the same time.
        let (resolved, (mut collected, spent)) =
            tokio::join!(self.resolve(reference, look, explanation), self.collect(digest));
        let resolved = resolved?;
        // An image that an index names is one: not an index from which the runtime would choose again.
        if explanation.platform_digest.as_deref() == Some(digest.as_str()) && resolved.is_index() {
            let what = format!("the image {digest}");
            let reason = "that an index names is an index".to_owned();
            return Err(self.unanswered(&RegistryError::Platform { what, reason }));
        }
        explanation.steps.add(Step::Collect, spent);
        explanation.note(collected.problems.iter().map(ToString::to_string));
        let mut evidence = self.new_evidence(&resolved, std::mem::take(&mut collected.attachments));
        if let Some(Some(kept)) = look.kept.get(digest) {
            evidence.add_attachments(&kept.attachments);
            evidence.images.clone_from(&kept.images);
        }
        Ok(Fresh { evidence, collected })
    }

    fn new_evidence(&self, resolved: &Resolved, attachments: Vec<Attachment>) -> Evidence {
        Evidence { attachments, ..unsigned_evidence(self.reference, resolved) }
    }

    /// What the registry has for a name, asked once: whatever becomes of a tag, all rules look at the same.
    async fn resolve(
        &self,
        reference: &Reference,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Resolved, Refusal> {
        if let Some((_, resolved)) = look.resolved.iter().find(|(asked, _)| asked == reference) {
            return Ok(resolved.clone());
        }
        let begin = tokio::time::Instant::now();
        let resolved = self.gate.registry.resolve(reference, &self.question.credentials).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        if explanation.media_type.is_none() {
            explanation.digest = Some(resolved.digest().to_string());
            explanation.media_type = Some(resolved.media_type().to_owned());
            explanation.note(resolved.warnings().iter().cloned());
        }
        self.check_denied([resolved.digest()])?;
        if resolved.is_index() && self.policy.denials().has_digests() {
            let named = resolved.named().map_err(|error| self.unanswered(&error))?;
            self.check_denied(&named)?;
        }
        look.resolved.push((reference.clone(), resolved.clone()));
        Ok(resolved)
    }

    async fn collect(&self, digest: &Digest) -> (Collected, std::time::Duration) {
        let begin = tokio::time::Instant::now();
        let repository = self.reference.repository();
        let collected = self.gate.registry.attachments(repository, digest, &self.question.credentials).await;
        (collected, begin.elapsed())
    }

    /// Gives what the verdict rests on. `collected` tells what could not be read.
    async fn judge(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
        collected: &Collected,
        said: &mut Said,
        explanation: &mut Explanation,
    ) -> Result<Judged, Refusal> {
        let check = Check::new(self.policy, rule, requirement, evidence);
        let _stopper = check.stopper();
        let turn = self.gate.turns.acquire().await;
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        // A service that is slow keeps nobody else waiting.
        drop(turn);
        let (mut findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        let begin = tokio::time::Instant::now();
        let weighed = self.gate.weigh(requirement, &proofs, said).await;
        if proofs.iter().any(|proof| proof.demand().is_some()) {
            explanation.steps.add(Step::KeyService, begin.elapsed());
        }
        said.tell(&mut findings, &proofs, &self.gate.confirmer);
        let (verified, service) = match weighed {
            Weighed::Met { keys, until } => {
                explanation.findings.extend(findings);
                return Ok(Judged { keys, until });
            }
            Weighed::Unanswered(why) => (Vec::new(), Some(why)),
            Weighed::Missing { verified } => (verified, None),
            Weighed::Ask(_) => (Vec::new(), None),
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
        self.gate.verdicts.holds(&self.known(rule, digest), jiff::Timestamp::now())
    }

    fn remember(&self, rule: &Rule, requirement: &Requirement, digest: &Digest, judged: &Judged) {
        let end = earliest_key_end(self.policy, requirement);
        self.gate.verdicts.remember(self.known(rule, digest), end, judged.until);
    }

    fn known(&self, rule: &Rule, digest: &Digest) -> Known {
        Known::new(self.policy, rule, self.reference.repository(), digest)
    }

    fn unanswered(&self, error: &RegistryError) -> Refusal {
        Refusal::registry(self.image(), error)
    }

    fn image(&self) -> &str {
        &self.question.image
    }
}
