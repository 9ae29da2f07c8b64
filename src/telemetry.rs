//! What pullgate says about itself: logs, counters, and the one table of reason codes.

pub mod counters;
pub mod log;
pub mod reason;
pub mod steps;

pub use counters::Counters;
pub use reason::Reason;
pub use steps::{Step, Steps};
