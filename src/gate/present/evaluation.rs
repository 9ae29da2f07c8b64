//! Evaluates a present image: finds the facts that [`evaluate`] needs in the ledger, and in the names that the runtime
//! has. Reads files, so it runs on a blocking thread. Key services are not asked here: their answers are known already, or
//! the evaluation returns the checks to make.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use pullgate_net::ttl_cache::Expiry;

use super::super::admission::Verified;
use super::super::check::{self, Check, Checked};
use super::super::crl_fetcher::CrlRounds;
use super::super::evaluate::{Fact, Facts, Need, Object, Rules, Stop, evaluate};
use super::super::quorum::{Confirmations, OpenChecks, QuorumResult};
use super::super::refusal::Found;
use super::super::verdict_cache::{VerdictKey, earliest_end, lifetime};
use super::super::{PresentVerdict, Refusal, Shared, provenance};
use super::asked::{Asked, LookupBy};
use crate::digest::Digest;
use crate::keys::Confirmation;
use crate::ledger::{Evidence, FileStamp, MAX_LINKS, Place};
use crate::policy::{Action, BreakGlass, Mode, Policy, Requirement, Rule};
use crate::reference::{Reference, Repository};
use crate::registry::Collected;
use crate::trust::x509::CrlSource;

/// The evaluation of one present image, with the policy that was in force when it began.
#[derive(Debug)]
pub(super) struct PresentEvaluation {
    shared: Shared,
    policy: Arc<Policy>,
    asked: Arc<Asked>,
    /// The largest evidence that may be read, in bytes.
    most: u64,
    /// How long the result may be cached.
    until: Expiry,
    confirmations: Confirmations,
    open: OpenChecks,
    /// The lists of revoked certificates that were missing.
    crls_to_fetch: BTreeSet<CrlSource>,
    /// Those that were fetched for this image.
    pub(super) crls: CrlRounds,
}

/// Evidence that leads to the image.
#[derive(Debug)]
struct Candidate {
    place: Place,
    /// Whether its document is an index.
    is_index: bool,
    /// `None` if it is read again where it is needed.
    evidence: Option<Arc<Evidence>>,
}

/// How many bytes of evidence one evaluation keeps in memory beside the piece that it reads.
const MAX_CANDIDATE_BYTES: usize = 128 << 10;

/// What a verdict rests on, and how long it may be used again.
#[derive(Debug)]
pub(super) enum RestsOn {
    /// The policy alone.
    Policy(Expiry),
    /// Files of evidence too.
    Evidence(FileStamp, Expiry),
    /// Something whose changes are not seen, such as evidence in memory.
    Unknown,
}

/// The image, if a break-glass exception is for it: for its name, for its id, or for a digest that leads to it.
/// Evidence larger than `most` bytes is not read.
pub(super) fn exception(
    shared: &Shared,
    asked: &Asked,
    break_glass: &BreakGlass,
    most: u64,
) -> Option<PresentVerdict> {
    let now = Timestamp::now();
    if !break_glass.is_open(now) {
        return None;
    }
    let mut facts = Facts { identities: Fact::Known(Vec::new()), ..Facts::default() };
    facts.proven.insert(asked.id.clone());
    if break_glass.has_digests(now) {
        let places = shared.ledger.places(&asked.id).into_iter();
        let found = places.filter_map(|place| shared.ledger.find_within(&place, most));
        let leading = found.filter(|found| provenance::leads_to(found, &asked.id));
        facts.proven.extend(leading.map(|found| found.digest.clone()));
    }
    // An id is not a name, though it can be read as one; then the image's own names apply.
    let repositories: Vec<&Repository> = match &asked.lookup {
        LookupBy::Name(reference) => vec![reference.repository()],
        LookupBy::Id => asked.names.iter().map(Reference::repository).collect(),
    };
    let applies = |repositories: &[&Repository]| {
        let rules = Rules {
            image: &asked.text,
            id: Some(&asked.id),
            repositories,
            break_glass: Some(break_glass),
            policy: None,
        };
        evaluate(&rules, &facts, now).ok()
    };
    // A scope admits what the name is; a digest admits the image under every name.
    let by_scope = |repository: &&&Repository| {
        applies(&[**repository]).is_some_and(|admission| admission.digest().is_none())
    };
    let repository = repositories.iter().find(by_scope).or(repositories.first()).copied().cloned();
    let repository = repository.or_else(|| Some(Reference::parse(&asked.text).ok()?.repository().clone()))?;
    let admission = applies(&[&repository])?;
    Some(PresentVerdict::admitted(repository, admission).without_id(&asked.id))
}

