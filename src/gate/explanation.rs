//! The explanation of a decision: for the log, and for `pullgate verify`.

use super::{Finding, Refusal};
use crate::telemetry::{Reason, Steps};

/// The steps that led to a decision, as far as it went. Written only: no decision reads it.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The image as containerd names it.
    pub reference: Option<String>,
    /// The rule that applies to it, with file and line.
    pub rule: Option<String>,
    /// What the rule requires, in words.
    pub required: Option<String>,
    /// The digest of the bytes that the registry served.
    pub digest: Option<String>,
    /// The image for this node's platform that its index names, if it was evaluated.
    pub platform_digest: Option<String>,
    /// The media type of those bytes.
    pub media_type: Option<String>,
    /// Whether the verdict was cached, for the same digest, name and policy.
    pub known: bool,
    /// Whether evidence in the ledger sufficed, so that no signatures were fetched.
    pub evidence: bool,
    /// The result for each signature.
    pub findings: Vec<Finding>,
    /// What could not be read, and warnings about the registry's configuration.
    pub problems: Vec<String>,
    /// The refusals of rules in audit mode.
    pub audited: Vec<Refusal>,
    /// Whether a break-glass exception admitted it.
    pub break_glass: bool,
    /// The reason of the decision.
    pub reason: Option<Reason>,
    /// The time spent.
    pub steps: Steps,
}

/// How many problems are reported. Anyone who can push can cause any number.
const MAX_PROBLEMS: usize = 16;

impl Explanation {
    /// Merges the explanation of work that several requests shared.
    pub(super) fn merge(&mut self, part: Self) {
        self.digest = self.digest.take().or(part.digest);
        self.media_type = self.media_type.take().or(part.media_type);
        self.known |= part.known;
        self.evidence |= part.evidence;
        self.findings.extend(part.findings);
        self.note(part.problems);
        self.steps.merge(&part.steps);
    }

    /// Adds problems: the first few as text, the rest as a count.
    pub(super) fn note(&mut self, problems: impl IntoIterator<Item = String>) {
        let mut problems = problems.into_iter();
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(problems.by_ref().take(room));
        let more = problems.count();
        if more > 0 {
            self.problems.push(format!("{more} more problems"));
        }
    }
}
