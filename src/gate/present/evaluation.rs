//! One question about one image on the node, decided from evidence. What services have to say is not asked here: it is
//! known already, or it is said what to ask.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::check::Check;
use super::super::facts::{earliest_key_end, listed};
use super::super::quorum::{Confirmations, QuorumResult};
use super::super::refusal::Found;
use super::super::verdict_cache::{VerdictCache, VerdictKey as Known, lifetime};
use super::super::{Gate, Refusal, provenance};
use super::{Present, PresentVerdict, is_id, names};
use crate::digest::Digest;
use crate::keys::{Confirmation, RemoteVerifier};
use crate::ledger::{Evidence, FileStamp, Ledger, MAX_LINKS, Place};
use crate::policy::{Action, Allowance, ApplicableRules, Mode, Policy, Requirement, Rule, SignedObject};
use crate::reference::{Reference, Repository};
use crate::registry::Collected;
use crate::telemetry::Reason;
use crate::trust::RemoteCheck;
use pullgate_net::ttl_cache::Expiry;

/// How much of a name a refusal quotes at the most, in characters.
const MAX_SHOWN: usize = 512;

/// Who speaks for an image: the name it was asked by, or for an id all that is known of it.
pub(super) enum LookupBy {
    Name(Reference),
    Id,
}

impl LookupBy {
    /// As containerd finds an image (`LocalResolve`): a digest is an id; else a name that is recorded; else the beginning
    /// of an id. What is none of these is judged as the name that it is.
    pub(super) fn of(asked: &str, case: &PresentEvaluation) -> Result<Self, Refusal> {
        if is_id(asked, &case.id, &case.names) {
            return Ok(Self::Id);
        }
        Reference::parse(asked).map(Self::Name).map_err(|error| Refusal::invalid_reference(asked, &error))
    }
}

/// One question about one image, with the policy that it began with.
pub(super) struct PresentEvaluation {
    policy: Arc<Policy>,
    ledger: Arc<Ledger>,
    verdicts: Arc<VerdictCache>,
    asked: String,
    names: BTreeSet<Reference>,
    id: Digest,
    namespace: Option<String>,
    /// How long what was found may be believed.
    until: Cell<Expiry>,
    remote_verifier: Arc<RemoteVerifier>,
    /// What services have said, and what they have to be asked.
    services: RefCell<(Confirmations, Vec<Arc<RemoteCheck>>)>,
}

/// What a standing rests on, and how long it may be believed.
pub(super) type RestsOn = (FileStamp, Expiry);

impl PresentEvaluation {
    pub(super) fn new(
        gate: &Gate,
        policy: Arc<Policy>,
        asked: &str,
        id: Digest,
        present: &Present,
        namespace: Option<&str>,
    ) -> Self {
        Self {
            policy,
            ledger: Arc::clone(&gate.ledger),
            verdicts: Arc::clone(&gate.verdicts),
            asked: asked.chars().take(MAX_SHOWN).collect(),
            names: names(present),
            id,
            namespace: namespace.map(ToOwned::to_owned),
            until: Cell::new(lifetime(None)),
            remote_verifier: Arc::clone(&gate.remote_verifier),
            services: RefCell::default(),
        }
    }

    /// What services have to be asked because it may change the decision.
    pub(super) fn wanted(&mut self, decided: &Result<PresentVerdict, Refusal>) -> Vec<Arc<RemoteCheck>> {
        let wanted = std::mem::take(&mut self.services.get_mut().1);
        let settled = decided.as_ref().is_ok_and(|standing| standing.audited.is_empty());
        if settled { Vec::new() } else { wanted }
    }

    /// Takes over what services have said.
    pub(super) fn hear(&mut self, answers: Vec<([u8; 32], Confirmation)>) {
        self.services.get_mut().0.add(answers);
    }

    /// The answer, where no evidence is needed for it.
    pub(super) fn without_evidence(&self, speaker: &LookupBy) -> Option<Result<PresentVerdict, Refusal>> {
        let LookupBy::Name(reference) = speaker else { return None };
        let ruling = self.ruling(reference.repository());
        let needed = |rule: &Rule| match rule.action() {
            Action::Require(_) => rule.mode() != Mode::Off,
            Action::AllowUnsigned(allowance) => !allowance.digests.is_empty(),
            Action::Deny { .. } => false,
        };
        if self.policy.deny_list().has_digests() || ruling.rules().any(needed) {
            return None;
        }
        Some(self.by_repository(reference.repository(), reference.digest()))
    }

