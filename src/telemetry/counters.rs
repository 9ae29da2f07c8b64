//! Counters of what crossed and what did not; written to the log with each refused call and when the daemon stops.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// One count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one and gives the new count.
    pub fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds so many.
    pub fn add_all(&self, count: usize) {
        self.0.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The count now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
