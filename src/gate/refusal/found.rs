//! The signatures or attestations that were found, in the words of a refusal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{is_of_attempt, quote, rank, reason_of, reason_of_fault};
use crate::gate::Finding;
use crate::ledger::Evidence;
use crate::registry::{Collected, Unfetched};
use crate::signature::{Fault, Format, SignatureKind};
use crate::telemetry::Reason;

/// How many signatures a line tells about.
const MAX_FINDINGS: usize = 3;

/// The signatures or attestations that were found, where they do not suffice.
#[derive(Debug)]
pub(in crate::gate) struct Found<'a> {
    /// How many attachments there are that may be signatures.
    attachments: usize,
    /// What could not be read.
    pub(in crate::gate) collected: &'a Collected,
    /// The authenticators whose signatures hold.
    pub(super) valid: &'a [String],
    /// The condition that is not met; `None` if signatures are missing.
    pub(super) condition: Option<&'a str>,
    /// What became of each.
    pub(super) findings: Vec<&'a Finding>,
}

impl<'a> Found<'a> {
    /// What was found in `evidence`: of the condition that is not met, or of signatures.
    pub(in crate::gate) fn of(
        evidence: &Evidence,
        collected: &'a Collected,
        (valid, condition): (&'a [String], Option<&'a str>),
        findings: &'a [Finding],
    ) -> Self {
        let signatures = evidence.attachments.iter().filter(|it| it.format() != Format::Attestation);
        let findings = findings.iter().filter(|finding| finding.condition.as_deref() == condition);
        Self { attachments: signatures.count(), collected, valid, condition, findings: findings.collect() }
    }

    /// Nothing was found.
    pub(in crate::gate) fn nothing(collected: &'a Collected, condition: Option<&'a str>) -> Self {
        Self { attachments: 0, collected, valid: &[], condition, findings: Vec::new() }
    }

    /// One attachment, about which these findings are.
    #[cfg(test)]
    pub(super) fn failed(collected: &'a Collected, findings: &'a [Finding]) -> Self {
        Self { attachments: 1, collected, valid: &[], condition: None, findings: findings.iter().collect() }
    }

    pub(super) fn reason(&self) -> (Reason, &'static str) {
        if let Some(problem) = self.collected.exceeded() {
            let reason = reason_of(&problem.error);
            (reason, advice_of_limit(reason))
        } else if let Some(fault) = self.fault().filter(|fault| is_of_attempt(*fault)) {
            // Before what is final: one of several required signatures may count at another attempt.
            reason_of_fault(fault)
        } else if !self.valid.is_empty() {
            (Reason::NotEnoughSignatures, "sign this digest for the remaining authenticators, too")
        } else if self.attachments == 0
            && self.collected.problems.is_empty()
            && self.collected.unfetched.is_empty()
        {
            (Reason::NoSignature, "sign this digest, then pull again")
        } else {
            self.fault().map_or(
                (Reason::NoValidSignature, "sign this digest with a key that the rule accepts"),
                reason_of_fault,
            )
        }
    }

    /// What is wrong with the signature that got furthest; what another attempt may heal comes first. That the kind is another
    /// counts if nothing else was found.
    pub(super) fn fault(&self) -> Option<Fault> {
        let failed = self.findings.iter().filter(|finding| finding.outcome.is_err());
        let read = failed.map(|finding| finding.fault).filter(|fault| !is_other_kind(*fault));
        match read.max_by_key(|fault| fault.as_ref().map(rank)) {
            Some(furthest) => furthest,
            None if self.collected.problems.is_empty() => {
                self.other_kinds().into_values().min().map(Fault::OtherKind)
            }
            None => None,
        }
    }

    /// The signatures that no authenticator of the rule reads, by their places.
    fn other_kinds(&self) -> BTreeMap<&str, SignatureKind> {
        let mut kinds = BTreeMap::new();
        for finding in &self.findings {
            let kind = match finding.fault {
                Some(Fault::OtherKind(kind)) => Some(kind),
                _ => None,
            };
            // Of two authenticators, the one that looked closer knows better.
            let known = kinds.entry(finding.place.as_str()).or_insert(kind);
            *known = (*known).zip(kind).map(|(one, other)| one.min(other));
        }
        for Unfetched { place, format } in &self.collected.unfetched {
            kinds.entry(place).or_insert(Some(SignatureKind::Of(*format)));
        }
        kinds.into_iter().filter_map(|(place, kind)| Some((place, kind?))).collect()
    }

