//! Limits how often something is done.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Permits at even distances. Permits that were not taken can be taken later, as far as the burst goes.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    burst: Duration,
    /// When the next permit would be if none had been left out.
    next: Mutex<Instant>,
}

impl RateLimiter {
    /// So many permits a second, without a burst.
    #[must_use]
    pub fn per_second(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, burst: Duration::ZERO, next: Mutex::new(Instant::now()) }
    }

    /// The same with a burst: the permits of this time can be made up for.
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

    /// Waits for a permit, and returns whether there was one before `end`. A caller that could not wait for its permit takes
    /// none, so that callers that give up do not delay those that come later.
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
    async fn a_burst_is_made_up_for_once() {
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
        assert_eq!(begin.elapsed().as_millis(), 1000, "a second is made up for, and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_burst_permits_are_apart() {
        let limiter = RateLimiter::per_second(10);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begin = Instant::now();
        for _ in 0..11 {
            limiter.acquire().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_delay_nobody() {
        let limiter = RateLimiter::per_second(1);
        let soon = Instant::now() + Duration::from_millis(1500);
        let mut permits = 0;
        for _ in 0..100 {
            permits += usize::from(limiter.acquire_before(soon).await);
        }
        assert_eq!(permits, 2, "those that there is time for");
        assert!(limiter.acquire_before(Instant::now() + Duration::from_millis(1500)).await);
    }
}
