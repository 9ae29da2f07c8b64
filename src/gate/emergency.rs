//! The way around the policy that only the owner of the node can open.

use super::{Explanation, Gate, Pinned, Question};
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
    let glass = gate.emergency.get()?.openings(now);
    let repository = reference.repository();
    let mut digest = reference.digest().cloned();
    let mut found = glass.opening_for(repository, digest.as_ref(), now);
    if found.is_none() && digest.is_none() && glass.has_digests(now) {
        let resolved = gate.registry.resolve(reference, &question.credentials);
        let begin = tokio::time::Instant::now();
        let resolved = tokio::time::timeout(gate.settings.timeout, resolved).await;
        explanation.steps.add(Step::Resolve, begin.elapsed());
        digest = Some(resolved.ok()?.ok()?.digest().clone());
        found = glass.opening_for(repository, digest.as_ref(), now);
    }
    let opening = found?;
    let label = format!("break-glass until {}: {}", opening.until, opening.reason);
    explanation.rule = Some(label.clone());
    explanation.digest = digest.as_ref().map(ToString::to_string);
    explanation.break_glass = true;
    Some(Pinned::admitted(reference, digest.as_ref(), &label, Reason::BreakGlass))
}
