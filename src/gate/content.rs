//! The runtime's image records and content, as far as the gate reads them.

use bytes::Bytes;

use crate::digest::Digest;

/// The image records and the content store of the runtime. Clones are the same store.
pub trait Content: Clone + Send + Sync + 'static {
    /// What the records with these names are records of, each once. Names without a record are left out.
    ///
    /// # Errors
    /// When the runtime does not answer.
    fn targets(&self, names: &[&str]) -> impl Future<Output = Result<Vec<Target>, String>> + Send;

    /// The bytes with this digest, which have exactly `size`; `None` when they are absent. The caller has reserved the
    /// memory for them, and hashes them.
    ///
    /// # Errors
    /// When the runtime does not answer, or has another size.
    fn read(&self, digest: &Digest, size: u64) -> impl Future<Output = Result<Option<Bytes>, String>> + Send;
}

/// The descriptor that an image record points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub media_type: String,
}

/// An empty store: evidence for an index is then not linked to an image, and with denied digests no image is admitted.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl Content for NoContent {
    async fn targets(&self, _names: &[&str]) -> Result<Vec<Target>, String> {
        Ok(Vec::new())
    }

    async fn read(&self, _digest: &Digest, _size: u64) -> Result<Option<Bytes>, String> {
        Ok(None)
    }
}
