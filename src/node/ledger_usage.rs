//! Counting the entries of the ledger, for status and metrics.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::ledger::{Ledger, Usage};

/// How long to wait for the count: counting a million entries, or waiting for a disk, must not delay an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Counts one at a time: who asks again waits for the count under way.
#[derive(Debug, Default)]
pub(super) struct LedgerUsage(Mutex<Option<JoinHandle<Option<Usage>>>>);

impl LedgerUsage {
    /// How much is on disk; `None` without a disk, or if that is not known in time.
    pub(super) async fn count(&self, ledger: &Arc<Ledger>) -> Option<Usage> {
        let counted = async {
            let mut running = self.0.lock().await;
            let ledger = Arc::clone(ledger);
            let count = running.get_or_insert_with(|| tokio::task::spawn_blocking(move || ledger.usage()));
            let counted = count.await;
            *running = None;
            counted.ok().flatten()
        };
        tokio::time::timeout(TIMEOUT, counted).await.ok().flatten()
    }
}
