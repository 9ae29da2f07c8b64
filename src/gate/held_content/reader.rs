//! Reads documents from the runtime, within the memory budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pullgate_net::memory::{ALLOWANCE, MemoryError, Reserved};
use pullgate_net::offload;
use pullgate_net::single_flight::Key;

use super::super::Shared;
use super::super::content::{Content, Target};
use crate::digest::Digest;
use crate::registry::Credentials;

/// The largest manifest or index that is read, in bytes: the largest that a registry may serve.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// How many bytes are read for one record.
const MAX_BYTES: u64 = 16 << 20;

/// How many times its size a large index takes while it is walked: what it lists is larger than its bytes.
const LISTED: usize = 3;

/// Why the runtime's content is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It cannot be read, or two programs could read it in two ways: why.
    Content(String),
    /// There is no memory for it.
    Memory(MemoryError),
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Content(why)
    }
}

/// Reads what one record leads to.
#[derive(Debug)]
pub(super) struct Reader<C> {
    shared: Shared,
    content: C,
    limit: Duration,
    /// How many bytes were read for this record.
    read: AtomicU64,
}

impl<C: Content> Reader<C> {
    pub(super) fn new(shared: &Shared, content: &C, limit: Duration) -> Self {
        Self { shared: shared.clone(), content: content.clone(), limit, read: AtomicU64::new(0) }
    }

    /// The same for another record.
    pub(super) fn for_record(&self) -> Self {
        Self::new(&self.shared, &self.content, self.limit)
    }

    /// Identifies a question about a document.
    pub(super) fn key(&self, kind: &str, question: &str) -> Key {
        self.shared.registry.key(kind, &[question], &Credentials::anonymous())
    }

    pub(super) async fn targets(&self, names: &[&str]) -> Result<Vec<Target>, Unread> {
        let targets = tokio::time::timeout(self.limit, self.content.targets(names)).await;
        Ok(targets.map_err(|_| late())??)
    }

    /// The result of `work`, which reads a record whose document has `size` bytes, in memory that is reserved for all of
    /// it at once: nothing waits for memory while it holds some. A small index reserves the rest with
    /// [`Reader::reserve_more`].
    pub(super) async fn in_time<T>(
        &self,
        size: u64,
        work: impl Future<Output = Result<T, Unread>>,
    ) -> Result<T, Unread> {
        let own = bytes(size);
        let all = if own > ALLOWANCE { own.saturating_mul(LISTED) + bytes(MAX_DOCUMENT_BYTES) } else { own };
        let _reserved = self.reserve(all).await?;
        // The wait for the memory of a small index's manifests is in it.
        tokio::time::timeout(self.limit.saturating_mul(2), work).await.map_err(|_| late())?
    }

    /// Memory for the `largest` manifest of an index of `size` bytes, if the index is small: a large one has it already.
    pub(super) async fn reserve_more(&self, size: u64, largest: u64) -> Result<Reserved, Unread> {
        let more = if bytes(size) > ALLOWANCE { 0 } else { largest.min(MAX_DOCUMENT_BYTES) };
        self.reserve(bytes(more)).await
    }

    async fn reserve(&self, bytes: usize) -> Result<Reserved, Unread> {
        self.shared.registry.memory().present(bytes, self.limit).await.map_err(Unread::Memory)
    }

    /// Reads a document and hashes it, on a blocking thread: it may have megabytes.
    pub(super) async fn read(&self, digest: &Digest, size: u64) -> Result<Option<Bytes>, Unread> {
        let read = self.read.load(Ordering::Relaxed).saturating_add(size);
        if size > MAX_DOCUMENT_BYTES || read > MAX_BYTES {
            // An index may list anything for other platforms: only what is there counts. No bytes are asked for.
            let is_absent = matches!(self.content.read(digest, 0).await, Ok(None));
            return if is_absent { Ok(None) } else { Err(format!("{digest} is too large to read").into()) };
        }
        let Some(document) = self.content.read(digest, size).await? else { return Ok(None) };
        self.read.store(read, Ordering::Relaxed);
        let expected = digest.clone();
        let matching = move || expected.matches(&document).then_some(document);
        let matching = offload::document(bytes(size), matching).await.flatten();
        matching.map(Some).ok_or_else(|| format!("the content does not match {digest}").into())
    }
}

fn late() -> Unread {
    Unread::Content("the runtime does not answer in time".to_owned())
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
