//! What is found out on the way of one question.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::quorum::Confirmations;
use super::{Explanation, Finding};
use crate::digest::Digest;
use crate::ledger::Evidence;
use crate::policy::{Policy, Requirement};
use crate::reference::Reference;
use crate::registry::{Collected, ImageRefs, Resolved, parse_refs};
use crate::telemetry::Reason;

/// What has been found out for one question, so that each rule looks at the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// What the registry serves for each name that was looked up.
    pub(super) resolved: Vec<(Reference, Resolved)>,
    /// What the ledger has for each digest.
    pub(super) kept: BTreeMap<Digest, Option<Arc<Evidence>>>,
    /// What the registry has for each digest.
    pub(super) fresh: Vec<Fetched>,
    /// What services of keys have said.
    pub(super) said: Confirmations,
}

/// What the registry has, and what of that could not be read.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) evidence: Evidence,
    pub(super) collected: Collected,
}

impl Facts {
    /// Takes over what another look has found out since.
    pub(super) fn merge(&mut self, other: Self) {
        let new = |(asked, _): &(Reference, Resolved)| !self.resolved.iter().any(|(known, _)| known == asked);
        let resolved: Vec<_> = other.resolved.into_iter().filter(new).collect();
        self.resolved.extend(resolved);
        self.kept.extend(other.kept);
        self.said.merge(other.said);
        let replaced =
            |known: &Fetched| other.fresh.iter().any(|fresh| fresh.evidence.digest == known.evidence.digest);
        self.fresh.retain(|known| !replaced(known));
        self.fresh.extend(other.fresh);
    }

    /// The evidence about `digest` that is worth keeping.
    pub(super) fn evidence(mut self, digest: &Digest, findings: &[Finding]) -> Option<Arc<Evidence>> {
        let fresh = self.fresh.into_iter().find(|fresh| fresh.evidence.digest == *digest);
        let Some(Fetched { mut evidence, .. }) = fresh else { return self.kept.remove(digest).flatten() };
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
pub(super) struct Satisfaction {
    /// The fingerprints of the keys that counted.
    pub(super) keys: Vec<String>,
    /// When the first of the confirmations ends that it rests on.
    pub(super) until: Option<tokio::time::Instant>,
}

/// What one rule lets through.
pub(super) struct RuleOutcome {
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
    match parse_refs(&evidence.document, &evidence.media_type) {
        Ok(ImageRefs::Index(listed)) => digests.extend(listed.into_iter().map(|listed| listed.digest)),
        Ok(ImageRefs::Image(config)) => digests.push(config),
        Err(_) => {}
    }
    digests
}

/// What the registry was found to serve for the name.
pub(super) fn resolved(explanation: &Explanation) -> Option<Digest> {
    explanation.digest.as_deref().and_then(|digest| Digest::parse(digest).ok())
}

#[cfg(test)]
mod tests {
    use pkcs8::EncodePublicKey;

    use super::*;
    use crate::policy::{Action, Rule, Scope};
    use crate::trust::{Algorithm, Authenticator, Key, PssSalt, PublicKey};

    /// A key that is different for each number, and ends in so many seconds.
    fn key(number: u8, ends: Option<i64>) -> Key {
        let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
        let pem = secret.public_key().to_public_key_pem(pkcs8::LineEnding::LF).unwrap();
        let public = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let now = jiff::Timestamp::now();
        let not_after = ends.map(|seconds| now + jiff::SignedDuration::from_secs(seconds));
        Key { public, not_before: None, not_after, origin: format!("{number}.pem"), remote: None }
    }

    #[test]
    fn what_rests_on_keys_ends_with_the_first_of_them_that_is_to_end() {
        for (ends, expected) in [
            (vec![None], None),
            (vec![None, Some(500)], Some(500)),
            (vec![Some(900), Some(500)], Some(500)),
            // One that has ended counts no more, and ends nothing.
            (vec![Some(-5), Some(900)], Some(900)),
            (vec![Some(-5)], None),
        ] {
            let keys: Vec<_> = (1..).zip(&ends).map(|(number, ends)| key(number, *ends)).collect();
            let wanted = keys.iter().zip(&ends).find(|(_, ends)| **ends == expected && expected.is_some());
            let wanted = wanted.and_then(|(key, _)| key.not_after);
            let requirement = Requirement::all(vec!["release".to_owned()]).unwrap();
            let action = Action::Require(requirement.clone());
            let policy = Policy::new(
                Rule::new(String::new(), Scope::parse("**").unwrap(), action),
                Vec::new(),
                vec![
                    Authenticator::new("release".to_owned(), keys).unwrap(),
                    // Nobody asks for this one.
                    Authenticator::new("other".to_owned(), vec![key(99, Some(60))]).unwrap(),
                ],
            );
            assert_eq!(earliest_key_end(&policy.unwrap(), &requirement), wanted, "{ends:?}");
        }
    }
}
