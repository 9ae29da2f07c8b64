//! How severe a vulnerability is, in the words of scanners.

use std::fmt;

/// A severity, from the least to the most severe. What a scanner does not know counts as the most severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Only grype has it.
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
    /// The scanner does not know.
    Unknown,
}

impl Severity {
    const ALL: [Self; 6] =
        [Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical, Self::Unknown];

    fn name(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// The severity in a report: trivy writes `HIGH`, grype `High`.
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The most severe vulnerability that an image may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeverityLimit {
    /// None at all.
    None,
    /// At most this one.
    AtMost(Severity),
}

impl SeverityLimit {
    /// All that a policy may set. An unknown severity is above all of them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::AtMost(Severity::Negligible),
        Self::AtMost(Severity::Low),
        Self::AtMost(Severity::Medium),
        Self::AtMost(Severity::High),
        Self::AtMost(Severity::Critical),
    ];

    /// The word in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::AtMost(severity) => severity.name(),
        }
    }

    pub(super) fn allows(self, severity: Severity) -> bool {
        match self {
            Self::None => false,
            Self::AtMost(most) => severity <= most,
        }
    }
}

impl fmt::Display for SeverityLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::AtMost(severity) => write!(f, "at most {severity}"),
        }
    }
}
