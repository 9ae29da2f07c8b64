//! The file format of evidence.
//!
//! ```text
//! pullgate evidence 1 sha256:<digest of everything after this line>
//! {"repository":…,"digest":…,…}        one line of JSON, with the lengths of the following parts
//! <the bytes of the parts, in the order of their lengths in the JSON>
//! ```
//!
//! The checksum detects damage, not forgery: a process that can write the file can write the checksum.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Complete, Evidence, Image, MAX_IMAGES, MAX_NAMES};
use crate::digest::{Digest, DigestError};
use crate::reference::{ReferenceError, Repository};
use crate::signature::{Attachment, CertificateAnnotations};

/// Maximum size of an entry, in bytes; larger evidence is not kept.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;

/// The beginning of the first line: format and version.
const MAGIC: &str = "pullgate evidence 1 ";

/// Maximum number of attachments in one entry; more than are ever collected (`signatures` and `referrers` of
/// `[limits]`).
const MAX_ATTACHMENTS: usize = 8192;

/// Maximum length of a descriptive text, in bytes.
const MAX_TEXT: usize = 8192;

/// The JSON of the second line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    repository: String,
    digest: String,
    media_type: String,
    document: usize,
    images: Vec<HeadImage>,
    attachments: Vec<HeadAttachment>,
    #[serde(default)]
    complete: Complete,
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
    SimpleSigning {
        place: String,
        signature: String,
        payload: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<CertificateAnnotations>,
    },
    Bundle {
        place: String,
        document: usize,
    },
    Notation {
        place: String,
        document: usize,
    },
    Attestation {
        place: String,
        document: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<CertificateAnnotations>,
    },
    Gpg {
        place: String,
        document: usize,
    },
    Grafeas {
        place: String,
        document: usize,
    },
}

/// Encodes evidence.
///
/// # Errors
/// When the result is larger than [`MAX_ENTRY_BYTES`].
pub(super) fn encode(evidence: &Evidence) -> Result<Vec<u8>, EntryError> {
    let mut blobs: Vec<&Bytes> = vec![&evidence.document];
    blobs.extend(evidence.images.iter().filter_map(|image| image.manifest.as_ref()));
    let attachments = evidence.attachments.iter().map(|attachment| match attachment {
        Attachment::SimpleSigning { place, payload, signature, certificate } => {
            blobs.push(payload);
            HeadAttachment::SimpleSigning {
                place: place.clone(),
                signature: signature.clone(),
                payload: payload.len(),
                certificate: certificate.as_deref().cloned(),
            }
        }
        Attachment::Bundle { place, document } => {
            blobs.push(document);
            HeadAttachment::Bundle { place: place.clone(), document: document.len() }
        }
        Attachment::Notation { place, document } => {
            blobs.push(document);
            HeadAttachment::Notation { place: place.clone(), document: document.len() }
        }
        Attachment::Attestation { place, document, certificate } => {
            blobs.push(document);
            HeadAttachment::Attestation {
                place: place.clone(),
                document: document.len(),
                certificate: certificate.as_deref().cloned(),
            }
        }
        Attachment::Gpg { place, document } => {
            blobs.push(document);
            HeadAttachment::Gpg { place: place.clone(), document: document.len() }
        }
        Attachment::Grafeas { place, document } => {
            blobs.push(document);
            HeadAttachment::Grafeas { place: place.clone(), document: document.len() }
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
        complete: evidence.complete.clone(),
        names: evidence.names.clone(),
        rule: evidence.rule.clone(),
        keys: evidence.keys.clone(),
        recorded: evidence.recorded.to_string(),
    };
    let head = serde_json::to_vec(&head).map_err(EntryError::Head)?;
    // The checksum has the same length whatever it is, so all is written in place: a copy may have 16 MiB.
    let first = |digest: &Digest| format!("{MAGIC}{digest}\n").into_bytes();
    let mut entry = first(&Digest::of(b""));
    let start = entry.len();
    let length = start + head.len() + 1 + blobs.iter().map(|blob| blob.len()).sum::<usize>();
    if length > MAX_ENTRY_BYTES {
        return Err(EntryError::TooLarge(length));
    }
    entry.reserve_exact(length - start);
    entry.extend_from_slice(&head);
    entry.push(b'\n');
    for blob in blobs {
        entry.extend_from_slice(blob);
    }
    let (line, content) = entry.split_at_mut(start);
    for (to, from) in line.iter_mut().zip(first(&Digest::of(content))) {
        *to = from;
    }
    Ok(entry)
}

/// Decodes an entry. The parts share the memory of `file`.
///
/// # Errors
/// When [`encode`] does not make exactly `file` of any evidence.
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
        || !head.complete.is_bounded()
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
            HeadAttachment::SimpleSigning { place, signature, payload, certificate } => {
                let certificate = certificate.map(Arc::new);
                Attachment::SimpleSigning { place, signature, payload: take(payload)?, certificate }
            }
            HeadAttachment::Bundle { place, document } => {
                Attachment::Bundle { place, document: take(document)? }
            }
            HeadAttachment::Notation { place, document } => {
                Attachment::Notation { place, document: take(document)? }
            }
            HeadAttachment::Attestation { place, document, certificate } => {
                let certificate = certificate.map(Arc::new);
                Attachment::Attestation { place, document: take(document)?, certificate }
            }
            HeadAttachment::Gpg { place, document } => Attachment::Gpg { place, document: take(document)? },
            HeadAttachment::Grafeas { place, document } => {
                Attachment::Grafeas { place, document: take(document)? }
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
        complete: head.complete,
        names: head.names,
        rule: head.rule,
        keys: head.keys,
        recorded: head.recorded.parse::<Timestamp>().map_err(EntryError::Time)?,
    })
}

