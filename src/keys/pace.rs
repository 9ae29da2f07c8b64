//! How often and how many at a time a service is asked.

use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Bounds;

/// Turns at one service, one after the other at even distances.
#[derive(Debug)]
pub(super) struct Pace {
    turns: Semaphore,
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            turns: Semaphore::new(bounds.concurrency.clamp(1, 1024)),
            interval: Duration::from_secs(1) / bounds.rate.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a turn, which ends when it is dropped. The caller bounds the time.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.turns.acquire().await.ok()?;
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            *next = at + self.interval;
            at
        };
        tokio::time::sleep_until(at).await;
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_are_apart_and_bounded() {
        let bounds = Bounds { deadline: Duration::from_secs(1), rate: 10, concurrency: 2 };
        let pace = Pace::new(&bounds);
        let start = Instant::now();
        for _ in 0..11 {
            drop(pace.turn().await);
        }
        assert_eq!(start.elapsed().as_secs(), 1);
        let held = (pace.turn().await, pace.turn().await);
        assert!(tokio::time::timeout(Duration::from_secs(60), pace.turn()).await.is_err());
        drop(held);
        assert!(pace.turn().await.is_some());
    }
}