    pub(super) fn summary(&self) -> String {
        let others = self.other_kinds();
        if let (Some(Fault::OtherKind(_)), []) = (self.fault(), self.valid) {
            return in_words(&others);
        }
        let mut text = match (self.attachments, self.valid) {
            (0, _) => "found no signature".to_owned(),
            (1, []) => "found 1 signature, which is not valid".to_owned(),
            (count, []) => format!("found {count} signatures, none of them valid"),
            (count, valid) => {
                format!("found {count} signatures, of which only those for {} are valid", valid.join(", "))
            }
        };
        let failed = self.findings.iter().filter_map(|finding| {
            let why = finding.outcome.as_ref().err()?;
            // What another authenticator reads is told once.
            let told = !is_other_kind(finding.fault) || others.contains_key(finding.place.as_str());
            told.then(|| format!("{} for {}: {}", finding.place, finding.authenticator, why))
        });
        let all = failed.chain(self.collected.problems.iter().map(ToString::to_string)).collect();
        list_problems(&mut text, all);
        text
    }
}

/// What to do if what is attached exceeds a limit.
fn advice_of_limit(reason: Reason) -> &'static str {
    match reason {
        Reason::TooManySignatures => {
            "remove unneeded signatures from the image, or raise `signatures` in [limits]"
        }
        Reason::TooManyReferrers => {
            "remove unneeded referrers of the image, or raise `referrers` in [limits]"
        }
        Reason::TooManyPages => {
            "remove unneeded referrers of the image, or raise `referrer-pages` in [limits]"
        }
        Reason::SignatureTooLarge => "remove this signature, or raise `signature-max-size` in [limits]",
        Reason::SignaturesTooLarge => {
            "remove unneeded signatures from the image, or raise `signatures-total-size` in [limits]"
        }
        _ => "remove unneeded signatures from the image, or raise the limit in [limits]",
    }
}

/// Adds the first few problems in brackets, and the number of the others.
pub(super) fn list_problems(text: &mut String, mut all: Vec<String>) {
    // A registry may list referrers in another order each time; the line stays the same.
    all.sort_unstable();
    for (number, problem) in all.iter().take(MAX_FINDINGS).enumerate() {
        let before = if number == 0 { " (" } else { ", " };
        let _ = write!(text, "{before}{}", quote(problem));
    }
    if all.len() > MAX_FINDINGS {
        let _ = write!(text, ", and {} more", all.len() - MAX_FINDINGS);
    }
    if !all.is_empty() {
        text.push(')');
    }
}

fn is_other_kind(fault: Option<Fault>) -> bool {
    matches!(fault, Some(Fault::OtherKind(_)))
}

