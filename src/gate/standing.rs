//! Whether an image that is on the node may be used: decided by its id and by evidence, with no network but for keys whose
//! service has a say.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::Check;
use super::confirm::{self, Said, Weighed};
use super::look::{earliest_key_end, listed};
use super::memory::Until;
use super::refusal::Found;
use super::verdicts::{Subject as Known, Verdicts, lifetime};
use super::{Gate, Pod, Refusal, binding, emergency, standings};
use crate::digest::Digest;
use crate::keys::Confirmer;
use crate::ledger::{Evidence, Ledger, MAX_LINKS, Place, Stamp};
use crate::policy::{Accept, Action, Allowance, Mode, Policy, Requirement, Rule, Ruling};
use crate::reference::{Reference, Repository};
use crate::registry::Collected;
use crate::telemetry::Reason;
use crate::trust::Demand;

/// How much of a name a refusal quotes at the most, in characters.
const MAX_SHOWN: usize = 512;

/// How many names of one image are looked at; more are as if they were not there.
const MAX_PRESENT_NAMES: usize = 256;

/// An image as the runtime has it (`runtime.v1` `Image`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// The names with a tag that lead to it.
    pub repo_tags: Vec<String>,
    /// The names with a digest that lead to it. Only hints: anyone who can record an image can record any name for it.
    pub repo_digests: Vec<String>,
}

impl Present {
    /// The names that are looked at.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().chain(&self.repo_digests).take(MAX_PRESENT_NAMES).map(String::as_str)
    }
}

/// The proof that an image on the node may be used under the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    repository: Repository,
    digest: Option<Digest>,
    rule: String,
    reason: Reason,
    audited: Vec<Refusal>,
}

impl Standing {
    /// An image that an emergency opens.
    pub(super) fn opened(repository: Repository, digest: Option<Digest>, rule: String) -> Self {
        Self { repository, digest, rule, reason: Reason::BreakGlass, audited: Vec::new() }
    }

    /// The repository whose rule admitted it: that of the name, or for an id one of the image's repositories.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest that was verified; `None` for an image that may be used unsigned.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The name that means this image and no other, for who will pull it again (guest-pull runtimes).
    pub fn pinned(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("{}@{digest}", self.repository))
    }

    /// The rule that admitted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why it was admitted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What rules in audit mode would have refused, had they been enforced.
    pub fn audited(&self) -> &[Refusal] {
        &self.audited
    }

    /// About how many bytes it takes, without what was audited.
    pub(super) fn bytes(&self) -> usize {
        let digest = self.digest.as_ref().map_or(0, |digest| digest.as_str().len());
        self.repository.as_str().len() + digest + self.rule.len()
    }
}