/// Splits off the bytes before the next line break, and the line break.
fn line(rest: &mut Bytes) -> Result<Bytes, EntryError> {
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(EntryError::Truncated)?;
    let line = rest.split_to(end);
    let _ = rest.split_to(1);
    Ok(line)
}

/// Why bytes are not valid evidence, or evidence cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The file is damaged.
    #[error("checksum does not match")]
    Checksum,
    #[error("digest is not valid")]
    Digest(#[source] DigestError),
    #[error("description is malformed")]
    Head(#[source] serde_json::Error),
    /// Another format or version.
    #[error("file is not an evidence file, or has an unsupported version")]
    NotEvidence,
    #[error("repository is not valid")]
    Repository(#[source] ReferenceError),
    #[error("time is not valid")]
    Time(#[source] jiff::Error),
    #[error("evidence has {0} bytes, more than the limit of {MAX_ENTRY_BYTES}")]
    TooLarge(usize),
    /// More elements than the limit.
    #[error("evidence has more parts than the limit")]
    TooMany,
    /// The lengths of the parts do not match the size of the file.
    #[error("lengths of the parts do not match the size of the file")]
    Truncated,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        let attachments = vec![
            Attachment::SimpleSigning {
                place: "sha256-x.sig layer 0".to_owned(),
                payload: Bytes::from_static(b"payload"),
                signature: "c2ln".to_owned(),
                certificate: None,
            },
            Attachment::SimpleSigning {
                place: "sha256-x.sig layer 1".to_owned(),
                payload: Bytes::from_static(b"payload"),
                signature: "c2ln".to_owned(),
                certificate: Some(Arc::new(CertificateAnnotations {
                    certificate: Some("PEM".to_owned()),
                    chain: None,
                    bundle: Some("{}".to_owned()),
                    timestamp: None,
                })),
            },
            Attachment::Bundle { place: "referrer".to_owned(), document: Bytes::from_static(b"{\n}") },
            Attachment::Notation { place: "referrer".to_owned(), document: Bytes::from_static(b"{ }\n") },
            Attachment::Attestation {
                place: "sha256-x.att layer 0".to_owned(),
                document: Bytes::from_static(b"{}"),
                certificate: None,
            },
            Attachment::Gpg { place: "lookaside".to_owned(), document: Bytes::from_static(b"message") },
            Attachment::Grafeas { place: "grafeas".to_owned(), document: Bytes::from_static(b"{}") },
        ];
        Evidence {
            repository: Repository::parse("reg.example/team/app").unwrap(),
            digest: Digest::of(b"document"),
            media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
            document: Bytes::from_static(b"document"),
            images: vec![
                Image { id: Digest::of(b"one"), manifest: Some(Bytes::from_static(b"manifest")) },
                Image { id: Digest::of(b"two"), manifest: None },
            ],
            attachments,
            complete: Complete::of("sha256:00", ["scanned"].into_iter()),
            names: vec!["reg.example/team/app:1".to_owned()],
            rule: "namespace \"reg.example\" (policy.toml:3)".to_owned(),
            keys: vec!["sha256:00".to_owned()],
            recorded: Timestamp::UNIX_EPOCH,
        }
    }

    /// `bytes` with a correct checksum.
    fn repaired(bytes: &[u8]) -> Bytes {
        let start = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let content = &bytes[start..];
        [format!("{MAGIC}{}\n", Digest::of(content)).as_bytes(), content].concat().into()
    }

    #[test]
    fn decodes_what_it_encodes() {
        let bytes = encode(&evidence()).unwrap();
        let read = decode(&bytes.into()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", evidence()));
    }

    #[test]
    fn refuses_any_other_bytes() {
        let good = encode(&evidence()).unwrap();
        let text = String::from_utf8(good.clone()).unwrap();
        assert!(decode(&repaired(&good)).is_ok());
        for (from, to, error) in [
            ("evidence 1 ", "evidence 2 ", "file is not an evidence file, or has an unsupported version"),
            ("payload{", "payloaD{", "checksum does not match"),
        ] {
            let bytes = text.replacen(from, to, 1).into_bytes();
            assert_eq!(decode(&bytes.into()).unwrap_err().to_string(), error, "{from}");
        }
        for (from, to, error) in [
            ("\"document\":8", "\"document\":9", "lengths of the parts do not match the size of the file"),
            ("\"document\":8", "\"document\":7", "lengths of the parts do not match the size of the file"),
            (
                "\"document\":8",
                "\"document\":99999999",
                "lengths of the parts do not match the size of the file",
            ),
            ("\"document\":8", "\"document\":-1", "description is malformed"),
            ("\"keys\"", "\"more\":1,\"keys\"", "description is malformed"),
            ("\"rule\"", "\"keys\":[],\"rule\"", "description is malformed"),
            ("bundle", "new-format", "description is malformed"),
            ("reg.example/team", "REG EXAMPLE", "repository is not valid"),
            ("1970-01-01", "1970-13-01", "time is not valid"),
            ("\"digest\":\"sha256:", "\"digest\":\"sha1:", "digest is not valid"),
        ] {
            assert!(text.contains(from), "{from}");
            let bytes = repaired(text.replacen(from, to, 1).as_bytes());
            assert_eq!(decode(&bytes).unwrap_err().to_string(), error, "{from} -> {to}");
        }
        let many = Evidence { names: vec![String::new(); MAX_NAMES + 1], ..evidence() };
        let bytes = encode(&many).unwrap();
        assert!(matches!(decode(&bytes.into()), Err(EntryError::TooMany)));
        let large = Evidence { document: vec![0; MAX_ENTRY_BYTES].into(), ..evidence() };
        assert!(matches!(encode(&large), Err(EntryError::TooLarge(_))));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(head in "[ -~]{0,200}", rest in proptest::collection::vec(0_u8.., 0..200)) {
            let bytes = [b"x\n{", head.as_bytes(), b"}\n", rest.as_slice()].concat();
            proptest::prop_assert!(decode(&repaired(&bytes)).is_err());
        }
    }
}
