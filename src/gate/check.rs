//! The pure part of a decision: every signature against every authenticator that the rule names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Finding;
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Policy, Requirement, Rule};
use crate::signature::{self, Attachment, Proof, Subject};
use pullgate_core::untrusted::error_chain;

/// The signatures to check; the check runs on a thread of its own.
pub(super) struct Check {
    stop: Arc<AtomicBool>,
    policy: Arc<Policy>,
    authenticators: Vec<String>,
    attachments: Vec<Attachment>,
    digest: Digest,
    repositories: Vec<String>,
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
        }
    }

    /// Stops the check when it is dropped: a thread cannot be dropped as the future that waits for it can.
    pub(super) fn stopper(&self) -> SetOnDrop {
        SetOnDrop(Arc::clone(&self.stop))
    }

    pub(super) fn run(self) -> (Vec<Finding>, Vec<Proof>) {
        let now = jiff::Timestamp::now();
        let subject = Subject { digest: &self.digest, repositories: &self.repositories };
        let (mut findings, mut proofs) = (Vec::new(), Vec::new());
        for attachment in &self.attachments {
            for authenticator in self.authenticators.iter().filter_map(|name| self.policy.authenticator(name))
            {
                if self.stop.load(Ordering::Relaxed) {
                    return (findings, proofs);
                }
                let verified = signature::verify(attachment, authenticator, &subject, now);
                findings.push(Finding {
                    place: attachment.place().to_owned(),
                    authenticator: authenticator.name().to_owned(),
                    outcome: verified
                        .as_ref()
                        .map(|proof| proof.fingerprint().to_owned())
                        .map_err(|error| error_chain(error)),
                });
                // An invalid signature does not affect the others.
                proofs.extend(verified);
            }
        }
        (findings, proofs)
    }
}

/// Cancels a check when its caller no longer waits.
pub(super) struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
