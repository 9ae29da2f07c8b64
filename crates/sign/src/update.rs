//! Documents under one tag that several signers add to.
//!
//! Registries have no way, that all of them know, to say "write this only if nobody wrote since": so it is said where it is
//! known ([`Condition`]), the time between reading and writing is kept short, and what was written is looked at again
//! after a while and written again when another writer, who had read before and wrote after, has taken it away. Writers in
//! one process take turns.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_registry::{Condition, ManifestUpload, Registry, RegistryError, Stored, Target, retry_delay};

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
    /// What the document names and the registry may not have.
    pub(super) blobs: [Option<Blob>; 2],
}

/// What is stored before it is named.
pub(super) struct Blob {
    pub(super) bytes: Bytes,
    /// Something names it already, so it is probably there, and asked for before it is stored.
    pub(super) is_named: bool,
}

/// What was under a tag at a moment.
pub(super) struct Seen {
    pub(super) stored: Option<Stored>,
    at: Instant,
}

/// What is under a tag.
pub(super) struct Updated {
    /// The digest of the document.
    pub(super) manifest: Digest,
    /// Whether it was written.
    pub(super) written: bool,
}

/// Looks at a tag.
pub(super) async fn look(
    registry: &Registry,
    order: &SignRequest<'_>,
    tag: &str,
) -> Result<Seen, RegistryError> {
    let at = Instant::now();
    let SignRequest { repository, credentials, .. } = *order;
    let stored = registry.get_manifest_optional(repository, Target::Tag(tag), credentials).await?;
    Ok(Seen { stored, at })
}

/// Writes what `edit` makes of the document under the tag until `edit` finds nothing to add, which is `None`. Begins with
/// what was seen there, if that is given.
pub(super) async fn update(
    registry: &Registry,
    order: &SignRequest<'_>,
    tag: &str,
    mut seen: Option<Seen>,
    edit: impl Fn(Option<&Stored>) -> Result<Option<Edited>, SignError>,
) -> Result<Updated, SignError> {
    let SignRequest { repository, credentials, .. } = *order;
    let mut recheck_delay = order.recheck_delay;
    let mut written = false;
    let mut uploaded = Vec::new();
    // What was under the tag when the registry refused a condition.
    let mut refused: Option<Option<Digest>> = None;
    for attempt in 0..ATTEMPTS {
        let turn = registry.lock_tag(repository, tag).await?;
        let (before, mut is_old) = match seen.take() {
            Some(seen) => (seen, true),
            None => (look(registry, order, tag).await?, false),
        };
        let Some(Edited { media_type, document, blobs }) = edit(before.stored.as_ref())? else {
            if let Some(stored) = before.stored {
                return Ok(Updated { manifest: stored.digest, written });
            }
            // Nothing to add to nothing.
            return Err(contended(tag, attempt));
        };
        is_old |= before.stored.is_none() || blobs.iter().any(Option::is_some);
        let [first, second] = &blobs;
        let upload = async |blob: &Option<Blob>| match blob {
            Some(blob) if !uploaded.contains(&Digest::of(&blob.bytes)) => {
                upload(registry, order, blob).await.map(Some)
            }
            _ => Ok(None),
        };
        let done = tokio::try_join!(upload(first), upload(second))?;
        uploaded.extend(<[Option<Digest>; 2]>::from(done).into_iter().flatten());
        let mut begun = before.at;
        let mut now = before;
        let found = digest(now.stored.as_ref());
        if is_old {
            // Others may have written meanwhile.
            begun = Instant::now();
            now = look_again(registry, order, tag, &now).await?;
            if digest(now.stored.as_ref()) != found {
                seen = Some(now);
                continue;
            }
        }
        let condition = match now.stored {
            // The registry refuses a condition that holds, so it means something else.
            _ if refused.as_ref() == Some(&found) => Condition::Any,
            None => Condition::Absent,
            Some(Stored { mark: Some(mark), .. }) => Condition::Unchanged(mark),
            Some(_) => Condition::Any,
        };
        let target = Target::Tag(tag);
        let upload = ManifestUpload { media_type, bytes: document, condition: &condition };
        let placed = registry.put_manifest(repository, target, upload, credentials).await;
        match placed {
            Ok(_) => written = true,
            Err(RegistryError::Status { status: 409 | 412, .. }) if condition != Condition::Any => {
                refused = Some(found);
                drop(turn);
                tokio::time::sleep(retry_delay(attempt.min(2)) / 4).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        drop(turn);
        if !recheck_delay.is_zero() {
            // Others are probably not much slower than we are.
            recheck_delay = recheck_delay.max(begun.elapsed() * 4).min(LONGEST_SETTLE);
            tokio::time::sleep(recheck_delay).await;
        }
        let mut after = look(registry, order, tag).await?;
        if after.stored.is_none() {
            after = look_later(registry, order, tag, &after).await?;
        }
        if edit(after.stored.as_ref())?.is_none()
            && let Some(stored) = after.stored
        {
            return Ok(Updated { manifest: stored.digest, written });
        }
        tokio::time::sleep(retry_delay(attempt.min(2))).await;
    }
    Err(contended(tag, ATTEMPTS))
}

/// Looks at a tag just before it is written. What is taken for nothing is written over, and a registry that is just
/// writing may say so in passing: so there must have been nothing twice, [`DOUBT`] apart, and where others are expected
/// the two looks are both made now.
async fn look_again(
    registry: &Registry,
    order: &SignRequest<'_>,
    tag: &str,
    before: &Seen,
) -> Result<Seen, RegistryError> {
    if before.stored.is_none() && order.recheck_delay.is_zero() {
        return look_later(registry, order, tag, before).await;
    }
    let now = look(registry, order, tag).await?;
    if now.stored.is_some() { Ok(now) } else { look_later(registry, order, tag, &now).await }
}

async fn look_later(
    registry: &Registry,
    order: &SignRequest<'_>,
    tag: &str,
    before: &Seen,
) -> Result<Seen, RegistryError> {
    tokio::time::sleep_until(before.at + DOUBT).await;
    look(registry, order, tag).await
}

/// Stores a blob, unless it is named already and there.
pub(super) async fn upload(
    registry: &Registry,
    order: &SignRequest<'_>,
    blob: &Blob,
) -> Result<Digest, RegistryError> {
    let SignRequest { repository, credentials, .. } = *order;
    let digest = Digest::of(&blob.bytes);
    if !blob.is_named || !registry.blob_exists(repository, &digest, credentials).await? {
        registry.upload_blob(repository, blob.bytes.clone(), credentials).await?;
    }
    Ok(digest)
}

fn digest(stored: Option<&Stored>) -> Option<Digest> {
    stored.map(|stored| stored.digest.clone())
}

fn contended(tag: &str, attempts: usize) -> SignError {
    SignError::Contended { tag: tag.to_owned(), attempts }
}