impl Gate {
    /// Decides whether the image `present` may be used for `pod` under the name `asked`, with no network. Only a key whose
    /// service has a say is asked for, unless it is remembered that it confirmed.
    ///
    /// - Asked by a name, the rule of that name speaks, and evidence must show that a digest *of that repository* that
    ///   the rule admits today is this very image: that another name for the same image is admitted changes nothing. A
    ///   name with a digest must mean that digest.
    /// - Asked by an id, or the beginning of one, the image's repositories speak, by evidence or by the names that the
    ///   runtime has for it; one that is admitted is enough.
    ///
    /// # Errors
    /// When it may not be used, or that cannot be known without the registry: then a pull is what can help.
    pub async fn standing(
        &self,
        asked: &str,
        present: &Present,
        pod: Option<&Pod>,
    ) -> Result<Standing, Refusal> {
        if let Some(standing) = emergency::opened_present(self, asked, present) {
            return Ok(standing);
        }
        let policy = self.policy().ok_or_else(|| Refusal::no_policy(asked))?;
        let id = Digest::parse(&present.id).map_err(|_| Refusal::unverified_id(asked, &present.id))?;
        let namespace = pod.map(|pod| pod.namespace.as_str());
        let key = standings::key(&policy, asked, namespace, &id, present.names());
        if let Some(standing) = self.standings.find(&key, &self.ledger, jiff::Timestamp::now()) {
            return Ok(standing);
        }
        let case = Case {
            policy,
            ledger: Arc::clone(&self.ledger),
            verdicts: Arc::clone(&self.verdicts),
            asked: asked.chars().take(MAX_SHOWN).collect(),
            names: names(present),
            id,
            namespace: namespace.map(ToOwned::to_owned),
            until: Cell::new(lifetime(None)),
            confirmer: Arc::clone(&self.confirmer),
            services: RefCell::default(),
        };
        let speaker = Speaker::of(asked, &case)?;
        if let Some(decided) = case.without_evidence(&speaker) {
            return decided;
        }
        let mut case = (case, speaker);
        let work = async {
            loop {
                let turn = self.readers.acquire().await;
                let once = move || {
                    let decided = case.0.decide_from(&case.1);
                    (case, decided)
                };
                let ran = tokio::task::spawn_blocking(once).await;
                drop(turn);
                let Ok((back, (decided, rests_on))) = ran else {
                    return (Err(Refusal::internal(asked)), None);
                };
                case = back;
                let wanted = case.0.wanted(&decided);
                if wanted.is_empty() {
                    return (decided, rests_on);
                }
                // What is asked was not known before and is from now on, so this ends.
                let answers = confirm::ask(&self.confirmer, wanted).await;
                case.0.services.get_mut().0.add(answers);
            }
        };
        let decided = tokio::time::timeout(self.settings.timeout, work).await;
        let (decided, rests_on) =
            decided.unwrap_or_else(|_| (Err(Refusal::timeout(asked, self.settings.timeout)), None));
        if let (Ok(standing), Some((stamp, until))) = (&decided, rests_on)
            && standing.audited.is_empty()
        {
            self.standings.remember(key, standing, stamp, until);
        }
        decided
    }
}

/// Who speaks for an image: the name it was asked by, or for an id all that is known of it.
enum Speaker {
    Name(Reference),
    Id,
}

impl Speaker {
    /// As containerd finds an image (`LocalResolve`): a digest is an id; else a name that is recorded; else the beginning
    /// of an id. What is none of these is judged as the name that it is.
    fn of(asked: &str, case: &Case) -> Result<Self, Refusal> {
        if is_id(asked, &case.id, &case.names) {
            return Ok(Self::Id);
        }
        Reference::parse(asked).map(Self::Name).map_err(|error| Refusal::invalid_reference(asked, &error))
    }
}

/// Whether `asked` is the id of the image, or the beginning of it, and not one of its names.
pub(super) fn is_id(asked: &str, id: &Digest, names: &BTreeSet<Reference>) -> bool {
    let prefix = asked.strip_prefix("sha256:").unwrap_or(asked);
    let hexadecimal = prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_name = || Reference::parse(asked).is_ok_and(|reference| names.contains(&reference));
    !prefix.is_empty() && hexadecimal && id.hex().starts_with(prefix) && !is_name()
}

/// The names by which the runtime knows an image, as far as they are names.
pub(super) fn names(present: &Present) -> BTreeSet<Reference> {
    present.names().filter_map(|name| Reference::parse(name).ok()).collect()
}

/// One question about one image, with the policy that it began with.
struct Case {
    policy: Arc<Policy>,
    ledger: Arc<Ledger>,
    verdicts: Arc<Verdicts>,
    asked: String,
    names: BTreeSet<Reference>,
    id: Digest,
    namespace: Option<String>,
    /// How long what was found may be believed.
    until: Cell<Until>,
    confirmer: Arc<Confirmer>,
    /// What services have said, and what they have to be asked.
    services: RefCell<(Said, Vec<Arc<Demand>>)>,
}

/// What a standing rests on, and how long it may be believed.
type RestsOn = (Stamp, Until);

