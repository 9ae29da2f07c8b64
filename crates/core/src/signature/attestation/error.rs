//! Why a valid attestation does not meet a condition.

use jiff::Timestamp;

use super::super::{Fault, FieldError};
use super::{Severity, SeverityLimit};
use crate::untrusted::Quoted;

/// Why a statement that was verified does not meet a condition. The messages do not change with the time of the check: a
/// refusal has the same text at every attempt.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum Unmet {
    #[error("predicate is malformed: {0}")]
    Malformed(#[from] FieldError),
    /// A field has another value, or is missing.
    #[error("{field} is {found}, but the policy requires {wanted}")]
    Field {
        /// Its place in the predicate.
        field: String,
        wanted: String,
        /// The value, quoted, or what there is instead.
        found: String,
    },
    /// The predicate does not show what the condition asks about.
    #[error("{0}")]
    Unreadable(&'static str),
    #[error(
        "build type {found} is not supported, and the predicate does not name exactly one Git repository as source"
    )]
    UnknownSource { found: Quoted },
    #[error(
        "source {found} does not name one repository and ref: the URI has a query, or more than one `@` or `#`"
    )]
    AmbiguousSource { found: Quoted },
    /// The scan found something that is too severe.
    #[error("{id} has severity {severity}, but the policy allows {limit}{}", more(*others))]
    Vulnerable {
        id: Quoted,
        severity: Severity,
        limit: SeverityLimit,
        /// How many others there are.
        others: usize,
    },
    #[error("time of the attestation is {found}; expected a time such as 2027-01-01T00:00:00Z")]
    Time { found: String },
    #[error("attestation has no signed time, so pullgate cannot know its age")]
    NoTime,
    #[error("time of the attestation, {time}, is in the future; check this node's clock")]
    Future { time: Timestamp },
    #[error("attestation was made at {time}, more than {max_age} ago (`max-age`)")]
    Stale {
        time: Timestamp,
        /// As the policy writes it.
        max_age: String,
    },
    #[error("attestation was made at {time}; a newer attestation, made at {newest}, counts instead")]
    Older { time: Timestamp, newest: Timestamp },
    #[error("another attestation with the same time, {time}, does not meet the condition")]
    Contradicted { time: Timestamp },
    #[error("attestation was made at {time}; another attestation, whose time is not known, counts instead")]
    OlderThanUnknown { time: Timestamp },
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", and 1 other vulnerability also exceeds the limit".to_owned(),
        _ => format!(", and {others} other vulnerabilities also exceed the limit"),
    }
}

impl Unmet {
    /// What of it has a reason code; `None` where another statement decides.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Older { .. } | Self::OlderThanUnknown { .. } | Self::Contradicted { .. } => None,
            Self::Stale { .. } | Self::NoTime | Self::Future { .. } | Self::Time { .. } => Some(Fault::Stale),
            _ => Some(Fault::NotMet),
        }
    }
}
