//! How a decision came about: for the log, and for `pullgate verify`.

use super::{Finding, Refusal};
use crate::telemetry::{Reason, Steps};

/// What was looked at on the way to a decision. Filled in as far as the way went.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The image as containerd names it.
    pub reference: Option<String>,
    /// The rule that speaks for it, with file and line.
    pub rule: Option<String>,
    /// What the rule requires, in words.
    pub required: Option<String>,
    /// The digest of the bytes that the registry served.
    pub digest: Option<String>,
    /// The image for this node's platform that its index names, where that one was looked at.
    pub platform_digest: Option<String>,
    /// The media type of those bytes.
    pub media_type: Option<String>,
    /// Whether the signatures had been checked before, for the same digest, name and policy.
    pub known: bool,
    /// Whether evidence in the ledger sufficed, so that the registry was not asked for signatures.
    pub evidence: bool,
    /// What became of each signature.
    pub findings: Vec<Finding>,
    /// What could not be read, and warnings about the way to the registry.
    pub problems: Vec<String>,
    /// What rules in audit mode would have refused, had they been enforced.
    pub audited: Vec<Refusal>,
    /// Whether an opening for an emergency let it through.
    pub break_glass: bool,
    /// The reason of the decision.
    pub reason: Option<Reason>,
    /// The time spent.
    pub steps: Steps,
}

/// How many problems are told about. Anyone who may push decides how many there are.
const MAX_PROBLEMS: usize = 16;

impl Explanation {
    /// Takes over what part of the way was explained by itself, for several questions at once.
    pub(super) fn merge(&mut self, part: Self) {
        self.digest = self.digest.take().or(part.digest);
        self.media_type = self.media_type.take().or(part.media_type);
        self.known |= part.known;
        self.evidence |= part.evidence;
        self.findings.extend(part.findings);
        self.note(part.problems);
        self.steps.merge(&part.steps);
    }

    /// Notes problems, the first few by their words and the rest by their number.
    pub(super) fn note(&mut self, problems: impl IntoIterator<Item = String>) {
        let mut problems = problems.into_iter();
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(problems.by_ref().take(room));
        let more = problems.count();
        if more > 0 {
            self.problems.push(format!("{more} more problems of the same kind"));
        }
    }
}
