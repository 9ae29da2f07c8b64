//! Evaluates a pull: finds the facts that [`evaluate`] needs in registry and ledger.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::admission::{Admission, Verified};
use super::evaluate::{Fact, Facts, Need, Object, Rules, Stop, evaluate, interrupted};
use super::lookup::Lookup;
use super::stored_evidence::Kept;
use super::verification::Verification;
use super::{Explanation, Pinned, Refusal, provenance};
use crate::digest::Digest;
use crate::policy::{Action, ApplicableRules, BreakGlass, Policy, Rule};
use crate::reference::Reference;
use crate::registry::{Resolved, Wanted};
use crate::signature::Format;
use crate::telemetry::Reason;

/// How often in a row the same fact may be missing: finding one takes up to four steps.
const MAX_REPEATED_NEEDS: usize = 8;

/// One pull, with the policy that was in force when it began.
#[derive(Debug)]
pub(super) struct PullEvaluation {
    lookup: Lookup,
    policy: Option<Arc<Policy>>,
    break_glass: Option<BreakGlass>,
    facts: Facts,
}

impl PullEvaluation {
    pub(super) fn new(lookup: Lookup, policy: Option<Arc<Policy>>, break_glass: Option<BreakGlass>) -> Self {
        let facts = Facts { written: lookup.reference.digest().cloned(), ..Facts::default() };
        Self { lookup, policy, break_glass, facts }
    }

    /// Decides within `limit`, and explains how.
    pub(super) async fn decide(mut self, limit: Duration) -> (Result<Pinned, Refusal>, Explanation) {
        let policy = self.policy.clone();
        let namespace = self.lookup.request.namespace.clone();
        let reference = self.lookup.reference.clone();
        let applicable = policy
            .as_ref()
            .map(|policy| policy.applicable_rules(reference.repository(), namespace.as_deref()));
        if let (Some(applicable), Some(policy)) = (&applicable, &policy) {
            let reads = |format| policy.reads(applicable, format);
            policy.hash().clone_into(&mut self.lookup.policy);
            self.lookup.wanted = Wanted {
                notation: reads(Format::Notation),
                gpg: reads(Format::Gpg),
                grafeas: reads(Format::Grafeas),
                attestations: applicable.rules().any(Rule::asks_for_attestations),
            };
            let labels: Vec<&str> = applicable.rules().map(Rule::label).collect();
            self.lookup.explanation.rule = Some(labels.join(" and "));
        }
        let decided = tokio::time::timeout(limit, self.evaluate(applicable.as_ref())).await;
        let decided = match decided {
            Ok(decided) => decided,
            Err(_) => {
                let refusal = Refusal::timeout(self.lookup.image(), limit);
                self.interrupted(applicable.as_ref(), refusal)
            }
        };
        self.finish(decided)
    }

    async fn evaluate(&mut self, applicable: Option<&ApplicableRules<'_>>) -> Result<Admission, Refusal> {
        let (mut last, mut repeated) = (None, 0);
        loop {
            let need = match self.step(applicable) {
                Ok(admission) => return Ok(admission),
                Err(Stop::Refuse(refusal)) => return Err(refusal),
                Err(Stop::Need(need)) => need,
            };
            repeated = if last == Some(need) { repeated + 1 } else { 0 };
            last = Some(need);
            if repeated > MAX_REPEATED_NEEDS {
                return Err(Refusal::internal(self.lookup.image()));
            }
            match need {
                Need::Identities => self.identify().await,
                Need::Verification { rule, object } => {
                    let rule = applicable.and_then(|applicable| applicable.rules().nth(rule).zip(Some(rule)));
                    let Some((rule, place)) = rule else {
                        return Err(Refusal::internal(self.lookup.image()));
                    };
                    let known = self.known_by_name(place, object);
                    let verified =
                        if known.is_some() { known } else { self.verify((place, rule), object).await };
                    if let Some(verified) = verified {
                        self.facts.verified.insert((place, object), verified);
                    }
                }
            }
        }
    }

