//! Attestations against the conditions that the rule requires.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Checked};
use crate::gate::Finding;
use crate::policy::Condition;
use crate::signature::attestation::{Reading, Unverified};
use crate::signature::{Attachment, Attempts, Fault, Known, SignatureError};
use pullgate_core::untrusted::error_chain;

/// The attestations for one condition.
#[derive(Default)]
struct Readings {
    read: Vec<Reading>,
    /// The authenticators with another attestation, of which is not known whether its certificate is revoked.
    unknown: BTreeSet<String>,
}

/// Adds what was found about the attestations, condition by condition.
///
/// One document is in memory at a time. Each is verified once for each condition and each authenticator that it trusts.
pub(super) fn check(check: &Check, checked: &mut Checked) {
    let mut readings: BTreeMap<&str, Readings> = BTreeMap::new();
    for attachment in &check.attachments {
        if check.is_stopped() {
            return;
        }
        match Unverified::of(attachment) {
            None => {}
            Some(Ok(unverified)) => read(check, &unverified, checked, &mut readings),
            // Its type is not known, so it may be the one that each condition misses.
            Some(Err(error)) => {
                let all = check.conditions.iter();
                checked
                    .findings
                    .extend(all.map(|condition| failed(attachment.place(), None, condition, &error)));
            }
        }
    }
    for condition in &check.conditions {
        let Readings { read, unknown } = readings.remove(condition.name()).unwrap_or_default();
        for judged in condition.terms().judge(read, &unknown, checked.at) {
            checked.findings.push(Finding {
                place: judged.place,
                authenticator: judged.authenticator,
                condition: Some(condition.name().to_owned()),
                fault: judged.outcome.as_ref().err().and_then(|unmet| unmet.fault()),
                outcome: match &judged.outcome {
                    Ok(proof) => Ok(proof.identity().clone()),
                    Err(unmet) => Err(error_chain(unmet)),
                },
            });
            checked.proofs.extend(judged.outcome);
        }
    }
}

/// Verifies one attestation, and reads what it says for each condition that asks for its type.
fn read<'c>(
    check: &'c Check,
    unverified: &Unverified<'_>,
    checked: &mut Checked,
    readings: &mut BTreeMap<&'c str, Readings>,
) {
    let asks = |condition: &&Condition| condition.terms().asks_for(unverified.predicate_type());
    let asking: Vec<&Condition> = check.conditions.iter().filter(asks).collect();
    let names: BTreeSet<&String> =
        asking.iter().flat_map(|condition| condition.by().authenticators()).collect();
    let known = Known { now: checked.at, crls: &check.crls, attempts: &Attempts::default() };
    for authenticator in names.into_iter().filter_map(|name| check.policy.authenticator(name)) {
        let trusting = asking.iter().filter(|condition| condition.trusts(authenticator.name()));
        if check.is_stopped() {
            return;
        }
        for condition in trusting {
            match unverified.verify_knowing(authenticator, &check.digest, known) {
                Ok(statement) => {
                    let readings = readings.entry(condition.name()).or_default();
                    readings.read.push(condition.terms().read(statement));
                }
                Err(error) => {
                    checked.crls_to_fetch.extend(error.crls_to_fetch().iter().cloned());
                    if error.fault() == Some(Fault::RevocationUnknown) {
                        let readings = readings.entry(condition.name()).or_default();
                        readings.unknown.insert(authenticator.name().to_owned());
                    }
                    let by = Some(authenticator.name());
                    checked.findings.push(failed(unverified.place(), by, condition, &error));
                }
            }
        }
    }
}

fn failed(
    place: &str,
    authenticator: Option<&str>,
    condition: &Condition,
    error: &SignatureError,
) -> Finding {
    let by = || condition.by().authenticators().join(", ");
    Finding {
        place: place.to_owned(),
        authenticator: authenticator.map_or_else(by, str::to_owned),
        condition: Some(condition.name().to_owned()),
        outcome: Err(error_chain(error)),
        fault: error.fault(),
    }
}

/// The bytes of the largest document that may be an attestation.
pub(super) fn largest(attachments: &[Attachment]) -> usize {
    let bytes = attachments.iter().map(|attachment| match attachment {
        Attachment::Bundle { document, .. } | Attachment::Attestation { document, .. } => document.len(),
        Attachment::SimpleSigning { .. }
        | Attachment::Notation { .. }
        | Attachment::Gpg { .. }
        | Attachment::Grafeas { .. } => 0,
    });
    bytes.max().unwrap_or(0)
}