impl PresentEvaluation {
    pub(super) fn new(shared: Shared, policy: Arc<Policy>, asked: Arc<Asked>) -> Self {
        Self {
            shared,
            policy,
            asked,
            most: 0,
            until: lifetime(None),
            confirmations: Confirmations::default(),
            open: OpenChecks::new(),
            crls_to_fetch: BTreeSet::new(),
            crls: CrlRounds::default(),
        }
    }

    /// The remote checks and the lists of revoked certificates that may change `decided`.
    pub(super) fn open_checks(
        &mut self,
        decided: &Result<PresentVerdict, Refusal>,
    ) -> (OpenChecks, BTreeSet<CrlSource>) {
        let open = (std::mem::take(&mut self.open), std::mem::take(&mut self.crls_to_fetch));
        let settled = decided.as_ref().is_ok_and(|verdict| verdict.audited().is_empty());
        if settled { (OpenChecks::new(), BTreeSet::new()) } else { open }
    }

    /// Adds the answers of key services.
    pub(super) fn confirm(&mut self, answers: Vec<([u8; 32], Confirmation)>) {
        self.confirmations.add(answers);
    }

    /// The verdict, where no evidence is needed for it, and how long it may be used again.
    pub(super) fn without_evidence(&mut self) -> Option<(Result<PresentVerdict, Refusal>, Expiry)> {
        let LookupBy::Name(reference) = &self.asked.lookup else { return None };
        let reference = reference.clone();
        let needs_evidence = |rule: &Rule| match rule.action() {
            Action::Require(_) => rule.mode() != Mode::Off,
            Action::AllowUnsigned(allowance) => !allowance.digests.is_empty(),
            Action::Deny { .. } => false,
        };
        let namespace = self.asked.namespace.as_deref();
        let applicable = self.policy.applicable_rules(reference.repository(), namespace);
        if self.policy.deny_list().has_digests() || applicable.rules().any(needs_evidence) {
            return None;
        }
        let decided = self.by_repository(reference.repository(), reference.digest(), &BTreeSet::new());
        Some((decided, self.until))
    }

    /// Decides by evidence of at most `most` bytes each, and returns what the decision rests on.
    pub(super) fn decide(&mut self, most: u64) -> (Result<PresentVerdict, Refusal>, RestsOn) {
        self.most = most;
        // Before anything is read: a change from now on gives another stamp.
        let stamp = self.shared.ledger.stamp(&self.asked.id, self.asked.hinted());
        let related = self.related();
        let decided = match &self.asked.lookup {
            LookupBy::Name(reference) => {
                let reference = reference.clone();
                self.by_repository(reference.repository(), reference.digest(), &related)
            }
            LookupBy::Id => self.by_id(&related),
        };
        (decided, stamp.map_or(RestsOn::Unknown, |stamp| RestsOn::Evidence(stamp, self.until)))
    }

    /// Every digest that may be this image, for the deny list: the id, what the runtime has of it, its names, and what
    /// evidence lists.
    fn related(&self) -> BTreeSet<Digest> {
        if !self.policy.deny_list().has_digests() {
            return BTreeSet::new();
        }
        let id = &self.asked.id;
        let mut related = BTreeSet::from([id.clone()]);
        related.extend(self.asked.held.iter().cloned());
        related.extend(self.asked.names.iter().filter_map(|name| name.digest().cloned()));
        let places = self.shared.ledger.places(id).into_iter();
        let found = places.filter_map(|place| self.shared.ledger.find_within(&place, self.most));
        let leading = found.filter(|found| provenance::leads_to(found, id));
        related.extend(leading.flat_map(|found| provenance::denied(&found, &self.policy)));
        related
    }

