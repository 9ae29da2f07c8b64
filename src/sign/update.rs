//! Documents under one tag that several signers add to.
//!
//! Registries have no way, that all of them know, to say "write this only if nobody wrote since": so it is said where it is
//! known ([`Condition`]), the time between reading and writing is kept short, and what was written is looked at again
//! after a while and written again when another writer, who had read before and wrote after, has taken it away. Writers in
//! one process take turns.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Order, SignError};
use crate::digest::Digest;
use crate::registry::{Condition, Registry, RegistryError, Stored, Target, pause};

/// Writes that are tried when others write at the same time.
const ATTEMPTS: usize = 24;
/// How long after a tag was not there it is looked at once more.
const DOUBT: Duration = Duration::from_millis(10);
/// The longest that is waited before what was written is looked at again.
const LONGEST_SETTLE: Duration = Duration::from_secs(5);

/// A document that is to be under a tag.
pub(super) struct Edited {
    pub(super) media_type: &'static str,
    pub(super) document: Bytes,
    /// A blob that the document needs.
    pub(super) blob: Option<Bytes>,
}

/// What is under a tag.
pub(super) struct Updated {
    /// The digest of the document.
    pub(super) manifest: Digest,
    /// Whether it was written.
    pub(super) written: bool,
}

/// Writes what `edit` makes of the document under the tag until `edit` finds nothing to add, which is `None`.
pub(super) async fn update(
    registry: &Registry,
    order: &Order<'_>,
    tag: &str,
    edit: impl Fn(Option<&Stored>) -> Result<Option<Edited>, SignError>,
) -> Result<Updated, SignError> {
    let Order { repository, credentials, .. } = *order;
    let read = async || {
        let target = Target::Tag(tag);
        let found = registry.get_manifest_optional(repository, target, credentials).await?;
        if found.is_some() {
            return Ok(found);
        }
        // What is taken for nothing would be written over: a registry that is just writing may say so in passing.
        tokio::time::sleep(DOUBT).await;
        registry.get_manifest_optional(repository, target, credentials).await
    };
    let mut settle = order.settle;
    let mut written = false;
    // What was under the tag when the registry refused a condition.
    let mut refused: Option<Option<Digest>> = None;
    for attempt in 0..ATTEMPTS {
        let turn = registry.exclusively(repository, tag).await?;
        let mut stored = read().await?;
        let Some(mut edited) = edit(stored.as_ref())? else {
            if let Some(stored) = stored {
                return Ok(Updated { manifest: stored.digest, written });
            }
            // Nothing to add to nothing.
            return Err(contended(tag, attempt));
        };
        let mut begun = Instant::now();
        if let Some(blob) = edited.blob.take() {
            upload(registry, order, &blob).await?;
            // Others may have written meanwhile.
            begun = Instant::now();
            let now = read().await?;
            if digest(now.as_ref()) != digest(stored.as_ref()) {
                continue;
            }
            stored = now;
        }
        let found = digest(stored.as_ref());
        let condition = match &stored {
            // The registry refuses a condition that holds, so it means something else.
            _ if refused.as_ref() == Some(&found) => Condition::Any,
            None => Condition::Absent,
            Some(Stored { mark: Some(mark), .. }) => Condition::Unchanged(mark.clone()),
            Some(_) => Condition::Any,
        };
        let target = Target::Tag(tag);
        let Edited { media_type, document, .. } = edited;
        let placed =
            registry.put_manifest(repository, target, media_type, document, &condition, credentials).await;
        match placed {
            Ok(_) => written = true,
            Err(RegistryError::Status { status: 409 | 412, .. }) if condition != Condition::Any => {
                refused = Some(found);
                drop(turn);
                tokio::time::sleep(pause(attempt.min(2)) / 4).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        drop(turn);
        if !settle.is_zero() {
            // Others are probably not much slower than we are.
            settle = settle.max(begun.elapsed() * 4).min(LONGEST_SETTLE);
            tokio::time::sleep(settle).await;
        }
        let stored = read().await?;
        if edit(stored.as_ref())?.is_none()
            && let Some(stored) = stored
        {
            return Ok(Updated { manifest: stored.digest, written });
        }
        tokio::time::sleep(pause(attempt.min(2))).await;
    }
    Err(contended(tag, ATTEMPTS))
}

/// Stores a blob, unless it is there.
pub(super) async fn upload(
    registry: &Registry,
    order: &Order<'_>,
    bytes: &Bytes,
) -> Result<Digest, RegistryError> {
    let Order { repository, credentials, .. } = *order;
    let digest = Digest::of(bytes);
    if !registry.blob_exists(repository, &digest, credentials).await? {
        registry.upload_blob(repository, bytes.clone(), credentials).await?;
    }
    Ok(digest)
}

fn digest(stored: Option<&Stored>) -> Option<Digest> {
    stored.map(|stored| stored.digest.clone())
}

fn contended(tag: &str, attempts: usize) -> SignError {
    SignError::Contended { tag: tag.to_owned(), attempts }
}
