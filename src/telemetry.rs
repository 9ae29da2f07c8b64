//! Telemetry: logs, counters and the table of reason codes.

pub mod counters;
pub mod decisions;
pub mod reason;
pub mod steps;

pub use counters::Counters;
pub use pullgate_daemon::log;
pub use reason::{Cause, Kind, Reason};
pub use steps::{Step, Steps};