impl Case {
    /// What services have to be asked because it may change the decision.
    fn wanted(&mut self, decided: &Result<Standing, Refusal>) -> Vec<Arc<Demand>> {
        let wanted = std::mem::take(&mut self.services.get_mut().1);
        let settled = decided.as_ref().is_ok_and(|standing| standing.audited.is_empty());
        if settled { Vec::new() } else { wanted }
    }

    /// The answer, where no evidence is needed for it.
    fn without_evidence(&self, speaker: &Speaker) -> Option<Result<Standing, Refusal>> {
        let Speaker::Name(reference) = speaker else { return None };
        let ruling = self.ruling(reference.repository());
        let needed = |rule: &Rule| match rule.action() {
            Action::Require(_) => rule.mode() != Mode::Off,
            Action::AllowUnsigned(allowance) => !allowance.digests.is_empty(),
            Action::Deny { .. } => false,
        };
        if self.policy.denials().has_digests() || ruling.rules().any(needed) {
            return None;
        }
        Some(self.by_repository(reference.repository(), reference.digest()))
    }

    /// Decides, and tells what that rests on if it is on disk.
    fn decide_from(&self, speaker: &Speaker) -> (Result<Standing, Refusal>, Option<RestsOn>) {
        // Before anything is read: what changes meanwhile has another stamp.
        let stamp = self.ledger.stamp(&self.id, self.hinted());
        (self.decide(speaker), stamp.map(|stamp| (stamp, self.until.get())))
    }

    fn decide(&self, speaker: &Speaker) -> Result<Standing, Refusal> {
        self.check_denied()?;
        match speaker {
            Speaker::Name(reference) => self.by_repository(reference.repository(), reference.digest()),
            Speaker::Id => self.by_id(),
        }
    }

    fn ruling(&self, repository: &Repository) -> Ruling<'_> {
        self.policy.rule_for(repository, self.namespace.as_deref())
    }

    /// Whether the rules of `repository` admit the image, as `digest` if one is asked for.
    fn by_repository(&self, repository: &Repository, digest: Option<&Digest>) -> Result<Standing, Refusal> {
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
        Ok(Standing {
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
        let of_image =
            |evidence: &&Arc<Evidence>| rule.accept() != Accept::Platform || !binding::is_index(evidence);
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
        let denials = self.policy.denials();
        if !denials.has_digests() {
            return Ok(());
        }
        let mut digests = vec![self.id.clone()];
        digests.extend(self.names.iter().filter_map(|name| name.digest().cloned()));
        let found = self.ledger.places(&self.id).into_iter().filter_map(|place| self.ledger.find(&place));
        digests.extend(
            found.filter(|found| binding::leads_to(found, &self.id)).flat_map(|found| listed(&found)),
        );
        for digest in &digests {
            if let Some(why) = denials.of_digest(digest) {
                return Err(Refusal::digest_denied(&self.asked, digest.as_str(), why));
            }
        }
        Ok(())
    }

    /// Whether any repository admits the image: those of its evidence, and those of its names.
    fn by_id(&self) -> Result<Standing, Refusal> {
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

    fn believe_until(&self, until: Until) {
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
        let weighed = services.0.weigh(requirement, &proofs, &self.confirmer);
        services.0.tell(&mut findings, &proofs, &self.confirmer);
        let unanswered =
            |why: &str| Refusal::key_service(&self.asked, evidence.digest.as_str(), rule.label(), why);
        let verified = match weighed {
            Weighed::Met { until, .. } => {
                let end = earliest_key_end(&self.policy, requirement);
                self.believe_until(self.verdicts.remember(known, end, until));
                return Ok(());
            }
            Weighed::Ask(demands) => {
                services.1.extend(demands);
                return Err(unanswered("it has not been asked"));
            }
            Weighed::Unanswered(why) => return Err(unanswered(&why)),
            Weighed::Missing { verified } => verified,
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
    case: &'a Case,
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
            found.filter(|evidence| binding::leads_to(evidence, &self.case.id)).collect()
        })
    }
}
