//! Why a condition is not met, in the words of a refusal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Found, is_of_attempt, list_problems, quote, rank, reason_of, reason_of_fault};
use crate::policy::Condition;
use crate::signature::Fault;
use crate::telemetry::Reason;

/// The reason, what was required and found, and what to do.
pub(super) fn explain(condition: &Condition, found: &Found<'_>) -> (Reason, String, &'static str) {
    let (reason, advice) = reason(found);
    let mut text = quote(&condition.to_string());
    let places: BTreeSet<&str> = found.findings.iter().map(|finding| finding.place.as_str()).collect();
    let _ = match (places.len(), reason) {
        (0, _) => write!(text, ": found no attestation of this type"),
        (1, Reason::NoValidAttestation) => write!(text, ": found 1 attestation, which is not valid"),
        (count, Reason::NoValidAttestation) => {
            write!(text, ": found {count} attestations, none of them valid")
        }
        (1, _) => write!(text, ": found 1 attestation, which does not count"),
        (count, _) => write!(text, ": found {count} attestations, but not enough of them count"),
    };
    let failed = found.findings.iter().filter_map(|finding| {
        let why = finding.outcome.as_ref().err()?;
        Some(format!("{} by {}: {why}", finding.place, finding.authenticator))
    });
    list_problems(
        &mut text,
        failed.chain(found.collected.problems.iter().map(ToString::to_string)).collect(),
    );
    (reason, format!("attestation {text}"), advice)
}

/// The reason, by the attestation that got furthest.
pub(super) fn reason(found: &Found<'_>) -> (Reason, &'static str) {
    if let Some(problem) = found.collected.exceeded() {
        return (
            reason_of(&problem.error),
            "remove unneeded attachments from the image, or raise the limit in [limits]",
        );
    }
    let failed = found.findings.iter().filter(|finding| finding.outcome.is_err());
    match failed.filter_map(|finding| finding.fault).max_by_key(rank) {
        // Another attempt may find something else, whatever is wrong with the others.
        Some(fault) if is_of_attempt(fault) => reason_of_fault(fault),
        Some(fault @ Fault::NotMet) => reason_of_fault(fault),
        _ if found.findings.is_empty() && found.collected.problems.is_empty() => {
            (Reason::NoAttestation, "attest this digest, then pull again")
        }
        _ if found.findings.iter().any(|finding| finding.outcome.is_ok()) => {
            (Reason::NoValidAttestation, "attest this digest for the remaining authenticators, too")
        }
        _ => (
            Reason::NoValidAttestation,
            "attest this digest with a key or identity that the condition accepts",
        ),
    }
}