    fn step(&self, applicable: Option<&ApplicableRules<'_>>) -> Result<Admission, Stop> {
        let rules = Rules {
            image: self.lookup.image(),
            id: None,
            repositories: &[self.lookup.reference.repository()],
            break_glass: self.break_glass.as_ref(),
            policy: applicable.zip(self.policy.as_deref().map(Policy::deny_list)),
        };
        evaluate(&rules, &self.facts, Timestamp::now())
    }

    /// Decides by what is known at the timeout.
    fn interrupted(
        &mut self,
        applicable: Option<&ApplicableRules<'_>>,
        refusal: Refusal,
    ) -> Result<Admission, Refusal> {
        if matches!(self.facts.identities, Fact::Unknown) {
            self.facts.identities = Fact::Failed(refusal.clone());
        }
        match self.step(applicable) {
            Ok(admission) => return Ok(admission),
            Err(Stop::Refuse(refusal)) => return Err(refusal),
            Err(Stop::Need(_)) => {}
        }
        let rules = Rules {
            image: self.lookup.image(),
            id: None,
            repositories: &[],
            break_glass: None,
            policy: applicable.zip(self.policy.as_deref().map(Policy::deny_list)),
        };
        interrupted(&rules, &self.facts, refusal)
    }

    fn finish(self, decided: Result<Admission, Refusal>) -> (Result<Pinned, Refusal>, Explanation) {
        let mut explanation = self.lookup.explanation.clone();
        let decided = decided.map(|admission| {
            explanation.audited.extend(admission.audited().iter().cloned());
            if admission.reason() == Reason::BreakGlass {
                let digest = admission.digest().or(self.facts.written.as_ref());
                explanation.rule = Some(admission.label().to_owned());
                explanation.digest = digest.map(ToString::to_string);
                explanation.break_glass = true;
            }
            let reference = self.lookup.reference.clone();
            let evidence = admission.digest().cloned().and_then(|digest| self.lookup.into_evidence(&digest));
            Pinned::admitted(&reference, admission).with_evidence(evidence)
        });
        explanation.reason = Some(match &decided {
            Ok(pinned) => pinned.reason(),
            Err(refusal) => refusal.reason(),
        });
        (decided, explanation)
    }

    /// Resolves the name at the registry.
    async fn identify(&mut self) {
        let reference = self.lookup.reference.clone();
        self.facts.identities = match self.lookup.resolve(&reference).await {
            Ok(resolved) => match self.related(&resolved).await {
                Ok(related) => {
                    self.facts.related.extend(related);
                    self.facts.served = Some(resolved.digest().clone());
                    Fact::Known(vec![resolved.digest().clone()])
                }
                Err(refusal) => Fact::Failed(refusal),
            },
            Err(refusal) => Fact::Failed(refusal),
        };
    }

    /// For the image of this platform: the failure to resolve the name, if it failed.
    fn known_by_name(&self, rule: usize, object: Object) -> Option<Result<Verified, Refusal>> {
        let named = self.facts.verified.get(&(rule, Object::Named))?;
        (object == Object::Platform && self.facts.served.is_none()).then(|| named.clone())
    }

