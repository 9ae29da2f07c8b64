//! What a connection does: calls under way, and when the last one ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

/// What all connections of a listener share.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Numbers events in their order.
    count: AtomicU64,
    /// Notified when a connection has ended, or has no call any more.
    pub(super) freed: Notify,
}

impl Events {
    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

/// The calls of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    events: Arc<Events>,
    calls: watch::Sender<usize>,
    last_used: AtomicU64,
    is_closed: AtomicBool,
    is_marked: AtomicBool,
    closing: Notify,
}

impl Activity {
    pub(super) fn new(events: Arc<Events>) -> Self {
        let last_used = AtomicU64::new(events.next());
        let calls = watch::Sender::new(0);
        let (is_closed, is_marked) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { events, calls, last_used, is_closed, is_marked, closing: Notify::new() }
    }

    /// When the connection was last used; `None` while it has calls.
    pub(super) fn idle_since(&self) -> Option<u64> {
        (*self.calls.borrow() == 0).then(|| self.last_used.load(Ordering::Relaxed))
    }

    /// The number of calls under way, and its changes.
    pub(super) fn calls(&self) -> watch::Receiver<usize> {
        self.calls.subscribe()
    }

    /// Asks for the end of the connection: its place is taken.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.closing.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn mark(&self) {
        self.is_marked.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Relaxed)
    }

    /// Resolves after [`Self::close`].
    pub(super) async fn closed(&self) {
        if !self.is_closed() {
            self.closing.notified().await;
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.events.freed.notify_waiters();
    }
}

/// A call under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Call(Arc<Activity>);

impl Call {
    pub(super) fn begin(activity: Arc<Activity>) -> Self {
        activity.calls.send_modify(|calls| *calls = calls.saturating_add(1));
        Self(activity)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.last_used.store(self.0.events.next(), Ordering::Relaxed);
        self.0.calls.send_modify(|calls| *calls = calls.saturating_sub(1));
        self.0.events.freed.notify_waiters();
    }
}
