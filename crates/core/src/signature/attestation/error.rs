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
    #[error("{field} is {found}, required is {wanted}")]
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
        "build type {found} is not one whose source is known, and it does not name exactly one Git repository"
    )]
    UnknownSource { found: Quoted },
    #[error(
        "source {found} does not show which repository and ref it is: it has a query, or several `@` or `#`"
    )]
    AmbiguousSource { found: Quoted },
    /// The scan found something that is too severe.
    #[error("{id} is {severity}, {limit} is allowed{}", more(*others))]
    Vulnerable {
        id: Quoted,
        severity: Severity,
        limit: SeverityLimit,
        /// How many others there are.
        others: usize,
    },
    #[error("time of the statement is {found}, not one such as 2027-01-01T00:00:00Z")]
    Time { found: String },
    #[error("nothing that is signed shows when the statement was made")]
    NoTime,
    #[error("statement was made at {time}, which has not come")]
    Future { time: Timestamp },
    #[error("statement was made at {time}, more than {max_age} ago")]
    Stale {
        time: Timestamp,
        /// As the policy writes it.
        max_age: String,
    },
    #[error("statement was made at {time}; a newer one, of {newest}, counts instead")]
    Older { time: Timestamp, newest: Timestamp },
    #[error("another statement of the same time, {time}, does not meet the condition")]
    Contradicted { time: Timestamp },
    #[error("statement was made at {time}; another one, whose time is not known, counts instead")]
    OlderThanUnknown { time: Timestamp },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", and {others} others are too severe") }
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
