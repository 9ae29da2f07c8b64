//! Telemetry: logs, counters and the table of reason codes.

pub mod counters;
pub mod decisions;
pub mod reason;
pub mod steps;

pub use counters::Counters;
use jiff::Timestamp;
pub use pullgate_daemon::log;
pub use reason::{Cause, Kind, Reason};
pub use steps::{Step, Steps};

/// A time as it is shown and recorded: without a fraction of a second.
#[must_use]
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
