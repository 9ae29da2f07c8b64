//! Limits the rate of an operation.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Permits at regular intervals. Unused permits can be used later, up to the burst.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    burst: Duration,
    /// When the next permit would be due if every permit had been used.
    next: Mutex<Instant>,
}

impl RateLimiter {
    /// `rate` permits per second, without a burst.
    #[must_use]
    pub fn per_second(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, burst: Duration::ZERO, next: Mutex::new(Instant::now()) }
    }

    /// Allows a burst: unused permits of this duration can be used later.
    #[must_use]
    pub fn with_burst(self, burst: Duration) -> Self {
        Self { burst, ..self }
    }

    /// Waits for a permit.
    pub async fn acquire(&self) {
        if let Some(at) = self.reserve(None) {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Waits for a permit; returns `false` at once if there will be none before `end`. Then no permit is consumed, so
    /// that callers that give up do not delay later ones.
    pub async fn acquire_before(&self, end: Instant) -> bool {
        let Some(at) = self.reserve(Some(end)) else { return false };
        tokio::time::sleep_until(at).await;
        true
    }

    fn reserve(&self, end: Option<Instant>) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let at = now.checked_sub(self.burst).map_or(*next, |earliest| (*next).max(earliest));
        if end.is_some_and(|end| at.max(now) >= end) {
            return None;
        }
        *next = at + self.interval;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unused_permits_can_be_used_once() {
        let limiter = RateLimiter::per_second(10).with_burst(Duration::from_secs(1));
        let begin = Instant::now();
        for _ in 0..20 {
            limiter.acquire().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1900);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begin = Instant::now();
        for _ in 0..21 {
            limiter.acquire().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1000, "the burst is one second");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_burst_permits_are_evenly_spaced() {
        let limiter = RateLimiter::per_second(10);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begin = Instant::now();
        for _ in 0..11 {
            limiter.acquire().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_consume_no_permit() {
        let limiter = RateLimiter::per_second(1);
        let soon = Instant::now() + Duration::from_millis(1500);
        let mut permits = 0;
        for _ in 0..100 {
            permits += usize::from(limiter.acquire_before(soon).await);
        }
        assert_eq!(permits, 2, "only permits before the deadline");
        assert!(limiter.acquire_before(Instant::now() + Duration::from_millis(1500)).await);
    }
}
