//! The way of one question through the gate.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::facts::{Facts, RuleOutcome, resolved, unsigned_evidence};
use super::verdict_cache::VerdictCache;
use super::verification::VerificationResult;
use super::{Explanation, Kind, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::keys::RemoteVerifier;
use crate::ledger::Ledger;
use crate::policy::{Action, Allowance, ApplicableRules, Mode, Policy, Requirement, Rule, SignedObject};
use crate::reference::Reference;
use crate::registry::{Platform, Registry, RegistryError, Resolved};
use crate::telemetry::counters::Counter;
use crate::telemetry::{Reason, Step};
use pullgate_net::single_flight::SingleFlight;

/// What a gate's admissions share.
#[derive(Clone, Debug)]
pub(super) struct GateInner {
    pub(super) registry: Arc<Registry>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) verdicts: Arc<VerdictCache>,
    pub(super) remote_verifier: Arc<RemoteVerifier>,
    pub(super) verifying: Arc<SingleFlight<VerificationResult>>,
    pub(super) checks: Arc<Counter>,
    pub(super) turns: Arc<Semaphore>,
}

/// One question, with the policy that it began with. Cheap to clone, so that work that several questions share can go on
/// for any of them.
#[derive(Clone, Debug)]
pub(super) struct PullEvaluation {
    pub(super) means: GateInner,
    pub(super) policy: Arc<Policy>,
    pub(super) question: Arc<Question>,
    pub(super) reference: Reference,
}

impl PullEvaluation {
    /// Asks every rule that speaks; each must admit the image.
    pub(super) async fn decide(&self, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let ruling = self.ruling();
        let labels: Vec<&str> = ruling.rules().map(Rule::label).collect();
        explanation.rule = Some(labels.join(" and "));
        if let Some(digest) = self.reference.digest() {
            self.check_denied(std::iter::once(digest))?;
        }
        let (mut reason, mut digest): (_, Option<Digest>) = (None, None);
        let mut facts = Facts::default();
        // Rules that need no request come first to refuse; the strictest gives the reason.
        for rule in ruling.rules() {
            let passed = self.ask(rule, &mut facts, explanation).await?;
            reason.get_or_insert(passed.reason);
            // The image for the platform beats the index that names it: it is what was signed for one of the rules.
            let platform = passed.digest.is_some() && passed.digest != resolved(explanation);
            digest = if platform { passed.digest } else { digest.or(passed.digest) };
        }
        let reason = reason.unwrap_or(Reason::Internal);
        let pinned = Pinned::admitted(&self.reference, digest.as_ref(), &labels.join(" and "), reason);
        let evidence = digest.and_then(|digest| {
            let seen = facts.resolved.iter().find(|(_, resolved)| *resolved.digest() == digest);
            let unsigned = seen.map(|(_, resolved)| Arc::new(unsigned_evidence(&self.reference, resolved)));
            facts.evidence(&digest, &explanation.findings).or(unsigned)
        });
        Ok(pinned.with_evidence(evidence))
    }

    /// What becomes of a refusal outside of any one rule: it stands, unless no rule that speaks is enforced.
    pub(super) fn audit(&self, refusal: Refusal, explanation: &mut Explanation) -> Result<Pinned, Refusal> {
        let ruling = self.ruling();
        if ruling.rules().any(|rule| rule.mode() == Mode::Enforce) || !self.was_looked_at(explanation) {
            return Err(refusal);
        }
        explanation.audited.push(refusal);
        let digest = resolved(explanation);
        let rule = ruling.strictest().label();
        Ok(Pinned::admitted(&self.reference, digest.as_ref(), rule, Reason::AuditOnly))
    }

    /// Whether it is known of the image that it is not denied.
    fn was_looked_at(&self, explanation: &Explanation) -> bool {
        !self.policy.deny_list().has_digests() || resolved(explanation).is_some()
    }

