//! Runs the service: workers that sign, and the task that lists repositories.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::service::Signer;
use super::{reconcile, worker};

/// Processes the queue until `stop` is true, and then completes the jobs in progress.
pub async fn run(signer: Arc<Signer>, mut stop: watch::Receiver<bool>) {
    let mut workers = JoinSet::new();
    for _ in 0..signer.active_config().settings.limits.workers {
        workers.spawn(worker::work(Arc::clone(&signer), stop.clone()));
    }
    let listing = tokio::spawn(reconcile::keep(signer));
    let _ = stop.wait_for(|stop| *stop).await;
    listing.abort();
    let _ = listing.await;
    while workers.join_next().await.is_some() {}
}
