//! The runtime's image records and content store, as the gate reads them.

use bytes::Bytes;
use pullgate_core::untrusted::error_chain;

use crate::containerd::{Upstream, content, images};
use crate::digest::Digest;
use crate::gate::{Content, Target};

/// The image records and content store of the runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuntimeContent(Upstream);

impl RuntimeContent {
    /// The store behind this connection.
    pub fn of(upstream: &Upstream) -> Self {
        Self(upstream.clone())
    }
}

impl Content for RuntimeContent {
    async fn targets(&self, names: &[&str]) -> Result<Vec<Target>, String> {
        let targets = images::targets(&self.0, names.iter().copied()).await;
        let targets = targets.map_err(|status| error_chain(&*status))?;
        targets.into_iter().map(target).collect()
    }

    async fn read(&self, digest: &Digest, size: u64) -> Result<Option<Bytes>, String> {
        content::read(&self.0, digest, size).await.map_err(|error| error_chain(&error))
    }
}

fn target(descriptor: containerd_client::types::Descriptor) -> Result<Target, String> {
    let digest = Digest::parse(&descriptor.digest).map_err(|error| error.to_string())?;
    let size = u64::try_from(descriptor.size).map_err(|error| error.to_string())?;
    Ok(Target { digest, size, media_type: descriptor.media_type })
}
