//! One finding, as it is shown and sent to the daemon.

use serde::{Deserialize, Serialize};

use super::{Diagnosis, Severity};
use pullgate_core::untrusted::sanitize_to;

/// Maximum length of the evidence of a finding, in bytes.
const MAX_EVIDENCE_BYTES: usize = 400;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The stable code of the diagnosis.
    pub id: String,
    pub severity: Severity,
    /// What the code means.
    pub meaning: String,
    /// What was seen on this node.
    pub evidence: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// A diagnosis with its evidence, which may be untrusted text of several lines.
    #[must_use]
    pub fn new(diagnosis: Diagnosis, evidence: &str) -> Self {
        let lines = evidence.lines().map(str::trim).filter(|line| !line.is_empty());
        Self {
            id: diagnosis.code().to_owned(),
            severity: diagnosis.severity(),
            meaning: diagnosis.meaning().to_owned(),
            evidence: sanitize_to(&lines.collect::<Vec<_>>().join("; "), MAX_EVIDENCE_BYTES),
            advice: diagnosis.advice().to_owned(),
        }
    }
}
