//! What is kept across restarts: the last good document with its signature, and the highest version that was seen.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use pullgate_config::atomic::{self, Durable};
use pullgate_config::file::{FileError, Guard};
use pullgate_core::followed::{
    Accepted, Expected, FollowError, Highest, Kind, MAX_DOCUMENT_BYTES, Offer, Verified, Version, manifest,
    verify,
};
use pullgate_core::signature::{Attachment, MAX_BUNDLE_BYTES};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Maximum size of the file with the highest version.
const MAX_SEEN_BYTES: u64 = 64 * 1024;

/// The files of what is followed.
#[derive(Clone, Debug)]
pub(super) struct Store {
    directory: PathBuf,
    kind: Kind,
}

/// The last good document. Both are JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    document: String,
    bundle: String,
}

/// The highest version that was seen, and when it was current last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    version: Version,
    digest: String,
    refreshed: String,
}

/// Why a file of the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: FileError,
    },
    /// It is damaged.
    #[error("{path} is damaged; remove it to start again from any version")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// What is stored is not accepted any more.
    #[error("the stored {} is not accepted any more", .kind.words())]
    Refused {
        /// What it is.
        kind: Kind,
        /// Why not.
        #[source]
        cause: FollowError,
    },
}

impl Store {
    pub(super) fn of(directory: &Path, kind: Kind) -> Self {
        Self { directory: directory.to_owned(), kind }
    }

    /// The last good document, verified again.
    pub(super) fn good(
        &self,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Option<Accepted>, StoreError> {
        let path = self.good_path();
        // Escaped, a text takes more.
        let limit = 3 * (MAX_DOCUMENT_BYTES + MAX_BUNDLE_BYTES);
        let Some(bytes) = read(&path, u64::try_from(limit).unwrap_or(u64::MAX))? else { return Ok(None) };
        let damaged = || StoreError::Damaged { path: path.clone() };
        let Good { document, bundle } = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let offer = offer(self.kind, document.into(), bundle.into());
        let verified = verify(offer, expected, now);
        let verified = verified.map_err(|cause| StoreError::Refused { kind: self.kind, cause })?;
        Ok(Some(Accepted::last_good(verified)))
    }

    pub(super) fn keep_good(&self, accepted: &Accepted) -> Result<(), StoreError> {
        let verified = accepted.verified();
        let path = self.good_path();
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec());
        match (text(verified.bytes()), text(verified.bundle())) {
            (Ok(document), Ok(bundle)) => self.write(&path, &Good { document, bundle }),
            // Neither would have been parsed.
            _ => Err(StoreError::Damaged { path }),
        }
    }

    /// The highest version that was seen, and when it was current last.
    pub(super) fn highest(&self) -> Result<Option<(Highest, Option<Timestamp>)>, StoreError> {
        let path = self.seen_path();
        let Some(bytes) = read(&path, MAX_SEEN_BYTES)? else { return Ok(None) };
        let damaged = || StoreError::Damaged { path: path.clone() };
        let Seen { version, digest, refreshed } = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let digest = Digest::parse(&digest).map_err(|_| damaged())?;
        Ok(Some((Highest::stored(version, digest), refreshed.parse().ok())))
    }

    pub(super) fn keep_highest(&self, highest: &Highest, refreshed: Timestamp) -> Result<(), StoreError> {
        let (version, digest) = (highest.version(), highest.digest().to_string());
        self.write(&self.seen_path(), &Seen { version, digest, refreshed: refreshed.to_string() })
    }

    fn good_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.kind.name()))
    }

    fn seen_path(&self) -> PathBuf {
        self.directory.join(format!("{}.seen.json", self.kind.name()))
    }

    /// Writes a file whole or not at all.
    fn write(&self, path: &Path, content: &impl Serialize) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(content).map_err(std::io::Error::other);
        let written = bytes.and_then(|bytes| {
            atomic::make_directory(&self.directory)?;
            atomic::write(&path.with_extension("unfinished"), path, &bytes, (0o600, Durable::Yes))
        });
        written.map_err(|cause| StoreError::Write { path: path.to_owned(), cause })
    }
}

/// The same document again, with the signature that proved it.
pub(super) fn again(verified: &Verified) -> Offer {
    offer(verified.kind(), verified.bytes().clone(), verified.bundle().clone())
}

fn offer(kind: Kind, document: Bytes, bundle: Bytes) -> Offer {
    let digest = Digest::of(&manifest(kind, &document));
    let attachment = Attachment::Bundle { place: "stored bundle".to_owned(), document: bundle };
    Offer { digest, document, attachments: vec![attachment] }
}

fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    match Guard::of_process().read_bytes(directory, path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError::Missing) => Ok(None),
        Err(cause) => Err(StoreError::Read { path: path.to_owned(), cause }),
    }
}
