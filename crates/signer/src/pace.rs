//! How often a key signs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Turns at a steady rate; those of a second that were not taken may be made up for.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next turn would be if none had been left out.
    next: Mutex<Instant>,
}

/// How much may be made up for.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// So many turns in a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = now.checked_sub(BURST).map_or(*next, |earliest| (*next).max(earliest));
            *next = turn + self.interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_are_no_more_turns_than_that() {
        let pace = Pace::new(10);
        let begin = Instant::now();
        for _ in 0..20 {
            pace.turn().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1900);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begin = Instant::now();
        for _ in 0..21 {
            pace.turn().await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1000, "a second is made up for, and no more");
    }
}
