//! Hands the runtime the document of an admitted image, so that it does not request it from the registry.
//!
//! containerd looks at its content store before it requests a document (`remotes.FetchHandler`), and takes what is there
//! under the lease of its pull in the same transaction (`contentStore.Writer` of `metadata/content.go`). So what is
//! written here needs no lease: what no pull takes is removed by the next garbage collection.

use std::sync::Arc;
use std::time::Duration;

use pullgate_core::untrusted::error_chain;
use pullgate_net::memory::MemoryBudget;
use tokio::sync::Semaphore;

use crate::containerd::{Upstream, content};
use crate::gate::AdmittedDocument;

/// After this time, containerd has requested the document itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many copies of the document are in memory while it is written: itself, the message, its encoding, and what is sent.
const COPIES: usize = 4;

/// How many documents are written at the same time. The buffers of one write take about 20 KiB, whatever the document.
const MAX_WRITES: usize = 16;

/// Limits the writes.
#[derive(Debug)]
pub(in crate::cri) struct HandOvers {
    places: Arc<Semaphore>,
}

impl Default for HandOvers {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_WRITES)) }
    }
}

/// Writes a document into the runtime's content store, beside the pull and without delaying it. No failure affects the
/// pull: the runtime then requests the document, as it does if too many others are being written.
pub(super) fn begin(
    hand_overs: &HandOvers,
    upstream: &Upstream,
    memory: &MemoryBudget,
    document: AdmittedDocument,
) {
    let Ok(place) = Arc::clone(&hand_overs.places).try_acquire_owned() else {
        return tracing::debug!(digest = %document.digest(), "document not written to containerd's content store: too many other documents are being written");
    };
    let (upstream, memory) = (upstream.clone(), memory.clone());
    tokio::spawn(async move {
        let _place = place;
        let digest = document.digest();
        let Ok(_copies) = memory.pulls().reserve(COPIES * document.bytes().len(), Duration::ZERO).await
        else {
            return tracing::debug!(%digest, "document not written to containerd's content store: no memory is free");
        };
        let write = content::write(&upstream, digest, document.bytes());
        let problem = match tokio::time::timeout(TIMEOUT, write).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error_chain(&error),
            Err(_) => "the runtime does not answer".to_owned(),
        };
        tracing::debug!(%digest, problem, "document not written to containerd's content store");
    });
}
