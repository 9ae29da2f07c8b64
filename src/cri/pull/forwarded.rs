//! A pull that the runtime has received: its image is checked, and forgotten if it is refused.
//!
//! The runtime takes images with one configuration for one image, whose id is that of the configuration. The records of a
//! refused one must not be found under the others' names, nor keep them from being used.

use std::sync::Arc;
use std::time::Duration;

use containerd_client::types::Descriptor;
use tokio::sync::OwnedSemaphorePermit;

use super::content::RuntimeContent;
use crate::containerd::{Upstream, images, presence};
use crate::cri::{MAX_NAME_BYTES, Proxy};
use crate::gate::{Gate, Pinned, Refusal};
use crate::reference::Reference;
use pullgate_core::untrusted::{error_chain, sanitize_to};

/// How many other names of an image are tried.
const MAX_NAMES: usize = 64;

/// What the check needs.
pub(super) struct ForwardedPull {
    pub(super) upstream: Upstream,
    pub(super) pinned: Pinned,
    /// For one request to the runtime.
    pub(super) timeout: Duration,
    gate: Arc<Gate>,
    /// Whether checkpoints are allowed.
    restore: bool,
    _place: OwnedSemaphorePermit,
}

impl ForwardedPull {
    /// A pull of `pinned`, with its place among those that are not checked.
    pub(super) fn new(proxy: &Proxy, pinned: Pinned, place: OwnedSemaphorePermit) -> Self {
        Self {
            upstream: proxy.upstream.clone(),
            pinned,
            timeout: proxy.settings.limits.tag_record_timeout,
            gate: Arc::clone(&proxy.gate),
            restore: proxy.settings.checkpoint_restore,
            _place: place,
        }
    }

    /// Checks the image `id`; `pinned` is what was forwarded, with or without its evidence.
    ///
    /// # Errors
    /// See [`Gate::check_pulled`].
    pub(super) async fn check(&self, pinned: &Pinned, id: &str) -> Result<(), Refusal> {
        let content = RuntimeContent::of(&self.upstream);
        self.gate.check_pulled(pinned, id, &content, self.restore).await
    }

    /// Removes the names that the runtime has just recorded for the image `id`, so that no container is created by them,
    /// and gives the record of the id, which a pull writes too, to another name of the image; without one, it is removed.
    pub(super) async fn forget(&self, id: &str) {
        let forgotten = tokio::time::timeout(self.timeout, remove(self, id));
        let problem = match forgotten.await {
            Ok(Ok(())) => return,
            Ok(Err(problem)) => problem,
            Err(_) => "the runtime does not answer".to_owned(),
        };
        let image = sanitize_to(self.pinned.name(), MAX_NAME_BYTES);
        tracing::warn!(image, problem, "cannot remove the name of a refused image from the runtime");
    }
}

async fn remove(pull: &ForwardedPull, id: &str) -> Result<(), String> {
    let ForwardedPull { upstream, pinned, .. } = pull;
    let status = |status: Box<tonic::Status>| error_chain(&*status);
    let refused = images::targets(upstream, std::iter::once(pinned.name())).await.map_err(status)?;
    let is_refused = |target: &Descriptor| refused.iter().any(|refused| refused.digest == target.digest);
    // Before the names: as long as there is one, a later check finds the rest.
    let of_id = images::targets(upstream, std::iter::once(id)).await.map_err(status)?;
    if let Some(of_id) = of_id.into_iter().find(is_refused) {
        match usable(pull, id, is_refused).await? {
            Some(target) => {
                images::point(upstream, id, target).await.map_err(|error| error_chain(&error))?;
            }
            None => images::remove_record(upstream, id.to_owned(), Some(of_id)).await.map_err(status)?,
        }
    }
    let reference = Reference::parse(pinned.name()).map_err(|error| error_chain(&error))?;
    images::remove(upstream, &reference).await.map_err(status)
}

/// What another name of the image `id` is a record of.
async fn usable(
    pull: &ForwardedPull,
    id: &str,
    is_refused: impl Fn(&Descriptor) -> bool,
) -> Result<Option<Descriptor>, String> {
    let content = RuntimeContent::of(&pull.upstream);
    let image = presence::image(&pull.upstream, id).await.map_err(|error| error_chain(&error))?;
    let image = image.unwrap_or_default();
    // The runtime's index of names is behind its records: a name that was removed has no target.
    for name in image.repo_digests.iter().chain(&image.repo_tags).take(MAX_NAMES) {
        let targets = images::targets(&pull.upstream, std::iter::once(name.as_str())).await;
        let target = targets.map_err(|status| error_chain(&*status))?.pop();
        if let Some(target) = target.filter(|target| !is_refused(target))
            && pull.gate.is_usable_record(name, id, &content, pull.restore).await
        {
            return Ok(Some(target));
        }
    }
    Ok(None)
}
