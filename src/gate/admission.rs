//! The way of one question through the gate.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::refusal::Found;
use super::verdicts::Subject as Known;
use super::{Explanation, Finding, Gate, Pinned, Question, Refusal};
use crate::digest::Digest;
use crate::ledger::{Evidence, Place};
use crate::policy::{Action, Mode, Policy, Requirement, Rule, Ruling};
use crate::reference::Reference;
use crate::registry::{Collected, RegistryError, Resolved};
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
        let mut look = Look::default();
        // Rules that need no request come first to refuse; the strictest gives the reason.
        for rule in ruling.rules() {
            let passed = self.ask(rule, &mut look, explanation).await?;
            reason.get_or_insert(passed.reason);
            digest = digest.or(passed.digest);
        }
        let reason = reason.unwrap_or(Reason::Internal);
        let pinned = Pinned::admitted(self.reference, digest.as_ref(), &labels.join(" and "), reason);
        Ok(pinned.with_evidence(look.evidence()))
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
            Err(refusal) if rule.mode() == Mode::Audit => refusal,
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
            // Before anything is asked of the registry: an image that needs no signature costs no request.
            Action::AllowUnsigned(_) => Ok(Passed { reason: Reason::UnsignedAllowed, digest: None }),
            Action::Require(requirement) => {
                explanation.required = Some(requirement.to_string());
                let digest = self.verify(rule, requirement, look, explanation).await?;
                Ok(Passed { reason: Reason::Verified, digest: Some(digest) })
            }
        }
    }

    /// Finds the digest behind the name and has the rule's requirement judged over its signatures: those in the ledger,
    /// and only if they do not suffice those that the registry has.
    async fn verify(
        &self,
        rule: &Rule,
        requirement: &Requirement,
        look: &mut Look,
        explanation: &mut Explanation,
    ) -> Result<Digest, Refusal> {
        let digest = self.digest(look, explanation).await?;
        if !look.searched {
            look.kept = self.gate.evidence(&self.place(&digest)).await;
            look.searched = true;
        }
        if let Some(kept) = look.kept.clone() {
            explanation.digest = Some(digest.to_string());
            // What is known but no longer recorded is looked up again, so that it is recorded again.
            if self.is_known(rule, &digest) {
                explanation.known = true;
                return Ok(digest);
            }
            if self.judge(rule, requirement, &kept, &Collected::default(), explanation).await.is_ok() {
                explanation.evidence = true;
                self.remember(rule, requirement, &digest);
                return Ok(digest);
            }
            explanation.findings.clear();
        }
        let (fresh, collected) = self.look_up(&digest, look, explanation).await?;
        let keys = self.judge(rule, requirement, fresh, collected, explanation).await?;
        fresh.rule = rule.label().to_owned();
        fresh.keys = keys;
        self.remember(rule, requirement, &digest);
        Ok(digest)
    }

    /// The digest in the name, or the one that the registry has for it, which is asked once.
    async fn digest(&self, look: &mut Look, explanation: &mut Explanation) -> Result<Digest, Refusal> {
        if let Some(digest) = self.reference.digest() {
            return Ok(digest.clone());
        }
        let resolved = match look.resolved.take() {
            Some(resolved) => resolved,
            None => self.resolve(explanation).await?,
        };
        Ok(look.resolved.insert(resolved).digest().clone())
    }

    /// What the registry has for the digest, asked once, and what the ledger has beyond that.
    async fn look_up<'l>(
        &self,
        digest: &Digest,
        look: &'l mut Look,
        explanation: &mut Explanation,
    ) -> Result<(&'l mut Evidence, &'l Collected), Refusal> {
        let fresh = match look.fresh.take() {
            Some(fresh) => fresh,
            None => {
                // The digest is in the name: its bytes and its signatures can be asked for at the same time.
                let (resolved, (mut collected, spent)) = match look.resolved.take() {
                    Some(resolved) => (resolved, self.collect(digest).await),
                    None => {
                        let (resolved, collected) =
                            tokio::join!(self.resolve(explanation), self.collect(digest));
                        (resolved?, collected)
                    }
                };
                explanation.steps.add(Step::Collect, spent);
                explanation.note(collected.problems.iter().map(ToString::to_string));
                let mut evidence = self.new_evidence(&resolved, std::mem::take(&mut collected.attachments));
                if let Some(kept) = &look.kept {
                    evidence.add_attachments(&kept.attachments);
                }
                look.resolved = Some(resolved);
                (evidence, collected)
            }
        };
        let (evidence, collected) = look.fresh.insert(fresh);
        Ok((evidence, collected))
    }

    fn new_evidence(&self, resolved: &Resolved, attachments: Vec<Attachment>) -> Evidence {
        Evidence {
            repository: self.reference.repository().clone(),
            digest: resolved.digest().clone(),
            media_type: resolved.media_type().to_owned(),
            document: resolved.bytes().clone(),
            images: Vec::new(),
            attachments,
            names: vec![self.reference.to_string()],
            rule: String::new(),
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
        explanation.note(resolved.warnings().iter().cloned());
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
        let _stopper = check.stopper();
        let _turn = self.gate.turns.acquire().await;
        // Public-key arithmetic is milliseconds at worst, but other calls cross on this thread.
        let checked = explanation.steps.time(Step::Judge, tokio::task::spawn_blocking(|| check.run())).await;
        let (findings, proofs) = checked.map_err(|_| Refusal::internal(self.image()))?;
        let judged =
            requirement.judge(proofs.iter().map(|proof| (proof.authenticator(), proof.fingerprint())));
        let Err(missing) = judged else {
            explanation.findings.extend(findings);
            let keys: BTreeSet<_> = proofs.iter().map(|proof| proof.fingerprint().to_owned()).collect();
            return Ok(keys.into_iter().collect());
        };
        // What was not read might have sufficed: "the registry failed" must never be told as "there is no signature".
        let refusal = match collected.unanswered() {
            Some(problem) => self.unanswered(&problem.error),
            None => Refusal::unsatisfied(
                self.image(),
                evidence.digest.as_str(),
                rule.label(),
                &requirement.to_string(),
                &Found {
                    attachments: evidence.attachments.len(),
                    collected,
                    valid: missing.verified(),
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

    fn remember(&self, rule: &Rule, requirement: &Requirement, digest: &Digest) {
        self.gate.verdicts.remember(self.known(rule, digest), earliest_key_end(self.policy, requirement));
    }

    fn known(&self, rule: &Rule, digest: &Digest) -> Known {
        Known::new(self.policy, rule, self.reference.repository(), digest)
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

/// What has been found out for one question, so that each rule looks at the same.
#[derive(Default)]
struct Look {
    /// What the registry serves for the name.
    resolved: Option<Resolved>,
    /// What the ledger has for the digest, once it was `searched`.
    kept: Option<Arc<Evidence>>,
    searched: bool,
    /// What the registry has for the digest, and what of that could not be read.
    fresh: Option<(Evidence, Collected)>,
}

impl Look {
    /// The evidence that is worth keeping.
    fn evidence(self) -> Option<Arc<Evidence>> {
        self.fresh.map(|(fresh, _)| Arc::new(fresh)).or(self.kept)
    }
}

/// A remembered verdict must not outlive a key that it may rest on.
pub(super) fn earliest_key_end(policy: &Policy, requirement: &Requirement) -> Option<jiff::Timestamp> {
    let now = jiff::Timestamp::now();
    let authenticators = requirement.authenticators().iter().filter_map(|name| policy.authenticator(name));
    let ends = authenticators.flat_map(|authenticator| authenticator.keys()).filter_map(|key| key.not_after);
    ends.filter(|end| *end > now).min()
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
pub(super) struct Check {
    stop: Arc<AtomicBool>,
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
            stop: Arc::default(),
            policy: Arc::clone(policy),
            authenticators: requirement.authenticators().to_vec(),
            attachments: evidence.attachments.clone(),
            digest: evidence.digest.clone(),
            repositories: rule.accepted_repositories(&evidence.repository),
        }
    }

    /// Stops the check when it is dropped: a thread cannot be dropped as the future that waits for it can.
    fn stopper(&self) -> SetOnDrop {
        SetOnDrop(Arc::clone(&self.stop))
    }

    pub(super) fn run(self) -> (Vec<Finding>, Vec<Proof>) {
        let now = jiff::Timestamp::now();
        let subject = Subject { digest: &self.digest, repositories: &self.repositories };
        let (mut findings, mut proofs) = (Vec::new(), Vec::new());
        for attachment in &self.attachments {
            for authenticator in self.authenticators.iter().filter_map(|name| self.policy.authenticator(name))
            {
                if self.stop.load(Ordering::Relaxed) {
                    return (findings, proofs);
                }
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

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
