//! What a policy decides about one image: the meaning of a rule, once, for pulls and for present images.
//!
//! [`evaluate`] is pure. It admits, refuses, or names the one fact that it needs next; a driver finds that fact and asks
//! again. `pull.rs` finds facts in registry and ledger, `present/evaluation.rs` in the ledger and the runtime's content.
//!
//! In this order:
//!
//! 1. A break-glass exception for the image admits it, whatever the policy says, and without a policy too.
//! 2. A digest of the image on the deny list refuses it, in every mode.
//! 3. Each applicable rule must admit it, the strictest first:
//!
//! | mode | action | admits |
//! |---|---|---|
//! | off | any | always |
//! | enforce | deny | never |
//! | enforce | allow | until its end, and only the digests that it names, if it names any |
//! | enforce | require | what has the required signatures, and attestations that meet each required condition: the named object, the image for this platform, or either |
//! | audit | any | always; the refusal is reported. But only once the deny list was compared with the image |

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::admission::{Admission, Outcome, Verified};
use super::{Kind, Refusal};
use crate::digest::Digest;
use crate::policy::{
    Action, Allowance, ApplicableRules, BreakGlass, DenyList, Exception, Mode, Requirement, Rule,
    SignedObject,
};
use crate::reference::Repository;
use crate::telemetry::{Cause, Reason};

/// What applies to one image.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    /// The image as the caller named it.
    pub(super) image: &'a str,
    /// The id of an image on the node; refusals show it.
    pub(super) id: Option<&'a Digest>,
    /// The repositories under which a break-glass exception may name it.
    pub(super) repositories: &'a [&'a Repository],
    /// The break-glass exceptions at this time.
    pub(super) break_glass: Option<&'a BreakGlass>,
    /// The policy; without one everything else is refused.
    pub(super) policy: Option<(&'a ApplicableRules<'a>, &'a DenyList)>,
}

/// What is known about one image; a driver adds to it until [`evaluate`] needs nothing more.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The digest in the name, as the caller wrote it.
    pub(super) written: Option<Digest>,
    /// The digests that the image has: what the registry serves under the name, or what evidence shows for the image on
    /// the node.
    pub(super) identities: Fact<Vec<Digest>>,
    /// The digest that the registry serves under the name; unknown for an image on the node.
    pub(super) served: Option<Digest>,
    /// Digests that hashes show to be this image, in addition to `written` and `identities`.
    pub(super) proven: BTreeSet<Digest>,
    /// Digests that belong to it by a document or a hint: they can deny it and never admit it.
    pub(super) related: BTreeSet<Digest>,
    /// Whether all that can be known is in `related`, so that the deny list needs nothing more.
    pub(super) deny_list_compared: bool,
    /// Whether signatures meet the requirement of a rule, by the place of the rule and what must be signed.
    pub(super) verified: BTreeMap<(usize, Object), Result<Verified, Refusal>>,
}

/// Something that a driver can find out.
#[derive(Clone, Debug, Default)]
pub(super) enum Fact<T> {
    /// It has not been looked up.
    #[default]
    Unknown,
    /// The value.
    Known(T),
    /// The lookup failed.
    Failed(Refusal),
}

/// What must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// The manifest or index that the name resolves to.
    Named,
    /// The image for the platform of this node.
    Platform,
}

/// The fact that [`evaluate`] needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// [`Facts::identities`].
    Identities,
    /// [`Facts::verified`] for the applicable rule at this place.
    Verification { rule: usize, object: Object },
}

/// Why [`evaluate`] does not admit the image.
#[derive(Debug)]
pub(super) enum Stop {
    /// The image is refused.
    Refuse(Refusal),
    /// A fact is missing.
    Need(Need),
}

/// Decides about an image.
///
/// # Errors
/// The refusal, or the fact that is missing.
pub(super) fn evaluate(rules: &Rules<'_>, facts: &Facts, now: Timestamp) -> Result<Admission, Stop> {
    if let Some(admission) = exception(rules, facts, now)? {
        return Ok(admission);
    }
    let Some((applicable, deny_list)) = rules.policy else {
        return Err(Stop::Refuse(Refusal::no_policy(rules.image)));
    };
    compare(rules.image, facts, deny_list)?;
    let mut admission = None;
    for (place, rule) in applicable.rules().enumerate() {
        let one = One { rules, deny_list, facts, now, place, rule };
        let outcome = one.evaluate()?;
        admission = Some(match admission {
            None => Admission::first(outcome),
            Some(admission) => Admission::and(admission, outcome),
        });
    }
    let labels: Vec<&str> = applicable.rules().map(Rule::label).collect();
    let admission = admission.ok_or_else(|| Stop::Refuse(Refusal::internal(rules.image)))?;
    Ok(admission.by(labels.join(" and ")))
}

