//! Updates of a document under a tag with several concurrent writers.
//!
//! Most registries have no conditional writes. So a condition is sent to those that do ([`Condition`]), the time between
//! reading and writing is kept short, and the tag is read again after a delay and written again if another writer, who had
//! read before and wrote after, has removed the change. Writers in one process exclude each other.
//!
//! Registries that hide what does not exist are written to all the same, and read again; the error says what they show.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{SignError, SignRequest};
use pullgate_core::digest::Digest;
use pullgate_registry::{
    Condition, ManifestUpload, Registry, RegistryError, Stored, Target, fallback_tag, retry_delay,
};

/// Attempts while others write at the same time.
const ATTEMPTS: usize = 24;
/// How long after a tag was not found it is read once more.
const DOUBT: Duration = Duration::from_millis(10);
/// Accepted writes in a row that change nothing under the tag.
const WITHOUT_EFFECT: usize = 4;
/// The longest delay before the tag is read again.
const MAX_RECHECK_DELAY: Duration = Duration::from_secs(5);

/// The new document for a tag.
pub(super) struct Edited {
    pub(super) media_type: &'static str,
    pub(super) document: Bytes,
    /// Blobs that the document refers to and the registry may not have.
    pub(super) blobs: [Option<Blob>; 2],
}

/// A blob that is stored before the document.
pub(super) struct Blob {
    pub(super) bytes: Bytes,
    /// Whether an existing document refers to it, so that it probably exists, which is checked before it is stored.
    pub(super) is_named: bool,
}

/// The document under a tag at some time.
pub(super) struct Seen {
    pub(super) stored: Option<Stored>,
    /// What the registry shows there in place of nothing.
    instead: Option<Instead>,
    at: Instant,
}

/// What some registries show under a tag that does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Instead {
    /// A refusal, as Artifactory.
    Refusal,
    /// The signed image, under the fallback tag of its digest, as GitLab.
    Subject,
}

/// The result of an update.
pub(super) struct Updated {
    /// The digest of the document.
    pub(super) manifest: Digest,
    /// Whether it was written.
    pub(super) written: bool,
}

/// Reads a tag. What a registry shows in place of nothing counts as nothing.
pub(super) async fn look(
    registry: &Registry,
    request: &SignRequest<'_>,
    tag: &str,
) -> Result<Seen, RegistryError> {
    let at = Instant::now();
    let SignRequest { repository, credentials, .. } = *request;
    let (stored, instead) =
        match registry.writer(repository, credentials).get_manifest_optional(Target::Tag(tag)).await {
            Err(RegistryError::Unauthorized { .. }) if refuses_absent(registry, request, tag).await => {
                (None, Some(Instead::Refusal))
            }
            Ok(Some(stored)) if stored.digest == *request.digest && tag == fallback_tag(request.digest) => {
                (None, Some(Instead::Subject))
            }
            other => (other?, None),
        };
    Ok(Seen { stored, instead, at })
}

/// Whether the registry refuses to show what does not exist. Otherwise a refused tag may have signatures of others, which a
/// write would remove.
pub(super) async fn refuses_absent(registry: &Registry, request: &SignRequest<'_>, tag: &str) -> bool {
    let absent = format!("{tag}.absent");
    let SignRequest { repository, credentials, .. } = *request;
    let answer = registry.writer(repository, credentials).get_manifest_optional(Target::Tag(&absent)).await;
    matches!(answer, Err(RegistryError::Unauthorized { .. }))
}