    /// Whether the rules of `repository` admit the image; as `digest`, if the request has one.
    fn by_repository(
        &mut self,
        repository: &Repository,
        digest: Option<&Digest>,
        related: &BTreeSet<Digest>,
    ) -> Result<PresentVerdict, Refusal> {
        let policy = Arc::clone(&self.policy);
        let namespace = self.asked.namespace.clone();
        let applicable = policy.applicable_rules(repository, namespace.as_deref());
        let mut facts = Facts { related: related.clone(), deny_list_compared: true, ..Facts::default() };
        let mut candidates = None;
        loop {
            let rules = Rules {
                image: &self.asked.text,
                id: Some(&self.asked.id),
                repositories: &[],
                break_glass: None,
                policy: Some((&applicable, policy.deny_list())),
            };
            let need = match evaluate(&rules, &facts, Timestamp::now()) {
                Ok(admission) => {
                    self.note_allowances(applicable.rules());
                    return Ok(PresentVerdict::admitted(repository.clone(), admission));
                }
                Err(Stop::Refuse(refusal)) => return Err(refusal),
                Err(Stop::Need(need)) => need,
            };
            let candidates = candidates.get_or_insert_with(|| self.candidates(repository, digest));
            match need {
                Need::Identities => {
                    let digests = candidates.iter().map(|candidate| candidate.place.digest.clone());
                    facts.identities = Fact::Known(digests.collect());
                }
                Need::Verification { rule: place, object } => {
                    let Some(rule) = applicable.rules().nth(place) else {
                        return Err(Refusal::internal(&self.asked.text));
                    };
                    facts.verified.insert((place, object), self.verify(rule, object, candidates));
                }
            }
        }
    }

    /// Whether any repository admits the image: those of its evidence, and those of its names.
    fn by_id(&mut self, related: &BTreeSet<Digest>) -> Result<PresentVerdict, Refusal> {
        let named: BTreeSet<Repository> =
            self.asked.names.iter().map(|name| name.repository().clone()).collect();
        let mut repositories = named.clone();
        repositories
            .extend(self.shared.ledger.places(&self.asked.id).into_iter().map(|place| place.repository));
        let mut refusal = None;
        for repository in repositories {
            // An entry in the ledger alone must not give an image a name that needs no signature.
            match self.by_repository(&repository, None, related) {
                Ok(verdict) if verdict.digest().is_none() && !named.contains(&repository) => {}
                Ok(verdict) => return Ok(verdict),
                Err(found) => refusal = refusal.or(Some(found)),
            }
        }
        let (text, id) = (&self.asked.text, self.asked.id.as_str());
        Err(refusal.unwrap_or_else(|| Refusal::unverified_id(text, id)))
    }

    /// The evidence that the image is one of `repository`: about `digest`, if the request has one, and leading to this
    /// image. It is read one piece after the other; only the first small ones stay in memory.
    fn candidates(&self, repository: &Repository, digest: Option<&Digest>) -> Vec<Candidate> {
        let mut places = self.shared.ledger.places(&self.asked.id);
        places.extend(self.asked.hinted());
        places.retain(|place| place.repository == *repository);
        places.sort_unstable();
        places.dedup();
        places.truncate(MAX_LINKS);
        let places = places.into_iter().filter(|place| digest.is_none_or(|asked| *asked == place.digest));
        let mut room = MAX_CANDIDATE_BYTES;
        let candidates = places.filter_map(|place| {
            let evidence = self.find(&place)?;
            let is_index = provenance::leading(&evidence, &self.asked.id)?;
            let left = room.checked_sub(evidence.bytes());
            room = left.unwrap_or(room);
            Some(Candidate { place, is_index, evidence: left.map(|_| evidence) })
        });
        candidates.collect()
    }

    fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.shared.ledger.find_within(place, self.most).filter(|evidence| evidence.place() == *place)
    }

    /// Whether some evidence meets the requirement of a rule.
    fn verify(&mut self, rule: &Rule, object: Object, candidates: &[Candidate]) -> Result<Verified, Refusal> {
        let Action::Require(requirement) = rule.action() else {
            return Err(Refusal::internal(&self.asked.text));
        };
        // If the image itself must be signed, the signature of an index that lists it does not count.
        let counts = |candidate: &&Candidate| object != Object::Platform || !candidate.is_index;
        let mut refusal = None;
        for candidate in candidates.iter().filter(counts) {
            if let Some(verified) = self.cached(rule, &candidate.place) {
                return Ok(verified);
            }
            let read = || self.find(&candidate.place);
            let evidence = candidate.evidence.clone().or_else(read);
            let Some(evidence) = evidence.filter(|it| check::has_newest(it, &self.policy, requirement))
            else {
                continue;
            };
            match self.judge(rule, requirement, &evidence) {
                Ok(verified) => return Ok(verified),
                Err(found) => refusal = refusal.or(Some(found)),
            }
        }
        let (text, id) = (&self.asked.text, self.asked.id.as_str());
        Err(refusal.unwrap_or_else(|| Refusal::unverified(text, id, rule.label(), &requirement.to_string())))
    }

    /// The cached verdict: the signatures of a digest with one under this very policy are not verified again.
    fn cached(&mut self, rule: &Rule, place: &Place) -> Option<Verified> {
        let key = VerdictKey::new(&self.policy, rule, &place.repository, &place.digest);
        let (satisfied, until) = self.shared.verdicts.get(&key, Timestamp::now())?;
        self.until = self.until.or_sooner(until);
        Some(Verified { digest: place.digest.clone(), satisfied })
    }

    /// Verifies evidence by the rule of today.
    fn judge(
        &mut self,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
    ) -> Result<Verified, Refusal> {
        let digest = evidence.digest.clone();
        let key = VerdictKey::new(&self.policy, rule, &evidence.repository, &digest);
        let crls = self.crls.known(&self.shared.crls);
        let checked = Check::new(&self.policy, rule, requirement, evidence, crls).run();
        let ends = checked.end();
        let Checked { mut findings, proofs, at, crls_to_fetch } = checked;
        self.crls_to_fetch.extend(crls_to_fetch);
        let remote_verifier = &self.shared.remote_verifier;
        let required = (self.policy.as_ref(), requirement);
        let result = self.confirmations.weigh(required, &proofs, remote_verifier);
        self.confirmations.tell(&mut findings, &proofs, remote_verifier);
        let unanswered =
            |why: &str| Refusal::key_service(&self.asked.text, digest.as_str(), rule.label(), why);
        let (verified, condition) = match result {
            Ok(QuorumResult::Met { satisfied, until, .. }) => {
                let satisfied = Arc::new(satisfied);
                let end = earliest_end(&self.policy, requirement, at).into_iter().chain(ends).min();
                let until = self.shared.verdicts.remember(key, Arc::clone(&satisfied), end, until);
                self.until = self.until.or_sooner(until);
                return Ok(Verified { digest, satisfied });
            }
            Ok(QuorumResult::Unanswered(why)) => return Err(unanswered(&why)),
            Ok(QuorumResult::Missing { verified, condition }) => (verified, condition),
            Err(open) => {
                self.open.extend(open);
                return Err(unanswered("pullgate did not query the key service"));
            }
        };
        let collected = Collected::default();
        let found = Found::of(evidence, &collected, (&verified, condition.as_deref()), &findings);
        Err(Refusal::unmet((&self.asked.text, digest.as_str()), rule.label(), required, &found))
    }

    /// A cached verdict ends with the allowances that it may rest on.
    fn note_allowances<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>) {
        for rule in rules {
            if let Action::AllowUnsigned(allowance) = rule.action() {
                self.until = self.until.or_sooner(lifetime(allowance.until));
            }
        }
    }
}
