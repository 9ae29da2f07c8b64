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

    /// Waits for a turn, which ends when it is dropped. `None` where there is none before `end`: who could not wait for it
    /// takes none, so that a crowd that gives up keeps nobody who comes later waiting.
    pub(super) async fn turn(&self, end: Instant) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout_at(end, self.turns.acquire()).await.ok()?.ok()?;
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            if at >= end {
                return None;
            }
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
        let late = start + Duration::from_secs(60);
        for _ in 0..11 {
            assert!(pace.turn(late).await.is_some());
        }
        assert_eq!(start.elapsed().as_secs(), 1);
        let held = (pace.turn(late).await, pace.turn(late).await);
        assert!(pace.turn(late).await.is_none());
        assert_eq!(Instant::now(), late);
        drop(held);
        assert!(pace.turn(late + Duration::from_secs(1)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_gives_up_keeps_nobody_waiting() {
        let bounds = Bounds { deadline: Duration::from_secs(1), rate: 1, concurrency: 2 };
        let pace = Pace::new(&bounds);
        let soon = Instant::now() + Duration::from_millis(1500);
        let mut got = 0;
        for _ in 0..100 {
            got += usize::from(pace.turn(soon).await.is_some());
        }
        assert_eq!(got, 2, "those that there is time for");
        let later = Instant::now() + Duration::from_millis(1500);
        assert!(pace.turn(later).await.is_some());
    }
}
