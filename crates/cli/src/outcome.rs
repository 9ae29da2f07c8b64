//! Outcomes of a run and their exit codes.

use std::process::ExitCode;

/// The outcome of a run. For several images, it is the greatest in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Admitted, or no findings.
    Success,
    /// No decision, because a registry or the runtime cannot be reached.
    Undetermined,
    /// Refused, or findings present.
    Refused,
    /// The command line or the configuration is invalid, or the output cannot be written.
    Usage,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Success => 0,
            Outcome::Refused => 1,
            Outcome::Usage => 2,
            Outcome::Undetermined => 3,
        })
    }
}
