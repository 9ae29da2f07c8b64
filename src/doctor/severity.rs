//! How bad a finding is.

use serde::{Deserialize, Serialize};

/// How bad a finding is; the last is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// The node enforces, but less than it could, or perhaps not for long.
    Warning,
    /// Whether the node enforces cannot be determined.
    Unknown,
    /// The node does not enforce.
    Error,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Unknown, Self::Warning, Self::Note, Self::Ok];

    /// The word in the output and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Error => "error",
        }
    }
}
