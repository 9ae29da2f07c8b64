//! What is found out on the way of one question.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::confirm::Said;
use super::{Explanation, Finding};
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Policy, Requirement};
use crate::reference::Reference;
use crate::registry::{Collected, Contents, Resolved, contents};
use crate::telemetry::Reason;

/// What has been found out for one question, so that each rule looks at the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// What the registry serves for each name that was looked up.
    pub(super) resolved: Vec<(Reference, Resolved)>,
    /// What the ledger has for each digest.
    pub(super) kept: BTreeMap<Digest, Option<Arc<Evidence>>>,
    /// What the registry has for each digest.
    pub(super) fresh: Vec<Fresh>,
    /// What services of keys have said.
    pub(super) said: Said,
}

/// What the registry has, and what of that could not be read.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) evidence: Evidence,
    pub(super) collected: Collected,
}

impl Look {
    /// Takes over what another look has found out since.
    pub(super) fn merge(&mut self, other: Self) {
        let new = |(asked, _): &(Reference, Resolved)| !self.resolved.iter().any(|(known, _)| known == asked);
        let resolved: Vec<_> = other.resolved.into_iter().filter(new).collect();
        self.resolved.extend(resolved);
        self.kept.extend(other.kept);
        self.said.merge(other.said);
        let replaced =
            |known: &Fresh| other.fresh.iter().any(|fresh| fresh.evidence.digest == known.evidence.digest);
        self.fresh.retain(|known| !replaced(known));
        self.fresh.extend(other.fresh);
    }

    /// The evidence about `digest` that is worth keeping.
    pub(super) fn evidence(mut self, digest: &Digest, findings: &[Finding]) -> Option<Arc<Evidence>> {
        let fresh = self.fresh.into_iter().find(|fresh| fresh.evidence.digest == *digest);
        let Some(Fresh { mut evidence, .. }) = fresh else { return self.kept.remove(digest).flatten() };
        let held = findings.iter().filter(|finding| finding.outcome.is_ok());
        evidence.prefer(&held.map(|finding| finding.place.as_str()).collect());
        Some(Arc::new(evidence))
    }
}

/// A remembered verdict must not outlive a key that it may rest on.
pub(super) fn earliest_key_end(policy: &Policy, requirement: &Requirement) -> Option<jiff::Timestamp> {
    let now = jiff::Timestamp::now();
    let authenticators = requirement.authenticators().iter().filter_map(|name| policy.authenticator(name));
    let ends = authenticators.flat_map(|authenticator| authenticator.keys()).filter_map(|key| key.not_after);
    ends.filter(|end| *end > now).min()
}

/// What a requirement was met by.
pub(super) struct Judged {
    /// The fingerprints of the keys that counted.
    pub(super) keys: Vec<String>,
    /// When the first of the confirmations ends that it rests on.
    pub(super) until: Option<tokio::time::Instant>,
}

/// What one rule lets through.
pub(super) struct Passed {
    pub(super) reason: Reason,
    /// What it was found good as; nothing, if it was not looked at.
    pub(super) digest: Option<Digest>,
}

/// What is known of an image before anything attached to it is.
pub(super) fn unsigned_evidence(reference: &Reference, resolved: &Resolved) -> Evidence {
    Evidence {
        repository: reference.repository().clone(),
        digest: resolved.digest().clone(),
        media_type: resolved.media_type().to_owned(),
        document: resolved.bytes().clone(),
        images: Vec::new(),
        attachments: Vec::new(),
        names: vec![reference.to_string()],
        rule: String::new(),
        keys: Vec::new(),
        recorded: jiff::Timestamp::now(),
    }
}

/// The digests that the document of evidence leads to, as far as it can be read.
pub(super) fn listed(evidence: &Evidence) -> Vec<Digest> {
    let mut digests = vec![evidence.digest.clone()];
    match contents(&evidence.document, &evidence.media_type) {
        Ok(Contents::Index(listed)) => digests.extend(listed.into_iter().map(|listed| listed.digest)),
        Ok(Contents::Image(config)) => digests.push(config),
        Err(_) => {}
    }
    digests
}

/// What the registry was found to serve for the name.
pub(super) fn resolved(explanation: &Explanation) -> Option<Digest> {
    explanation.digest.as_deref().and_then(|digest| Digest::parse(digest).ok())
}
