//! The requests that reached a registry.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Recorded, State};

/// The requests and responses of a registry, while it runs and after.
#[derive(Clone)]
pub struct Log(pub(super) Arc<State>);

impl Log {
    /// All requests in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.requests.lock().unwrap().clone()
    }

    /// Bytes of response bodies that were written.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// The tokens of its token service.
    pub fn tokens(&self) -> Vec<String> {
        self.0.tokens.lock().unwrap().keys().cloned().collect()
    }
}
