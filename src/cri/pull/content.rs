//! The runtime's content store, as the gate reads it.

use bytes::Bytes;

use crate::containerd::{Upstream, content};
use crate::digest::Digest;
use crate::gate::Content;

/// The content store of the runtime.
#[derive(Debug)]
pub struct RuntimeContent<'a>(&'a Upstream);

impl<'a> RuntimeContent<'a> {
    /// The store behind this connection.
    pub fn of(upstream: &'a Upstream) -> Self {
        Self(upstream)
    }
}

impl Content for RuntimeContent<'_> {
    async fn read(&self, digest: &Digest, size: u64) -> Option<Bytes> {
        content::read(self.0, digest, size).await.unwrap_or_else(|error| {
            tracing::debug!(%digest, %error, "the runtime's content could not be read");
            None
        })
    }
}