    fn ruling(&self) -> ApplicableRules<'_> {
        self.policy.applicable_rules(self.reference.repository(), self.question.namespace.as_deref())
    }

    /// Asks one rule, as seriously as it is to be taken.
    async fn ask(
        &self,
        rule: &Rule,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<RuleOutcome, Refusal> {
        if rule.mode() == Mode::Off {
            return Ok(RuleOutcome { reason: Reason::RuleOff, digest: None });
        }
        let refusal = match self.enforce(rule, facts, explanation).await {
            // The deny list is no rule, and no rule softens it.
            Err(refusal) if rule.mode() == Mode::Audit && refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        // Nor does what kept us from looking whether it is denied.
        if !self.was_looked_at(explanation) {
            self.resolve(&self.reference, facts, explanation).await?;
        }
        explanation.audited.push(refusal);
        Ok(RuleOutcome { reason: Reason::AuditOnly, digest: resolved(explanation) })
    }

    async fn enforce(
        &self,
        rule: &Rule,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<RuleOutcome, Refusal> {
        match rule.action() {
            Action::Deny { reason } => Err(Refusal::denied(self.image(), rule.label(), reason.as_deref())),
            Action::AllowUnsigned(allowance) => self.allow(rule, allowance, facts, explanation).await,
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let reference = &self.reference;
                let digest = match rule.signed_object() {
                    SignedObject::Index => {
                        self.verify(rule, requirement, reference, facts, explanation).await?
                    }
                    SignedObject::Platform => {
                        let image = self.image_for_node(reference, facts, explanation).await?;
                        self.verify(rule, requirement, &image, facts, explanation).await?
                    }
                    SignedObject::Either => self.verify_either(rule, requirement, facts, explanation).await?,
                };
                Ok(RuleOutcome { reason: Reason::Verified, digest: Some(digest) })
            }
        }
    }

    /// An image that needs no signature costs no request, unless it may not be just any.
    async fn allow(
        &self,
        rule: &Rule,
        allowance: &Allowance,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<RuleOutcome, Refusal> {
        if let Some(until) = allowance.until.filter(|_| allowance.is_over(jiff::Timestamp::now())) {
            return Err(Refusal::allowance_over(self.image(), rule.label(), &until.to_string()));
        }
        let listed = |digest: &Digest| allowance.digests.is_empty() || allowance.digests.contains(digest);
        if let Some(digest) = self.reference.digest().filter(|digest| !listed(digest)) {
            return Err(Refusal::digest_not_allowed(self.image(), digest.as_str(), rule.label()));
        }
        // What an index lists may be denied, so it has to be read.
        let denials = self.policy.deny_list().has_digests();
        let digest = match self.reference.digest() {
            // What is allowed by its digest is recorded, so that it can be told from others on the node.
            Some(digest) if !denials && allowance.digests.is_empty() => digest.clone(),
            None if !denials && allowance.digests.is_empty() => {
                return Ok(RuleOutcome { reason: Reason::UnsignedAllowed, digest: None });
            }
            _ => self.resolve(&self.reference, facts, explanation).await?.digest().clone(),
        };
        if !listed(&digest) {
            return Err(Refusal::digest_not_allowed(self.image(), digest.as_str(), rule.label()));
        }
        Ok(RuleOutcome { reason: Reason::UnsignedAllowed, digest: Some(digest) })
    }

    /// Looks for signatures of the index, and then for those of the image that it names for this node.
    async fn verify_either(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let refusal = match self.verify(rule, requirement, &self.reference, facts, explanation).await {
            Err(refusal) if refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        // Not what the tag stands for by now, but what was looked at.
        let Some(index) = resolved(explanation) else { return Err(refusal) };
        let image = self.image_for_node(&self.reference.with_digest(&index), facts, explanation).await?;
        if image.digest() == Some(&index) {
            return Err(refusal);
        }
        match self.verify(rule, requirement, &image, facts, explanation).await {
            // The index is what the name stands for: its refusal is the one to be told.
            Err(other) if other.kind() == Kind::Signature => Err(refusal),
            decided => decided,
        }
    }

    /// The image that a name stands for on this node, by its digest; its bytes have yet to be read.
    async fn image_for_node(
        &self,
        reference: &Reference,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<Reference, Refusal> {
        let resolved = self.resolve(reference, facts, explanation).await?;
        let image = resolved
            .image_for(&Platform::of_node())
            .map_err(|error| Refusal::registry(self.image(), &error))?;
        if image != *resolved.digest() {
            explanation.platform_digest = Some(image.to_string());
        }
        Ok(reference.with_digest(&image))
    }

    pub(super) fn check_denied<'d>(
        &self,
        digests: impl IntoIterator<Item = &'d Digest>,
    ) -> Result<(), Refusal> {
        let denials = self.policy.deny_list();
        for digest in digests {
            if let Some(why) = denials.of_digest(digest) {
                return Err(Refusal::digest_denied(self.image(), digest.as_str(), why));
            }
        }
        Ok(())
    }

    /// What the registry has for a name, asked once: whatever becomes of a tag, all rules look at the same.
    pub(super) async fn resolve(
        &self,
        reference: &Reference,
        facts: &mut Facts,
        explanation: &mut Explanation,
    ) -> Result<Resolved, Refusal> {
        let known = |(asked, resolved): &&(Reference, Resolved)| {
            asked == reference || reference.digest() == Some(resolved.digest())
        };
        if let Some((_, resolved)) = facts.resolved.iter().find(known) {
            return Ok(resolved.clone());
        }
        let begin = tokio::time::Instant::now();
        let resolved = self.means.registry.resolve(reference, &self.question.credentials).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        let resolved = resolved.map_err(|error| self.unanswered(&error))?;
        if explanation.media_type.is_none() {
            explanation.digest = Some(resolved.digest().to_string());
            explanation.media_type = Some(resolved.media_type().to_owned());
            explanation.note(resolved.warnings().iter().cloned());
        }
        self.check_denied([resolved.digest()])?;
        if resolved.is_index() && self.policy.deny_list().has_digests() {
            let named = resolved.named().map_err(|error| self.unanswered(&error))?;
            self.check_denied(&named)?;
        }
        facts.resolved.push((reference.clone(), resolved.clone()));
        Ok(resolved)
    }

    pub(super) fn unanswered(&self, error: &RegistryError) -> Refusal {
        Refusal::registry(self.image(), error)
    }

    pub(super) fn image(&self) -> &str {
        &self.question.image
    }
}