    /// Decides, and tells what that rests on if it is on disk.
    pub(super) fn decide_from(
        &self,
        speaker: &LookupBy,
    ) -> (Result<PresentVerdict, Refusal>, Option<RestsOn>) {
        // Before anything is read: what changes meanwhile has another stamp.
        let stamp = self.ledger.stamp(&self.id, self.hinted());
        (self.decide(speaker), stamp.map(|stamp| (stamp, self.until.get())))
    }

    fn decide(&self, speaker: &LookupBy) -> Result<PresentVerdict, Refusal> {
        self.check_denied()?;
        match speaker {
            LookupBy::Name(reference) => self.by_repository(reference.repository(), reference.digest()),
            LookupBy::Id => self.by_id(),
        }
    }

    fn ruling(&self, repository: &Repository) -> ApplicableRules<'_> {
        self.policy.applicable_rules(repository, self.namespace.as_deref())
    }

    /// Whether the rules of `repository` admit the image, as `digest` if one is asked for.
    fn by_repository(
        &self,
        repository: &Repository,
        digest: Option<&Digest>,
    ) -> Result<PresentVerdict, Refusal> {
        let ruling = self.ruling(repository);
        let candidates = Candidates { case: self, repository, digest, found: OnceCell::new() };
        let (mut reason, mut verified, mut audited) = (None, None, Vec::new());
        for rule in ruling.rules() {
            let passed = match rule.mode() {
                Mode::Off => (Reason::RuleOff, None),
                Mode::Enforce => self.enforce(rule, &candidates)?,
                Mode::Audit => self.enforce(rule, &candidates).unwrap_or_else(|refusal| {
                    audited.push(refusal);
                    (Reason::AuditOnly, None)
                }),
            };
            reason.get_or_insert(passed.0);
            verified = verified.or(passed.1);
        }
        let labels: Vec<&str> = ruling.rules().map(Rule::label).collect();
        Ok(PresentVerdict {
            repository: repository.clone(),
            digest: verified,
            rule: labels.join(" and "),
            reason: reason.unwrap_or(Reason::Internal),
            audited,
        })
    }

    /// Whether one rule admits the image, and as which digest if it was verified.
    fn enforce(&self, rule: &Rule, candidates: &Candidates<'_>) -> Result<(Reason, Option<Digest>), Refusal> {
        let requirement = match rule.action() {
            Action::Deny { reason } => {
                return Err(Refusal::denied(&self.asked, rule.label(), reason.as_deref()));
            }
            Action::AllowUnsigned(allowance) => return self.allow(rule, allowance, candidates),
            Action::Require(requirement) => requirement,
        };
        let mut refusal = None;
        // Where the image must be signed, the signature of an index that lists it does not count.
        let of_image = |evidence: &&Arc<Evidence>| {
            rule.signed_object() != SignedObject::Platform || !provenance::is_index(evidence)
        };
        for evidence in candidates.all().iter().filter(of_image) {
            match self.judge(rule, requirement, evidence) {
                Ok(()) => return Ok((Reason::Verified, Some(evidence.digest.clone()))),
                Err(found) => refusal = refusal.or(Some(found)),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Refusal::unverified(&self.asked, self.id.as_str(), rule.label(), &requirement.to_string())
        }))
    }

    /// Whether the image may be used unsigned: where only some digests may, evidence must show that it is one of them.
    fn allow(
        &self,
        rule: &Rule,
        allowance: &Allowance,
        candidates: &Candidates<'_>,
    ) -> Result<(Reason, Option<Digest>), Refusal> {
        if let Some(until) = allowance.until.filter(|_| allowance.is_over(jiff::Timestamp::now())) {
            return Err(Refusal::allowance_over(&self.asked, rule.label(), &until.to_string()));
        }
        self.believe_until(lifetime(allowance.until));
        if allowance.digests.is_empty() {
            return Ok((Reason::UnsignedAllowed, None));
        }
        let allowed = candidates.all().iter().find(|found| allowance.digests.contains(&found.digest));
        match allowed {
            Some(evidence) => Ok((Reason::UnsignedAllowed, Some(evidence.digest.clone()))),
            None => Err(Refusal::digest_not_allowed(&self.asked, self.id.as_str(), rule.label())),
        }
    }

    /// The deny list stands above all rules: by the id, by the names that the runtime has, and by all that is known.
    fn check_denied(&self) -> Result<(), Refusal> {
        let denials = self.policy.deny_list();
        if !denials.has_digests() {
            return Ok(());
        }
        let mut digests = vec![self.id.clone()];
        digests.extend(self.names.iter().filter_map(|name| name.digest().cloned()));
        let found = self.ledger.places(&self.id).into_iter().filter_map(|place| self.ledger.find(&place));
        digests.extend(
            found.filter(|found| provenance::leads_to(found, &self.id)).flat_map(|found| listed(&found)),
        );
        for digest in &digests {
            if let Some(why) = denials.of_digest(digest) {
                return Err(Refusal::digest_denied(&self.asked, digest.as_str(), why));
            }
        }
        Ok(())
    }

    /// Whether any repository admits the image: those of its evidence, and those of its names.
    fn by_id(&self) -> Result<PresentVerdict, Refusal> {
        let mut repositories: BTreeSet<Repository> =
            self.names.iter().map(|name| name.repository().clone()).collect();
        let named = repositories.clone();
        repositories.extend(self.ledger.places(&self.id).into_iter().map(|place| place.repository));
        let mut refusal = None;
        for repository in repositories {
            // A line in the ledger alone must not lend an image a name that needs no signature.
            match self.by_repository(&repository, None) {
                Ok(standing) if standing.digest.is_none() && !named.contains(&repository) => {}
                Ok(standing) => return Ok(standing),
                Err(found) => refusal = refusal.or(Some(found)),
            }
        }
        Err(refusal.unwrap_or_else(|| Refusal::unverified_id(&self.asked, self.id.as_str())))
    }

    /// Where evidence that this image is one of `repository` may be.
    fn places(&self, repository: &Repository) -> Vec<Place> {
        let mut places = self.ledger.places(&self.id);
        places.extend(self.hinted());
        places.retain(|place| place.repository == *repository);
        places.sort_unstable();
        places.dedup();
        places.truncate(MAX_LINKS);
        places
    }

    /// Where evidence may be, by the names that the runtime has.
    fn hinted(&self) -> impl Iterator<Item = Place> {
        self.names.iter().filter_map(|name| {
            Some(Place { repository: name.repository().clone(), digest: name.digest()?.clone() })
        })
    }

    fn believe_until(&self, until: Expiry) {
        self.until.set(self.until.get().or_sooner(until));
    }

    /// Judges evidence by the rule of today. The signatures of a digest that was found good under this very policy are
    /// not verified once more.
    fn judge(&self, rule: &Rule, requirement: &Requirement, evidence: &Evidence) -> Result<(), Refusal> {
        let known = Known::new(&self.policy, rule, &evidence.repository, &evidence.digest);
        if let Some(until) = self.verdicts.until(&known, jiff::Timestamp::now()) {
            self.believe_until(until);
            return Ok(());
        }
        let check = Check::new(&self.policy, rule, requirement, evidence);
        let (mut findings, proofs) = check.run();
        let mut services = self.services.borrow_mut();
        let weighed = services.0.weigh(requirement, &proofs, &self.remote_verifier);
        services.0.tell(&mut findings, &proofs, &self.remote_verifier);
        let unanswered =
            |why: &str| Refusal::key_service(&self.asked, evidence.digest.as_str(), rule.label(), why);
        let verified = match weighed {
            QuorumResult::Met { until, .. } => {
                let end = earliest_key_end(&self.policy, requirement);
                self.believe_until(self.verdicts.remember(known, end, until));
                return Ok(());
            }
            QuorumResult::Ask(demands) => {
                services.1.extend(demands);
                return Err(unanswered("it has not been asked"));
            }
            QuorumResult::Unanswered(why) => return Err(unanswered(&why)),
            QuorumResult::Missing { verified } => verified,
        };
        Err(Refusal::unsatisfied(
            &self.asked,
            evidence.digest.as_str(),
            rule.label(),
            &requirement.to_string(),
            &Found {
                attachments: evidence.attachments.len(),
                collected: &Collected::default(),
                valid: &verified,
                findings: &findings,
            },
        ))
    }
}

/// The evidence that the image is one of a repository, read once for all rules that speak.
struct Candidates<'a> {
    case: &'a PresentEvaluation,
    repository: &'a Repository,
    digest: Option<&'a Digest>,
    found: OnceCell<Vec<Arc<Evidence>>>,
}

impl Candidates<'_> {
    /// All of it: of this repository, of the digest that was asked for, and leading to this image.
    fn all(&self) -> &[Arc<Evidence>] {
        self.found.get_or_init(|| {
            let places = self.case.places(self.repository).into_iter();
            let places = places.filter(|place| self.digest.is_none_or(|asked| *asked == place.digest));
            let found = places.filter_map(|place| {
                self.case.ledger.find(&place).filter(|evidence| evidence.place() == place)
            });
            found.filter(|evidence| provenance::leads_to(evidence, &self.case.id)).collect()
        })
    }
}
