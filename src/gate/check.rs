//! The pure part of a decision: every signature against every authenticator that the rule names.

mod attested;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Finding;
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Condition, Policy, Requirement, Rule};
use crate::signature::{
    self, Attachment, Attempts, Fault, Format, Known, Proof, RepositoryIdentity, Subject,
};
use crate::trust::Authenticator;
use crate::trust::x509::{CrlSource, FetchedCrls};
use pullgate_core::untrusted::error_chain;

/// Attestations up to this size, in bytes, are checked without a part of the memory budget: so many checks run at a time.
const SMALL_ATTESTATION: usize = 64 << 10;

/// How many times its size an attestation takes while it is checked: the text of its payload, the payload, and what is signed;
/// or the library's own copy, parsed.
const DECODED: usize = 4;

/// The signatures to check; the check runs on a thread of its own.
pub(super) struct Check {
    stop: Arc<AtomicBool>,
    policy: Arc<Policy>,
    authenticators: Vec<String>,
    conditions: Vec<Condition>,
    attachments: Vec<Attachment>,
    digest: Digest,
    media_type: String,
    size: usize,
    repositories: Vec<String>,
    layouts: BTreeSet<Format>,
    annotations: BTreeMap<String, String>,
    identity: RepositoryIdentity,
    crls: FetchedCrls,
}

/// The outcome of a check.
pub(super) struct Checked {
    /// What was found about each signature and authenticator.
    pub(super) findings: Vec<Finding>,
    /// The signatures that are valid.
    pub(super) proofs: Vec<Proof>,
    /// The lists of revoked certificates that have to be fetched first.
    pub(super) crls_to_fetch: BTreeSet<CrlSource>,
    /// The time of the check: what rests on the proofs ends with the first key or root that ends after it.
    pub(super) at: jiff::Timestamp,
}

impl Checked {
    /// When the first signature ends that a verdict may rest on.
    pub(super) fn end(&self) -> Option<jiff::Timestamp> {
        self.proofs.iter().filter_map(Proof::until).min()
    }
}

impl Check {
    pub(super) fn new(
        policy: &Arc<Policy>,
        rule: &Rule,
        requirement: &Requirement,
        evidence: &Evidence,
        crls: FetchedCrls,
    ) -> Self {
        // A condition that the policy does not have is not met: see `Confirmations::weigh`.
        let conditions = requirement.attestations().iter().filter_map(|name| policy.condition(name));
        Self {
            crls,
            stop: Arc::default(),
            policy: Arc::clone(policy),
            authenticators: requirement.authenticators().to_vec(),
            conditions: conditions.cloned().collect(),
            attachments: evidence.attachments.clone(),
            digest: evidence.digest.clone(),
            media_type: evidence.media_type.clone(),
            size: evidence.document.len(),
            repositories: rule.accepted_repositories(&evidence.repository),
            layouts: rule.layouts().clone(),
            annotations: requirement.annotations().clone(),
            identity: rule.repository_identity(),
        }
    }

    /// Stops the check when it is dropped: a thread cannot be dropped as the future that waits for it can.
    pub(super) fn stopper(&self) -> SetOnDrop {
        SetOnDrop(Arc::clone(&self.stop))
    }

    pub(super) fn run(self) -> Checked {
        let at = jiff::Timestamp::now();
        let mut checked =
            Checked { findings: Vec::new(), proofs: Vec::new(), crls_to_fetch: BTreeSet::new(), at };
        let attempts = Attempts::default();
        let signatures = self.attachments.iter().filter(|it| it.format() != Format::Attestation);
        for attachment in signatures {
            for authenticator in self.authenticators.iter().filter_map(|name| self.policy.authenticator(name))
            {
                if self.is_stopped() {
                    return checked;
                }
                let verified =
                    self.verify(attachment, authenticator, (at, &attempts)).map_err(|unverified| {
                        checked.crls_to_fetch.extend(unverified.crls_to_fetch);
                        (unverified.why, unverified.fault)
                    });
                checked.findings.push(Finding {
                    place: attachment.place().to_owned(),
                    authenticator: authenticator.name().to_owned(),
                    condition: None,
                    fault: verified.as_ref().err().and_then(|(_, fault)| *fault),
                    outcome: verified
                        .as_ref()
                        .map(|proof| proof.identity().clone())
                        .map_err(|(why, _)| why.clone()),
                });
                // An invalid signature does not affect the others.
                checked.proofs.extend(verified);
            }
        }
        if !self.conditions.is_empty() {
            attested::check(&self, &mut checked);
        }
        checked
    }

