//! A histogram of durations that any thread can add to without a lock.
//!
//! The histogram of prometheus-client is behind a mutex: a scrape on a busy machine could stop the thread that serves calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// The upper bounds of the buckets, in milliseconds: from a cached verdict to the longest pull.
const BOUNDS: [u64; 13] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000];

/// Durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    microseconds: AtomicU64,
}

/// The state of a [`Histogram`] at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Each bucket's upper bound in seconds, and how many durations are in it and no lower one.
    buckets: Vec<(f64, u64)>,
    count: u64,
    seconds: f64,
}

impl Histogram {
    pub fn observe(&self, duration: Duration) {
        let is_within = |bound: &u64| duration <= Duration::from_millis(*bound);
        let bucket = BOUNDS.iter().position(is_within).and_then(|at| self.buckets.get(at));
        bucket.unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let seconds = BOUNDS.map(|bound| Duration::from_millis(bound).as_secs_f64());
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = seconds.into_iter().zip(counts).collect();
        let below: u64 = buckets.iter().map(|(_, count)| count).sum();
        Snapshot {
            buckets,
            count: below + self.above.load(Ordering::Relaxed),
            seconds: Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl Snapshot {
    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        encoder.encode_histogram::<NoLabelSet>(self.seconds, self.count, &self.buckets, None)
    }
}