/// Decides about an image that `refusal` kept from being evaluated to the end, such as a timeout: it is refused, unless
/// every applicable rule is in audit mode or off, and the deny list was compared with it.
pub(super) fn interrupted(rules: &Rules<'_>, facts: &Facts, refusal: Refusal) -> Result<Admission, Refusal> {
    let Some((applicable, deny_list)) = rules.policy else { return Err(refusal) };
    let compared = !deny_list.has_digests() || facts.deny_list_compared || facts.served.is_some();
    if !compared || applicable.rules().any(|rule| rule.mode() == Mode::Enforce) {
        return Err(refusal);
    }
    let Some(rule) = applicable.rules().find(|rule| rule.mode() == Mode::Audit) else { return Err(refusal) };
    let outcome = Outcome::audited(rule, refusal, facts.served.clone())?;
    Ok(Admission::first(outcome).by(applicable.strictest().label().to_owned()))
}

/// The break-glass exception for the image, if there is one: one for a scope admits every image of its names, one for a
/// digest admits that image under every name. What a tag resolves to must be known before an exception for a digest
/// applies to it; where it cannot be found out, no exception applies.
fn exception(rules: &Rules<'_>, facts: &Facts, now: Timestamp) -> Result<Option<Admission>, Stop> {
    let Some(break_glass) = rules.break_glass else { return Ok(None) };
    let admit = |exception: &Exception, digest: Option<&Digest>| {
        Some(Admission::exception(exception, digest.or(facts.served.as_ref()).cloned()))
    };
    let by_scope =
        rules.repositories.iter().find_map(|repository| break_glass.exception_for(repository, None, now));
    if let Some(exception) = by_scope {
        return Ok(admit(exception, None));
    }
    if !break_glass.has_digests(now) {
        return Ok(None);
    }
    // Also where the name has the digest: what the registry serves becomes evidence for the image on the node.
    let written = facts.written.as_ref().and_then(|digest| break_glass.exception_of(digest, now));
    if matches!(facts.identities, Fact::Unknown) && (written.is_some() || facts.written.is_none()) {
        return Err(Stop::Need(Need::Identities));
    }
    let found = facts.proven().find_map(|digest| Some((break_glass.exception_of(digest, now)?, digest)));
    Ok(found.and_then(|(exception, digest)| admit(exception, Some(digest))))
}

/// The deny list is above all rules: it refuses what any known digest of the image is on.
fn compare(image: &str, facts: &Facts, deny_list: &DenyList) -> Result<(), Stop> {
    for digest in facts.proven().chain(&facts.related) {
        if let Some(why) = deny_list.of_digest(digest) {
            return Err(Stop::Refuse(Refusal::digest_denied(image, digest.as_str(), why)));
        }
    }
    Ok(())
}

/// One applicable rule and one image.
struct One<'a> {
    rules: &'a Rules<'a>,
    deny_list: &'a DenyList,
    facts: &'a Facts,
    now: Timestamp,
    place: usize,
    rule: &'a Rule,
}

