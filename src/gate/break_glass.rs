//! The way around the policy that only the owner of the node can open.

use std::sync::Arc;

use super::present::{is_id, names};
use super::{Explanation, Gate, Pinned, Present, PresentVerdict, Question, facts, provenance};
use crate::digest::Digest;
use crate::policy::ExceptionTarget;
use crate::reference::Reference;
use crate::telemetry::{Reason, Step};

/// The image, if an opening is for it. That is asked before anything else, so that an opening shows in the record also
/// where the image would have been admitted anyway, and works while there is no usable policy.
///
/// An opening for a digest pins a tag to it; one for a scope lets the name through as it is. A registry that does not
/// say what a tag stands for opens nothing.
pub(super) async fn opened(
    gate: &Gate,
    question: &Question,
    reference: &Reference,
    explanation: &mut Explanation,
) -> Option<Pinned> {
    let now = jiff::Timestamp::now();
    let glass = gate.break_glass.get()?.exceptions(now);
    let repository = reference.repository();
    let mut digest = reference.digest().cloned();
    let mut found = glass.exception_for(repository, digest.as_ref(), now);
    let mut evidence = None;
    let by_digest = found.is_some_and(|exception| matches!(exception.what, ExceptionTarget::Digest(_)));
    if by_digest || found.is_none() && digest.is_none() && glass.has_digests(now) {
        let resolved = gate.registry.resolve(reference, &question.credentials);
        let begin = tokio::time::Instant::now();
        let resolved = tokio::time::timeout(gate.settings.timeout, resolved).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        match resolved.ok().and_then(Result::ok) {
            Some(resolved) => {
                digest = Some(resolved.digest().clone());
                // So that the image is known on the node for what was opened.
                evidence = Some(Arc::new(facts::unsigned_evidence(reference, &resolved)));
            }
            None if by_digest => {}
            None => return None,
        }
        found = glass.exception_for(repository, digest.as_ref(), now);
    }
    let exception = found?;
    let label = format!("break-glass until {}: {}", exception.until, exception.reason);
    explanation.rule = Some(label.clone());
    explanation.digest = digest.as_ref().map(ToString::to_string);
    explanation.break_glass = true;
    let pinned = Pinned::admitted(reference, digest.as_ref(), &label, Reason::BreakGlass);
    Some(pinned.with_evidence(evidence))
}

/// The image, if an opening for an emergency is for it: for its name, for its id, or for a digest that leads to it.
pub(super) fn present_exception(gate: &Gate, asked: &str, present: &Present) -> Option<PresentVerdict> {
    let now = jiff::Timestamp::now();
    let glass = gate.break_glass.get()?.exceptions(now);
    if !glass.is_open(now) {
        return None;
    }
    let id = Digest::parse(&present.id).ok()?;
    let mut known = vec![id.clone()];
    if glass.has_digests(now) {
        let found = gate.ledger.places(&id).into_iter().filter_map(|place| gate.ledger.find(&place));
        known
            .extend(found.filter(|found| provenance::leads_to(found, &id)).map(|found| found.digest.clone()));
    }
    let names = names(present);
    let reference = Reference::parse(asked).ok();
    // An id is no name, though it can be read as one; then the image's own names speak.
    let by_id = is_id(asked, &id, &names);
    let speaking: Vec<&Reference> = if by_id { names.iter().collect() } else { reference.iter().collect() };
    // A name lets through what it says alone; what the image is lets it through under every name.
    let by_name =
        speaking.iter().find_map(|name| Some((glass.exception_for(name.repository(), None, now)?, *name)));
    let by_digest = || known.iter().find_map(|digest| Some((glass.exception_of(digest, now)?, digest)));
    let (exception, name, digest) = match by_name {
        Some((exception, name)) => (exception, name, None),
        None => {
            let (exception, digest) = by_digest()?;
            let name = speaking.first().copied().or(reference.as_ref())?;
            (exception, name, Some(digest).filter(|digest| **digest != id))
        }
    };
    let repository = name.repository().clone();
    let rule = format!("break-glass until {}: {}", exception.until, exception.reason);
    Some(PresentVerdict::opened(repository, digest.cloned(), rule))
}
