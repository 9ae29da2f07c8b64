//! Holds traffic between two parts of a node.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::process::LIMIT;

type Wanted = Box<dyn Fn(&str) -> bool + Send>;

/// Clones share their state.
#[derive(Clone, Default)]
pub struct Hold(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Option<Wanted>,
    reached: bool,
}

impl Hold {
    /// Holds everything that `wanted` matches, until [`Self::release`].
    pub fn arm(&self, wanted: impl Fn(&str) -> bool + Send + 'static) {
        *self.state() = State { wanted: Some(Box::new(wanted)), reached: false };
    }

    /// Waits until something is held.
    ///
    /// # Panics
    /// On a timeout.
    pub fn reached(&self, what: &str) {
        let waited = self.0.changed.wait_timeout_while(self.state(), LIMIT, |state| !state.reached);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.reached, "{what}: nothing came this way");
    }

    /// Releases what is held, and lets everything pass from now on.
    pub fn release(&self) {
        *self.state() = State::default();
        self.0.changed.notify_all();
    }

    /// Waits if `what` is to be held. With a limit: a failed test does not release it.
    pub(super) fn pass(&self, what: &str) {
        let mut state = self.state();
        if !state.wanted.as_ref().is_some_and(|wanted| wanted(what)) {
            return;
        }
        state.reached = true;
        self.0.changed.notify_all();
        let _ = self.0.changed.wait_timeout_while(state, LIMIT, |state| state.wanted.is_some());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
