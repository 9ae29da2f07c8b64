//! Measured times.

use std::time::{Duration, Instant};

/// Times of one kind of call, in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Adds the time that `work` takes, and returns its result.
    pub(crate) async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let result = work.await;
        self.push(begin.elapsed());
        result
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Duration {
        self.quantile(50)
    }

    /// The smallest sample that `percent` of all samples do not exceed (nearest rank).
    pub(crate) fn quantile(&self, percent: usize) -> Duration {
        assert!(!self.0.is_empty(), "nothing was measured");
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted[rank - 1]
    }
}

/// The same calls at both sockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) direct: Samples,
    pub(crate) proxied: Samples,
}

impl Pair {
    /// The proxied median divided by the direct one.
    pub(crate) fn ratio(&self) -> f64 {
        ratio(&self.proxied, &self.direct)
    }
}

/// One median divided by the other.
pub(crate) fn ratio(these: &Samples, others: &Samples) -> f64 {
    these.median().as_secs_f64() / others.median().as_secs_f64()
}

/// By how much one median is longer than the other.
pub(crate) fn added(these: &Samples, others: &Samples) -> Duration {
    these.median().saturating_sub(others.median())
}
