//! The pure part of a decision: every signature against every authenticator that the rule names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Finding;
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Policy, Requirement, Rule};
use crate::signature::{self, Attachment, Fault, Format, Proof, RepositoryIdentity, Subject};
use crate::trust::Authenticator;
use pullgate_core::untrusted::error_chain;

/// The signatures to check; the check runs on a thread of its own.
pub(super) struct Check {
    stop: Arc<AtomicBool>,
    policy: Arc<Policy>,
    authenticators: Vec<String>,
    attachments: Vec<Attachment>,
    digest: Digest,
    repositories: Vec<String>,
    layouts: BTreeSet<Format>,
    annotations: BTreeMap<String, String>,
    identity: RepositoryIdentity,
}

/// The outcome of a check.
pub(super) struct Checked {
    /// What was found about each signature and authenticator.
    pub(super) findings: Vec<Finding>,
    /// The signatures that are valid.
    pub(super) proofs: Vec<Proof>,
    /// The time of the check: what rests on the proofs ends with the first key or root that ends after it.
    pub(super) at: jiff::Timestamp,
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
        let mut checked = Checked { findings: Vec::new(), proofs: Vec::new(), at };
        for attachment in &self.attachments {
            for authenticator in self.authenticators.iter().filter_map(|name| self.policy.authenticator(name))
            {
                if self.stop.load(Ordering::Relaxed) {
                    return checked;
                }
                let verified = self.verify(attachment, authenticator, at);
                checked.findings.push(Finding {
                    place: attachment.place().to_owned(),
                    authenticator: authenticator.name().to_owned(),
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
        checked
    }

    fn verify(
        &self,
        attachment: &Attachment,
        authenticator: &Authenticator,
        at: jiff::Timestamp,
    ) -> Result<Proof, (String, Option<Fault>)> {
        let format = attachment.format();
        if !self.layouts.contains(&format) {
            return Err((format!("{format} does not count: `layouts` of the rule does not have it"), None));
        }
        let subject = Subject {
            digest: &self.digest,
            repositories: &self.repositories,
            annotations: &self.annotations,
            identity: self.identity,
        };
        signature::verify(attachment, authenticator, &subject, at)
            .map_err(|error| (error_chain(&error), error.fault()))
    }
}

/// Cancels a check when its caller no longer waits.
pub(super) struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
