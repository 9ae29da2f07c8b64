//! The runtime's content store, as far as the gate needs it.

use bytes::Bytes;

use crate::digest::Digest;

/// The content store of the runtime.
pub trait Content {
    /// The bytes with this digest, which have exactly `size`; `None` when they are absent. The caller hashes them.
    fn read(&self, digest: &Digest, size: u64) -> impl Future<Output = Option<Bytes>> + Send;
}

/// An empty store: evidence for an index is then not linked to an image.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl Content for NoContent {
    async fn read(&self, _digest: &Digest, _size: u64) -> Option<Bytes> {
        None
    }
}