/// Writes the result of `edit` under the tag until `edit` returns `None`, which means that nothing is missing. Starts with
/// `seen`, if given.
pub(super) async fn update(
    registry: &Registry,
    request: &SignRequest<'_>,
    tag: &str,
    mut seen: Option<Seen>,
    edit: impl Fn(Option<&Stored>) -> Result<Option<Edited>, SignError>,
) -> Result<Updated, SignError> {
    let SignRequest { repository, credentials, .. } = *request;
    let mut recheck_delay = request.recheck_delay;
    let mut written = false;
    let mut uploaded = Vec::new();
    // The digest under the tag when the registry refused a condition.
    let mut refused: Option<Option<Digest>> = None;
    let mut without_effect = 0;
    for attempt in 0..ATTEMPTS {
        let lock = registry.lock_tag(repository, tag).await?;
        let (before, mut is_old) = match seen.take() {
            Some(seen) => (seen, true),
            None => (look(registry, request, tag).await?, false),
        };
        let Some(Edited { media_type, document, blobs }) = edit(before.stored.as_ref())? else {
            if let Some(stored) = before.stored {
                return Ok(Updated { manifest: stored.digest, written });
            }
            // The document was removed, and `edit` has nothing to add.
            return Err(contended(tag, attempt));
        };
        is_old |= before.stored.is_none() || blobs.iter().any(Option::is_some);
        let [first, second] = &blobs;
        let upload = async |blob: &Option<Blob>| match blob {
            Some(blob) if !uploaded.contains(&Digest::of(&blob.bytes)) => {
                upload(registry, request, blob).await.map(Some)
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
            now = look_again(registry, request, tag, &now).await?;
            if digest(now.stored.as_ref()) != found {
                seen = Some(now);
                continue;
            }
        }
        let condition = match now.stored {
            // The registry refused a condition that was met, so it does not implement conditions.
            _ if refused.as_ref() == Some(&found) => Condition::Any,
            None => Condition::Absent,
            Some(Stored { etag: Some(etag), .. }) => Condition::Unchanged(etag),
            Some(_) => Condition::Any,
        };
        let target = Target::Tag(tag);
        let upload = ManifestUpload { media_type, bytes: document, condition: &condition };
        let placed = registry.writer(repository, credentials).put_manifest(target, upload).await;
        match placed {
            Ok(_) => written = true,
            Err(RegistryError::Status { status: 409 | 412, .. }) if condition != Condition::Any => {
                refused = Some(found);
                drop(lock);
                tokio::time::sleep(retry_delay(attempt.min(2)) / 4).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        drop(lock);
        if !recheck_delay.is_zero() {
            // Other writers are probably not much slower.
            recheck_delay = recheck_delay.max(begun.elapsed() * 4).min(MAX_RECHECK_DELAY);
            tokio::time::sleep(recheck_delay).await;
        }
        let mut after = look(registry, request, tag).await?;
        if after.stored.is_none() {
            after = look_later(registry, request, tag, &after).await?;
        }
        if edit(after.stored.as_ref())?.is_none()
            && let Some(stored) = after.stored
        {
            return Ok(Updated { manifest: stored.digest, written });
        }
        without_effect = if digest(after.stored.as_ref()) == found { without_effect + 1 } else { 0 };
        if after.instead == Some(Instead::Subject) || without_effect >= WITHOUT_EFFECT {
            return Err(not_kept(tag, without_effect, &after));
        }
        tokio::time::sleep(retry_delay(attempt.min(2))).await;
    }
    Err(contended(tag, ATTEMPTS))
}

/// Reads a tag just before it is written. A document that is not found is overwritten, and a registry may answer "not
/// found" while another write is in progress: so it must be missing twice, [`DOUBT`] apart, and where other writers are
/// expected both reads happen now.
async fn look_again(
    registry: &Registry,
    request: &SignRequest<'_>,
    tag: &str,
    before: &Seen,
) -> Result<Seen, RegistryError> {
    if before.stored.is_none() && request.recheck_delay.is_zero() {
        return look_later(registry, request, tag, before).await;
    }
    let now = look(registry, request, tag).await?;
    if now.stored.is_some() { Ok(now) } else { look_later(registry, request, tag, &now).await }
}

async fn look_later(
    registry: &Registry,
    request: &SignRequest<'_>,
    tag: &str,
    before: &Seen,
) -> Result<Seen, RegistryError> {
    tokio::time::sleep_until(before.at + DOUBT).await;
    look(registry, request, tag).await
}

/// Stores a blob, unless it is named and exists already.
pub(super) async fn upload(
    registry: &Registry,
    request: &SignRequest<'_>,
    blob: &Blob,
) -> Result<Digest, RegistryError> {
    let SignRequest { repository, credentials, .. } = *request;
    let digest = Digest::of(&blob.bytes);
    if !blob.is_named || !registry.writer(repository, credentials).blob_exists(&digest).await? {
        registry.writer(repository, credentials).upload_blob(blob.bytes.clone()).await?;
    }
    Ok(digest)
}

fn digest(stored: Option<&Stored>) -> Option<Digest> {
    stored.map(|stored| stored.digest.clone())
}

fn not_kept(tag: &str, writes: usize, after: &Seen) -> SignError {
    let shown = match (after.instead, &after.stored) {
        (Some(Instead::Subject), _) => "the signed image itself",
        (Some(Instead::Refusal), _) => "a refusal",
        (None, None) => "nothing",
        (None, Some(_)) => "the previous content",
    };
    SignError::NotKept { tag: tag.to_owned(), writes, shown }
}

fn contended(tag: &str, attempts: usize) -> SignError {
    SignError::Contended { tag: tag.to_owned(), attempts }
}
