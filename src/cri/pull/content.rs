//! The runtime's content store, as the gate asks it.

use bytes::Bytes;

use crate::containerd::{Upstream, content};
use crate::digest::Digest;
use crate::gate::Content;

/// What the runtime has pulled.
pub(super) struct Pulled<'a>(&'a Upstream);

impl<'a> Pulled<'a> {
    pub(super) fn of(upstream: &'a Upstream) -> Self {
        Self(upstream)
    }
}

impl Content for Pulled<'_> {
    async fn read(&self, digest: &Digest, size: u64) -> Option<Bytes> {
        content::read(self.0, digest, size).await.unwrap_or_else(|error| {
            tracing::debug!(%digest, %error, "the runtime's content could not be read");
            None
        })
    }
}
