//! Counters of calls, pulls and refusals; logged with each refused call and when the daemon stops.

pub use pullgate_daemon::counter::Counter;

/// Counts since the daemon started. Updated from any thread without locks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that were forwarded unchanged.
    pub passed: Counter,
    /// Calls outside `runtime.v1`, answered with UNIMPLEMENTED.
    pub unimplemented: Counter,
    /// Calls of `runtime.v1` methods that are not known, answered with UNIMPLEMENTED.
    pub unknown_methods: Counter,
    pub admitted: Counter,
    pub refused: Counter,
    /// Images on the node that were answered as absent, or refused.
    pub withheld: Counter,
    /// Containers that were refused, including checkpoints.
    pub containers_refused: Counter,
}
