//! What pullgate says about itself: logs, counters, and the one table of reason codes.

pub mod counters;
pub mod reason;
pub mod steps;

pub use counters::Counters;
pub use pullgate_daemon::log;
pub use reason::Reason;
pub use steps::{Step, Steps};
