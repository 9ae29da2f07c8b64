//! A cooldown of a service that does not answer.
//!
//! A caller that waits for such a service holds a worker, so during the cooldown nobody asks the service, and after it one caller
//! asks first.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pullgate_net::backoff::Backoff;
use tokio::time::Instant;

/// The first cooldown is one second; each further one is twice as long, up to one minute.
const DELAYS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// What is known about a service, shared by all its callers.
#[derive(Debug, Default)]
pub struct Cooldown {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// The end of the last cooldown.
    until: Option<Instant>,
    /// Whether a caller asks for the first time after a cooldown.
    is_probed: bool,
}

/// The permission to ask the service once.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    cooldown: &'a Cooldown,
    is_probe: bool,
}

impl Cooldown {
    /// A turn, unless the service is in a cooldown, or another caller has the first turn after it.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if state.is_cooling() {
            return None;
        }
        let is_probe = state.failures > 0;
        if is_probe && std::mem::replace(&mut state.is_probed, true) {
            return None;
        }
        Some(Turn { cooldown: self, is_probe })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_cooling(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

impl Turn<'_> {
    /// Notes whether the service answered.
    pub(super) fn end(self, answered: bool) {
        let mut state = self.cooldown.lock();
        if answered {
            (state.failures, state.until) = (0, None);
        } else if !state.is_cooling() {
            // Callers that failed together count once.
            state.until = Some(Instant::now() + DELAYS.delay(state.failures));
            state.failures = state.failures.saturating_add(1);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.cooldown.lock().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_cooldown_one_caller_asks_first() {
        let cooldown = Cooldown::default();
        let failing: Vec<_> = (0..3).map(|_| cooldown.turn().unwrap()).collect();
        failing.into_iter().for_each(|turn| turn.end(false));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(cooldown.turn().is_none(), "{seconds}");
            tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert!(cooldown.turn().is_none(), "{seconds}");
            tokio::time::advance(Duration::from_millis(1)).await;
            let probe = cooldown.turn().unwrap();
            assert!(cooldown.turn().is_none(), "{seconds}: another one asks");
            // A caller that gives up lets the next one ask.
            drop(probe);
            cooldown.turn().unwrap().end(false);
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        cooldown.turn().unwrap().end(true);
        let together = [cooldown.turn(), cooldown.turn()];
        assert!(together.iter().all(Option::is_some), "it answers again");
    }
}