    /// Verifies `object` for one rule. `None` when a new document was found first, which the deny list must be compared with.
    async fn verify(
        &mut self,
        (place, rule): (usize, &Rule),
        object: Object,
    ) -> Option<Result<Verified, Refusal>> {
        let Action::Require(requirement) = rule.action() else {
            return Some(Err(Refusal::internal(self.lookup.image())));
        };
        self.lookup.explanation.required = Some(requirement.to_string());
        let (reference, digest) = match self.object(object).await? {
            Ok(found) => found,
            Err(refusal) => return Some(Err(refusal)),
        };
        if object == Object::Platform
            && self.facts.served.as_ref() == Some(&digest)
            && let Some(named) = self.facts.verified.get(&(place, Object::Named))
        {
            // The name is not an index: there is nothing else to verify.
            return Some(named.clone());
        }
        if !self.lookup.was_read(&digest) {
            match self.lookup.kept(&digest).await {
                Ok(Some(kept)) => {
                    self.learn(&kept, object).await;
                    return None;
                }
                Ok(None) => {}
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        let policy = Arc::clone(self.policy.as_ref()?);
        let mut verification = Verification {
            lookup: self.lookup.part(),
            policy,
            rule: rule.clone(),
            requirement: requirement.clone(),
            reference,
            from_index: object == Object::Platform && self.facts.served.as_ref() != Some(&digest),
            digest: digest.clone(),
        };
        if let Ok(Some(kept)) = self.lookup.kept(&digest).await {
            match verification.cached(&kept) {
                Ok(Some(verified)) => {
                    self.lookup.explanation.known = true;
                    return Some(Ok(verified));
                }
                Ok(None) => {}
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        // `None` if it panicked.
        let Some(result) = verification.join().await else {
            return Some(Err(Refusal::internal(self.lookup.image())));
        };
        self.lookup.merge(result.lookup);
        self.note_resolved(object, &digest).await;
        // The shared verification may have used evidence that another pull recorded meanwhile: the deny list is compared
        // with its documents too.
        if let Ok(Some(kept)) = self.lookup.kept(&digest).await {
            self.learn(&kept, object).await;
        }
        Some(result.decided)
    }

    /// The name and the digest of what must be signed; `None` where the name had to be resolved first.
    async fn object(&mut self, object: Object) -> Option<Result<(Reference, Digest), Refusal>> {
        let reference = self.lookup.reference.clone();
        if object == Object::Named {
            if let Some(digest) = reference.digest() {
                return Some(Ok((reference.clone(), digest.clone())));
            }
            return match &self.facts.identities {
                Fact::Known(digests) => Some(match digests.first() {
                    Some(digest) => Ok((reference, digest.clone())),
                    None => Err(Refusal::internal(self.lookup.image())),
                }),
                Fact::Failed(refusal) => Some(Err(refusal.clone())),
                Fact::Unknown => {
                    self.identify().await;
                    None
                }
            };
        }
        if let Fact::Failed(refusal) = &self.facts.identities {
            return Some(Err(refusal.clone()));
        }
        // The digest that was evaluated, not what the tag resolves to by now.
        let index =
            self.facts.served.as_ref().map_or(reference.clone(), |digest| reference.with_digest(digest));
        let resolved = match self.lookup.resolve(&index).await {
            Ok(resolved) => resolved,
            Err(refusal) => return Some(Err(refusal)),
        };
        if matches!(self.facts.identities, Fact::Unknown) {
            self.identify().await;
            return None;
        }
        Some(self.lookup.platform(&resolved).await.map(|image| (reference.with_digest(&image), image)))
    }

    /// Takes the documents of kept evidence into account.
    async fn learn(&mut self, Kept { evidence: kept, .. }: &Kept, object: Object) {
        self.facts.related.extend(provenance::find_denied(kept, self.policy.as_ref()).await);
        if object == Object::Named && matches!(self.facts.identities, Fact::Unknown) {
            self.lookup.explanation.digest.get_or_insert_with(|| kept.digest.to_string());
            self.facts.identities = Fact::Known(vec![kept.digest.clone()]);
            self.facts.served = Some(kept.digest.clone());
        }
    }

    /// A verification may have fetched the document of the name, where the digest was in the name.
    async fn note_resolved(&mut self, object: Object, digest: &Digest) {
        let Some(resolved) = self.lookup.found(digest) else { return };
        if let Ok(related) = self.related(&resolved).await {
            self.facts.related.extend(related);
        }
        if object == Object::Named && matches!(self.facts.identities, Fact::Unknown) {
            self.facts.identities = Fact::Known(vec![digest.clone()]);
            self.facts.served = Some(digest.clone());
        }
    }

    /// The digests that a resolved document lists and that the deny list has.
    async fn related(&self, resolved: &Resolved) -> Result<Vec<Digest>, Refusal> {
        let Some(policy) = self.policy.clone().filter(|policy| policy.deny_list().has_digests()) else {
            return Ok(Vec::new());
        };
        let denied = move |digest: &Digest| policy.deny_list().of_digest(digest).is_some();
        resolved.named(denied).await.map_err(|error| self.lookup.unanswered(&error))
    }
}
