//! One piece of evidence as a file.
//!
//! ```text
//! pullgate evidence 1 sha256:<digest of all that follows this line>
//! {"repository":…,"digest":…,…}        one line of JSON; lengths stand for the bytes below
//! <the bytes, in the order in which the line names their lengths>
//! ```
//!
//! The checksum tells damage, not forgery: whoever can write the file can write the checksum.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Evidence, Image, MAX_IMAGES, MAX_NAMES};
use crate::digest::{Digest, DigestError};
use crate::reference::{ReferenceError, Repository};
use crate::signature::Attachment;

/// The largest entry, in bytes; evidence that is larger is not kept.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;

/// What the first line begins with: the format and its version.
const MAGIC: &str = "pullgate evidence 1 ";

/// The most attachments in one entry; more than are ever collected (`signatures` and `referrers` of `[limits]`).
const MAX_ATTACHMENTS: usize = 8192;

/// The longest text for people in it, in bytes.
const MAX_TEXT: usize = 8192;

/// The second line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    repository: String,
    digest: String,
    media_type: String,
    document: usize,
    images: Vec<HeadImage>,
    attachments: Vec<HeadAttachment>,
    names: Vec<String>,
    rule: String,
    keys: Vec<String>,
    recorded: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadImage {
    id: String,
    manifest: Option<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "kebab-case", deny_unknown_fields)]
enum HeadAttachment {
    SimpleSigning { place: String, signature: String, payload: usize },
    Bundle { place: String, document: usize },
}

/// The bytes of an entry.
///
/// # Errors
/// When they would be more than [`MAX_ENTRY_BYTES`].
pub(super) fn encode(evidence: &Evidence) -> Result<Vec<u8>, EntryError> {
    let mut blobs: Vec<&Bytes> = vec![&evidence.document];
    blobs.extend(evidence.images.iter().filter_map(|image| image.manifest.as_ref()));
    let attachments = evidence.attachments.iter().map(|attachment| match attachment {
        Attachment::SimpleSigning { place, payload, signature } => {
            blobs.push(payload);
            HeadAttachment::SimpleSigning {
                place: place.clone(),
                signature: signature.clone(),
                payload: payload.len(),
            }
        }
        Attachment::Bundle { place, document } => {
            blobs.push(document);
            HeadAttachment::Bundle { place: place.clone(), document: document.len() }
        }
    });
    let attachments = attachments.collect();
    let images = evidence.images.iter().map(|image| HeadImage {
        id: image.id.to_string(),
        manifest: image.manifest.as_ref().map(Bytes::len),
    });
    let head = Head {
        repository: evidence.repository.to_string(),
        digest: evidence.digest.to_string(),
        media_type: evidence.media_type.clone(),
        document: evidence.document.len(),
        images: images.collect(),
        attachments,
        names: evidence.names.clone(),
        rule: evidence.rule.clone(),
        keys: evidence.keys.clone(),
        recorded: evidence.recorded.to_string(),
    };
    let mut content = serde_json::to_vec(&head).map_err(EntryError::Head)?;
    content.push(b'\n');
    for blob in blobs {
        content.extend_from_slice(blob);
    }
    let first = format!("{MAGIC}{}\n", Digest::of(&content));
    let length = first.len() + content.len();
    if length > MAX_ENTRY_BYTES {
        return Err(EntryError::TooLarge(length));
    }
    Ok([first.as_bytes(), &content].concat())
}

/// Reads an entry. The parts share `file`.
///
/// # Errors
/// When `file` is not exactly what [`encode`] makes of some evidence.
pub(super) fn decode(file: &Bytes) -> Result<Evidence, EntryError> {
    if file.len() > MAX_ENTRY_BYTES {
        return Err(EntryError::TooLarge(file.len()));
    }
    let mut rest = file.clone();
    let first = line(&mut rest)?;
    let checksum = first.strip_prefix(MAGIC.as_bytes()).ok_or(EntryError::NotEvidence)?;
    let checksum = std::str::from_utf8(checksum).map_err(|_| EntryError::NotEvidence)?;
    if !Digest::parse(checksum).map_err(EntryError::Digest)?.matches(&rest) {
        return Err(EntryError::Checksum);
    }
    let head: Head = serde_json::from_slice(&line(&mut rest)?).map_err(EntryError::Head)?;
    let texts = head.names.iter().chain(&head.keys).chain([&head.rule, &head.media_type]);
    if head.images.len() > MAX_IMAGES
        || head.names.len() > MAX_NAMES
        || head.attachments.len() > MAX_ATTACHMENTS
        || texts.map(String::len).any(|length| length > MAX_TEXT)
    {
        return Err(EntryError::TooMany);
    }
    let mut take =
        |length: usize| (length <= rest.len()).then(|| rest.split_to(length)).ok_or(EntryError::Truncated);
    let document = take(head.document)?;
    let images = head.images.into_iter().map(|image| {
        let id = Digest::parse(&image.id).map_err(EntryError::Digest)?;
        Ok(Image { id, manifest: image.manifest.map(&mut take).transpose()? })
    });
    let images = images.collect::<Result<_, EntryError>>()?;
    let attachments = head.attachments.into_iter().map(|attachment| {
        Ok(match attachment {
            HeadAttachment::SimpleSigning { place, signature, payload } => {
                Attachment::SimpleSigning { place, signature, payload: take(payload)? }
            }
            HeadAttachment::Bundle { place, document } => {
                Attachment::Bundle { place, document: take(document)? }
            }
        })
    });
    let attachments = attachments.collect::<Result<_, EntryError>>()?;
    if !rest.is_empty() {
        return Err(EntryError::Truncated);
    }
    Ok(Evidence {
        repository: Repository::parse(&head.repository).map_err(EntryError::Repository)?,
        digest: Digest::parse(&head.digest).map_err(EntryError::Digest)?,
        media_type: head.media_type,
        document,
        images,
        attachments,
        names: head.names,
        rule: head.rule,
        keys: head.keys,
        recorded: head.recorded.parse::<Timestamp>().map_err(EntryError::Time)?,
    })
}

/// The bytes before the next line break, which is taken with them.
fn line(rest: &mut Bytes) -> Result<Bytes, EntryError> {
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(EntryError::Truncated)?;
    let line = rest.split_to(end);
    let _ = rest.split_to(1);
    Ok(line)
}

/// Why bytes are no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The checksum is of other bytes: the file is damaged.
    #[error("checksum does not match")]
    Checksum,
    /// A digest in it is none.
    #[error("digest is not valid")]
    Digest(#[source] DigestError),
    /// The line that describes it is not what it must be.
    #[error("description is malformed")]
    Head(#[source] serde_json::Error),
    /// It does not begin as evidence of this version does.
    #[error("file is not evidence of a version that is read")]
    NotEvidence,
    /// The repository is none.
    #[error("repository is not valid")]
    Repository(#[source] ReferenceError),
    /// The time is none.
    #[error("time is not valid")]
    Time(#[source] jiff::Error),
    /// It is larger than [`MAX_ENTRY_BYTES`].
    #[error("evidence has {0} bytes, at most {MAX_ENTRY_BYTES} are kept")]
    TooLarge(usize),
    /// It has more of something than evidence has.
    #[error("evidence has more parts than are kept")]
    TooMany,
    /// It ends too early or too late.
    #[error("lengths do not add up")]
    Truncated,
}
