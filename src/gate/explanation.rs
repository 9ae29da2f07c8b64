//! How a decision came about: for the log, and for `pullgate verify`.

use super::Refusal;
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

/// What became of one signature under one authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the signature was found.
    pub place: String,
    /// The authenticator it was tried with.
    pub authenticator: String,
    /// The fingerprint of the key that verified it, or why none did.
    pub outcome: Result<String, String>,
}