/// What was found where nothing is read.
fn in_words(others: &BTreeMap<&str, SignatureKind>) -> String {
    let mut counts: BTreeMap<SignatureKind, usize> = BTreeMap::new();
    for kind in others.values() {
        *counts.entry(*kind).or_default() += 1;
    }
    let found: Vec<_> = counts.iter().map(|(kind, count)| kind.counted(*count)).collect();
    let read: Vec<_> = counts.keys().map(|kind| kind.reading()).collect();
    format!(
        "found {}, but no authenticator of this rule can verify {}",
        found.join(" and "),
        read.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(place: &str, authenticator: &str, fault: Option<Fault>) -> Finding {
        let (place, authenticator) = (place.to_owned(), authenticator.to_owned());
        Finding { place, authenticator, condition: None, outcome: Err("why".to_owned()), fault }
    }

    /// [`Fault`] says why.
    #[test]
    fn what_is_wrong_with_a_signature_of_this_image_comes_before_signatures_of_something_else() {
        let nothing = Collected::default();
        for (faults, reason) in [
            (vec![None, Some(Fault::UnknownKey)], Reason::UnknownKey),
            (vec![Some(Fault::UnknownKey), Some(Fault::OtherDigest)], Reason::OtherDigest),
            (vec![Some(Fault::OtherDigest), Some(Fault::OtherRepository)], Reason::OtherRepository),
            (vec![Some(Fault::OtherRepository), Some(Fault::KeyNotValidNow)], Reason::KeyNotValidNow),
            (vec![Some(Fault::OtherRepository), Some(Fault::WrongIdentity)], Reason::WrongIdentity),
            (vec![Some(Fault::OtherDigest), None], Reason::OtherDigest),
        ] {
            let mut findings: Vec<_> = faults.iter().map(|fault| finding("a", "x", *fault)).collect();
            for _ in 0..2 {
                let findings_of = findings.iter().collect();
                let found = Found {
                    attachments: 2,
                    collected: &nothing,
                    valid: &[],
                    condition: None,
                    findings: findings_of,
                };
                assert_eq!(found.reason().0, reason, "{faults:?}");
                findings.reverse();
            }
        }
    }

    /// A scan removes images whose refusal is final: not those of which another attempt may find enough signatures.
    #[test]
    fn a_valid_signature_does_not_hide_what_another_attempt_may_heal() {
        let nothing = Collected::default();
        let valid = ["release".to_owned()];
        for (fault, reason) in [
            (None, Reason::NotEnoughSignatures),
            (Some(Fault::WrongIdentity), Reason::NotEnoughSignatures),
            (Some(Fault::KeyNotValidNow), Reason::KeyNotValidNow),
            (Some(Fault::RevocationUnknown), Reason::RevocationUnknown),
        ] {
            let findings = [finding("a", "notary", fault)];
            let found = Found { attachments: 2, valid: &valid, ..Found::failed(&nothing, &findings) };
            assert_eq!(found.reason().0, reason, "{fault:?}");
        }
    }

    #[test]
    fn what_nobody_reads_is_counted_by_kind() {
        let notation = Some(Fault::OtherKind(SignatureKind::Of(Format::Notation)));
        let keyless = Some(Fault::OtherKind(SignatureKind::Keyless));
        let classic = Some(Fault::OtherKind(SignatureKind::Of(Format::SimpleSigning)));
        let unfetched = |places: &[&str]| {
            let of = |place: &&str| Unfetched { place: (*place).to_owned(), format: Format::Notation };
            Collected { unfetched: places.iter().map(of).collect(), ..Collected::default() }
        };
        for (collected, findings, reason, summary) in [
            (unfetched(&[]), vec![], Reason::NoSignature, "found no signature"),
            (
                unfetched(&["a", "b"]),
                vec![],
                Reason::OtherSignatureKind,
                "found 2 Notation signatures, but no authenticator of this rule can verify Notation signatures",
            ),
            (
                unfetched(&["a", "b"]),
                vec![finding("a", "x", notation), finding("a", "y", notation)],
                Reason::OtherSignatureKind,
                "found 2 Notation signatures, but no authenticator of this rule can verify Notation signatures",
            ),
            (
                unfetched(&["b"]),
                vec![finding("a", "x", classic), finding("a", "y", keyless)],
                Reason::OtherSignatureKind,
                "found 1 keyless signature and 1 Notation signature, but no authenticator of this rule can verify keyless signatures or Notation signatures",
            ),
            (
                unfetched(&[]),
                vec![finding("a", "x", notation), finding("a", "y", Some(Fault::WrongIdentity))],
                Reason::WrongIdentity,
                "found 1 signature, which is not valid (a for y: why)",
            ),
            (
                unfetched(&[]),
                vec![finding("a", "x", notation), finding("b", "x", None)],
                Reason::NoValidSignature,
                "found 2 signatures, none of them valid (a for x: why, b for x: why)",
            ),
        ] {
            let mut places: Vec<_> = findings.iter().map(|finding| &finding.place).collect();
            places.dedup();
            let found = Found { attachments: places.len(), ..Found::failed(&collected, &findings) };
            assert_eq!((found.reason().0, found.summary().as_str()), (reason, summary));
        }
    }
}
