//! Limits the rate and the concurrency of requests to a service.

use pullgate_net::rate_limiter::RateLimiter;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Bounds;

/// The limits of one service.
#[derive(Debug)]
pub(super) struct ServiceLimiter {
    concurrency: Semaphore,
    rate: RateLimiter,
}

impl ServiceLimiter {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            concurrency: Semaphore::new(bounds.concurrency.clamp(1, 1024)),
            rate: RateLimiter::per_second(bounds.rate),
        }
    }

    /// Waits for a permit. `None` if no permit is free before `end`.
    pub(super) async fn acquire(&self, end: Instant) -> Option<SemaphorePermit<'_>> {
        let permit = tokio::time::timeout_at(end, self.concurrency.acquire()).await.ok()?.ok()?;
        self.rate.acquire_before(end).await.then_some(permit)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn permits_are_limited_in_rate_and_number() {
        let bounds = Bounds { deadline: Duration::from_secs(1), rate: 10, concurrency: 2 };
        let limiter = ServiceLimiter::new(&bounds);
        let start = Instant::now();
        let late = start + Duration::from_secs(60);
        for _ in 0..11 {
            assert!(limiter.acquire(late).await.is_some());
        }
        assert_eq!(start.elapsed().as_secs(), 1);
        let held = (limiter.acquire(late).await, limiter.acquire(late).await);
        assert!(limiter.acquire(late).await.is_none());
        assert_eq!(Instant::now(), late);
        drop(held);
        assert!(limiter.acquire(late + Duration::from_secs(1)).await.is_some());
    }
}