    /// The memory that it takes beside the attachments: a document with an attestation is decoded and parsed.
    pub(super) fn working_memory(&self) -> usize {
        let largest = if self.conditions.is_empty() { 0 } else { attested::largest(&self.attachments) };
        if largest > SMALL_ATTESTATION { largest.saturating_mul(DECODED) } else { 0 }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn verify(
        &self,
        attachment: &Attachment,
        authenticator: &Authenticator,
        (at, attempts): (jiff::Timestamp, &Attempts),
    ) -> Result<Proof, Unverified> {
        let format = attachment.format();
        if !self.layouts.contains(&format) {
            let why = format!(
                "signatures of the format {format} do not count, because `layouts` of the rule does not list this format"
            );
            return Err(Unverified { why, ..Unverified::default() });
        }
        let subject = Subject {
            digest: &self.digest,
            repositories: &self.repositories,
            content: (&self.media_type, self.size),
            annotations: &self.annotations,
            identity: self.identity,
        };
        let known = Known { now: at, crls: &self.crls, attempts };
        signature::verify_knowing(attachment, authenticator, &subject, known).map_err(|error| Unverified {
            why: error_chain(&error),
            fault: error.fault(),
            crls_to_fetch: error.crls_to_fetch().to_vec(),
        })
    }
}

/// The conditions of a requirement for which only the newest attestations count.
pub(super) fn newest_count<'p>(
    policy: &'p Policy,
    requirement: &'p Requirement,
) -> impl Iterator<Item = &'p Condition> {
    let conditions = requirement.attestations().iter().filter_map(|name| policy.condition(name));
    conditions.filter(|condition| condition.terms().limits_age())
}

/// Whether evidence of the ledger has them: if not, it must not meet the requirement.
pub(super) fn has_newest(evidence: &Evidence, policy: &Policy, requirement: &Requirement) -> bool {
    newest_count(policy, requirement)
        .all(|condition| evidence.complete.covers(policy.hash(), condition.name()))
}

/// Why a signature does not count.
#[derive(Default)]
struct Unverified {
    why: String,
    fault: Option<Fault>,
    crls_to_fetch: Vec<CrlSource>,
}

/// Cancels a check when its caller no longer waits.
pub(super) struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Action, Scope};
    use crate::reference::Repository;
    use crate::trust::x509::Store;
    use crate::trust::{NotationSet, Signers};

    fn fixture(name: &str) -> Vec<u8> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/notation/cli/");
        std::fs::read(format!("{directory}{name}")).unwrap()
    }

    /// The end of a check of p256.jws, and how many signatures are valid, where the deny list has these keys.
    fn end(denied: BTreeMap<String, String>) -> (usize, Option<jiff::Timestamp>) {
        let mut ca = Store::default();
        ca.add(&fixture("p256.root.pem")).unwrap();
        let set = NotationSet { revoked: denied, ..NotationSet::below(ca) };
        let requirement = Requirement::any(vec!["notary".to_owned()]).unwrap();
        let rule = |action| Rule::new("a rule".to_owned(), Scope::everything(), action);
        let authenticator = Authenticator::of("notary".to_owned(), Signers::Notation(Box::new(set)));
        let required = rule(Action::Require(requirement.clone()));
        let policy = Policy::new(required.clone(), Vec::new(), vec![authenticator]).unwrap();
        let document = fixture("manifest.json");
        let evidence = Evidence {
            repository: Repository::parse("registry.example/team/app").unwrap(),
            digest: Digest::of(&document),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            document: document.into(),
            images: Vec::new(),
            attachments: vec![Attachment::Notation {
                place: "referrer".to_owned(),
                document: fixture("p256.jws").into(),
            }],
            complete: crate::ledger::Complete::No,
            names: Vec::new(),
            rule: String::new(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::UNIX_EPOCH,
        };
        let checked =
            Check::new(&Arc::new(policy), &required, &requirement, &evidence, FetchedCrls::default()).run();
        (checked.proofs.len(), checked.end())
    }

    #[test]
    fn a_verdict_ends_with_the_certificates_that_came_with_the_signature() {
        let (valid, until) = end(BTreeMap::new());
        assert_eq!(valid, 1);
        assert_eq!(until.unwrap().to_string().get(..10), Some("2126-11-06"));
    }
}
