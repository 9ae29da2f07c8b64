//! Exponential backoff: how long to wait before a retry.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Delays that double, from a first to a longest delay.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delay before retry number `retry`, from 0.
    #[must_use]
    pub fn delay(&self, retry: u32) -> Duration {
        let factor = 2_u32.checked_pow(retry).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// A random delay between half of it and all of it, so that callers that failed together do not retry together.
    #[must_use]
    pub fn jittered(&self, retry: u32) -> Duration {
        let half = self.delay(retry) / 2;
        half + half.mul_f64(random_fraction())
    }
}

/// A random delay within a quarter of `delay`, so that many callers with the same interval spread out.
#[must_use]
pub fn spread(delay: Duration) -> Duration {
    delay.mul_f64(0.75 + random_fraction() / 2.0)
}

/// A number from 0 to 1 from the random keys of a hasher. Not for secrets.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish() % 1000;
    f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_spread_by_a_quarter() {
        let hour = Duration::from_secs(3600);
        let spreads: Vec<Duration> = (0..50).map(|_| spread(hour)).collect();
        assert!(spreads.iter().all(|it| (hour * 3 / 4..=hour * 5 / 4).contains(it)), "{spreads:?}");
        assert!(spreads.iter().any(|it| *it != spreads[0]));
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
        for (retry, milliseconds) in [(0, 200), (1, 400), (3, 1600), (4, 2000), (40, 2000), (u32::MAX, 2000)]
        {
            assert_eq!(backoff.delay(retry), Duration::from_millis(milliseconds), "{retry}");
            let delay = backoff.delay(retry);
            let jittered: Vec<Duration> = (0..50).map(|_| backoff.jittered(retry)).collect();
            assert!(
                jittered.iter().all(|jittered| (delay / 2..=delay).contains(jittered)),
                "{retry}: {jittered:?}"
            );
            assert!(jittered.iter().any(|delay| *delay != jittered[0]), "{retry}");
        }
    }
}
