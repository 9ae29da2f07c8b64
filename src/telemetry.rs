//! What pullgate says about itself: logs, counters, and the one table of reason codes.

pub mod counters;
pub mod log;
pub mod reason;
pub mod steps;

pub use counters::Counters;
pub use reason::Reason;
pub use steps::{Step, Steps};

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
