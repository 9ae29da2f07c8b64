//! The requests that reached a registry.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Recorded, State};

/// A view of what a registry was asked and what it answered, as long as it runs and after.
#[derive(Clone)]
pub struct Log(pub(super) Arc<State>);

impl Log {
    /// All requests, in the order in which they came.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.requests.lock().unwrap().clone()
    }

    /// Bytes of bodies that were handed to connections.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// The tokens that its token service gave.
    pub fn tokens(&self) -> Vec<String> {
        self.0.tokens.lock().unwrap().keys().cloned().collect()
    }
}
