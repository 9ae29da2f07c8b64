//! Counters of what crossed and what did not; written to the log with each refused call and when the daemon stops.

pub use pullgate_daemon::counter::Counter;

/// Counts since the daemon started. Cheap to update from anywhere.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls handed on untouched.
    pub passed: Counter,
    /// Calls outside `runtime.v1`, answered UNIMPLEMENTED.
    pub unimplemented: Counter,
    /// Pulls admitted.
    pub admitted: Counter,
    /// Pulls refused, whatever the reason.
    pub refused: Counter,
    /// Images that are present and were answered as absent, or refused.
    pub withheld: Counter,
    /// Containers refused, and checkpoints.
    pub containers_refused: Counter,
}