impl One<'_> {
    fn evaluate(&self) -> Result<Outcome, Stop> {
        if let Some(off) = Outcome::off(self.rule) {
            return Ok(off);
        }
        let refusal = match self.enforce() {
            Err(Stop::Refuse(refusal)) if refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        if self.rule.mode() == Mode::Audit {
            // If the deny list cannot be compared, audit mode refuses too.
            self.compared()?;
        }
        Outcome::audited(self.rule, refusal, self.facts.served.clone()).map_err(Stop::Refuse)
    }

    fn enforce(&self) -> Result<Outcome, Stop> {
        match self.rule.action() {
            Action::Deny { reason } => {
                Err(Stop::Refuse(Refusal::denied(self.rules.image, self.rule.label(), reason.as_deref())))
            }
            Action::AllowUnsigned(allowance) => self.allow(allowance),
            Action::Require(requirement) => match self.rule.signed_object() {
                SignedObject::Index => self.verified(Object::Named, requirement),
                SignedObject::Platform => self.verified(Object::Platform, requirement),
                SignedObject::Either => self.verified_either(requirement),
            },
        }
    }

    /// An image that needs no signature is looked up only where not every digest is allowed.
    fn allow(&self, allowance: &Allowance) -> Result<Outcome, Stop> {
        if let Some(until) = allowance.until.filter(|_| allowance.is_over(self.now)) {
            let refusal = Refusal::allowance_over(self.rules.image, self.rule.label(), &until.to_string());
            return Err(Stop::Refuse(refusal));
        }
        let not_allowed = |digest: Option<&Digest>| {
            let digest = self.rules.id.or(digest).map_or_else(String::new, ToString::to_string);
            Stop::Refuse(Refusal::digest_not_allowed(self.rules.image, &digest, self.rule.label()))
        };
        let written = self.facts.written.as_ref();
        if let Some(digest) = written
            && Outcome::unsigned(allowance, Some(digest)).is_none()
        {
            return Err(not_allowed(written));
        }
        if allowance.digests.is_empty() {
            self.compared()?;
            // What is allowed by its digest is recorded, so that it can be distinguished from others on the node.
            let served = self.facts.served.as_ref().filter(|_| self.deny_list.has_digests());
            let digest = written.or(served);
            return Outcome::unsigned(allowance, digest).ok_or_else(|| not_allowed(digest));
        }
        let identities = self.identities()?;
        let allowed = identities.iter().find_map(|digest| Outcome::unsigned(allowance, Some(digest)));
        allowed.ok_or_else(|| not_allowed(identities.first()))
    }

    /// The signatures of the index are enough, and so are those of the image for this platform.
    fn verified_either(&self, requirement: &Requirement) -> Result<Outcome, Stop> {
        let refusal = match self.verified(Object::Named, requirement) {
            Err(Stop::Refuse(refusal)) if refusal.reason() != Reason::DigestDenied => refusal,
            decided => return decided,
        };
        match self.verified(Object::Platform, requirement) {
            // The name resolves to the index: its refusal is the one to report, unless another attempt may admit the image.
            Err(Stop::Refuse(other)) if is_final(&other) => Err(Stop::Refuse(refusal)),
            decided => decided,
        }
    }

    /// The signatures of one object meet the requirement, and so do its attestations: each condition that the rule names.
    fn verified(&self, object: Object, requirement: &Requirement) -> Result<Outcome, Stop> {
        let need = Stop::Need(Need::Verification { rule: self.place, object });
        let verified = self.facts.verified.get(&(self.place, object)).ok_or(need)?;
        let verified = verified.clone().map_err(Stop::Refuse)?;
        if !verified.satisfied.is_whole(requirement) {
            return Err(Stop::Refuse(Refusal::internal(self.rules.image)));
        }
        Ok(Outcome::verified(verified, object == Object::Platform))
    }

    /// Makes sure that the deny list was compared with what the image is, where it names digests.
    fn compared(&self) -> Result<(), Stop> {
        if self.facts.deny_list_compared || !self.deny_list.has_digests() {
            return Ok(());
        }
        self.identities().map(|_| ())
    }

    fn identities(&self) -> Result<&[Digest], Stop> {
        match &self.facts.identities {
            Fact::Unknown => Err(Stop::Need(Need::Identities)),
            Fact::Known(digests) => Ok(digests),
            Fact::Failed(refusal) => Err(Stop::Refuse(refusal.clone())),
        }
    }
}

/// Whether no other attempt may end otherwise.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal.kind(), Kind::Refused(cause) if cause != Cause::Attempt)
}

impl Facts {
    /// The digests that are this image.
    fn proven(&self) -> impl Iterator<Item = &Digest> {
        let identities = match &self.identities {
            Fact::Known(digests) => digests.as_slice(),
            Fact::Unknown | Fact::Failed(_) => &[],
        };
        self.written.iter().chain(identities).chain(&self.proven)
    }
}

#[cfg(test)]
mod tests;
