//! Runs the service: workers that sign, the task that lists repositories, and warnings of certificates that end.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::service::Signer;
use super::{certificate_watch, reconcile, worker};

/// Processes the queue until `stop` is true, and then completes the jobs in progress.
pub async fn run(signer: Arc<Signer>, mut stop: watch::Receiver<bool>) {
    let mut workers = JoinSet::new();
    for _ in 0..signer.active_config().settings.limits.workers {
        workers.spawn(worker::work(Arc::clone(&signer), stop.clone()));
    }
    let listing = tokio::spawn(reconcile::keep(Arc::clone(&signer)));
    let warnings = tokio::spawn(certificate_watch::watch(signer));
    let _ = stop.wait_for(|stop| *stop).await;
    for task in [listing, warnings] {
        task.abort();
        let _ = task.await;
    }
    while workers.join_next().await.is_some() {}
}
