//! Evidence of admissions, kept so that the same decision needs no network: after a restart, or with the registry down.
//!
//! Nothing is trusted because it is in the ledger. Reading returns bytes; the gate hashes the documents and verifies
//! the signatures again, with the current policy. So a forged or damaged ledger can cost time, not security, and a
//! failure of the disk is never a failure of a pull: what cannot be written is kept in memory, within limits.

mod disk;
mod entry;
mod file_stamp;
mod health;
mod recent;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

pub use entry::{EntryError, MAX_ENTRY_BYTES};
pub use file_stamp::FileStamp;
pub use health::{Health, Usage};

use crate::digest::Digest;
use crate::reference::Repository;
use crate::signature::Attachment;
use disk::Disk;
use recent::Recent;

/// Default of the maximum number of entries.
pub const DEFAULT_ENTRIES: u64 = 10_000;

/// Default of the maximum total size, in bytes.
pub const DEFAULT_BYTES: u64 = 256 << 20;

/// Maximum size of the attachments in one entry. Valid ones come first.
const MAX_ATTACHMENT_BYTES: usize = 8 << 20;

/// Maximum size of attachments that were not valid: another policy may need them.
const MAX_OTHER_BYTES: usize = 64 << 10;

/// Maximum number of images per document: the platforms of an index that one node pulls.
pub const MAX_IMAGES: usize = 8;

/// Maximum number of names per document.
pub const MAX_NAMES: usize = 16;

/// Maximum number of documents per image.
pub const MAX_LINKS: usize = 64;

/// What an admission was based on: enough to make the decision again.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The repository that it was pulled from.
    pub repository: Repository,
    /// The digest of `document`.
    pub digest: Digest,
    /// The media type of `document`, as sent by the registry.
    pub media_type: String,
    /// The manifest or index.
    pub document: Bytes,
    /// The images that the runtime made from it.
    pub images: Vec<Image>,
    /// The attachments found beside it.
    pub attachments: Vec<Attachment>,
    /// The names in the requests, for messages.
    pub names: Vec<String>,
    /// The rule that admitted it at that time, for messages.
    pub rule: String,
    /// The fingerprints of the keys with valid signatures at that time, for messages.
    pub keys: Vec<String>,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// An image of the runtime, and how it follows from the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The runtime's id: the digest of the image's configuration.
    pub id: Digest,
    /// The manifest with that configuration, if the document is an index that lists it; `None` if the document is the
    /// manifest.
    pub manifest: Option<Bytes>,
}

/// The key of evidence: repository and digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub repository: Repository,
    /// The digest of the manifest or index.
    pub digest: Digest,
}

impl Evidence {
    /// The key under which it is kept.
    pub fn place(&self) -> Place {
        Place { repository: self.repository.clone(), digest: self.digest.clone() }
    }

    /// Adds those of `others` that are missing, up to `MAX_ATTACHMENT_BYTES`.
    pub fn add_attachments(&mut self, others: &[Attachment]) {
        let mut bytes: usize = self.attachments.iter().map(attachment_bytes).sum();
        for other in others {
            bytes = bytes.saturating_add(attachment_bytes(other));
            if bytes > MAX_ATTACHMENT_BYTES {
                return;
            }
            if !self.attachments.iter().any(|own| same_attachment(own, other)) {
                self.attachments.push(other.clone());
            }
        }
    }

    /// Moves the attachments found at `places` to the front, and drops others beyond `MAX_OTHER_BYTES`: any user who
    /// can push to a repository can attach anything to its images, and must not displace other evidence from the
    /// ledger.
    pub fn prefer(&mut self, places: &BTreeSet<&str>) {
        let all = std::mem::take(&mut self.attachments);
        let (preferred, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|attachment| places.contains(attachment.place()));
        self.attachments = preferred;
        let mut bytes = 0_usize;
        for other in others {
            bytes = bytes.saturating_add(attachment_bytes(&other));
            if bytes <= MAX_OTHER_BYTES {
                self.attachments.push(other);
            }
        }
    }

    /// Adds what `old` contains beyond this; rule, keys and time are not changed.
    fn add(&mut self, old: &Self) {
        self.add_attachments(&old.attachments);
        for image in &old.images {
            if !self.is_of(&image.id) {
                self.images.push(image.clone());
            }
        }
        self.images.truncate(MAX_IMAGES);
        for name in &old.names {
            if !self.names.contains(name) {
                self.names.push(name.clone());
            }
        }
        self.names.truncate(MAX_NAMES);
    }

    /// Whether `new`, which this was merged into, contains nothing beyond this.
    fn includes(&self, new: &Self) -> bool {
        self.attachments.len() == new.attachments.len()
            && self.images.len() == new.images.len()
            && new.images.iter().all(|image| self.images.contains(image))
            && new.names.iter().all(|name| self.names.contains(name))
            && (&self.media_type, &self.document) == (&new.media_type, &new.document)
            && (&self.rule, &self.keys) == (&new.rule, &new.keys)
    }

    /// Whether it claims the image `id`.
    fn is_of(&self, id: &Digest) -> bool {
        self.images.iter().any(|image| image.id == *id)
    }

    /// Approximate size in memory.
    fn bytes(&self) -> usize {
        let manifests = self.images.iter().filter_map(|image| image.manifest.as_ref()).map(Bytes::len);
        let attachments = self.attachments.iter().map(attachment_bytes);
        self.document.len() + manifests.chain(attachments).sum::<usize>()
    }
}

/// Directory and size limits of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A directory of our own; created if missing.
    pub directory: PathBuf,
    /// Maximum number of entries.
    pub max_entries: u64,
    /// Maximum total size in bytes. A file takes at least one block of the disk, usually 4 KiB.
    pub max_bytes: u64,
}

impl Settings {
    /// The default limits for `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), max_entries: DEFAULT_ENTRIES, max_bytes: DEFAULT_BYTES }
    }
}

/// The ledger. All calls may block on the disk unless documented otherwise.
#[derive(Debug)]
pub struct Ledger {
    disk: Option<Disk>,
    recent: Recent,
    problem: health::Problem,
}

impl Ledger {
    /// A ledger without a directory, which is lost with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { disk: None, recent: Recent::default(), problem: health::Problem::default() }
    }

    /// A ledger without a directory because of `problem`, which [`Self::health`] reports.
    #[must_use]
    pub fn in_memory_because(problem: &LedgerError) -> Self {
        let ledger = Self::in_memory();
        ledger.problem.set(problem);
        ledger
    }

    /// Opens the ledger in a directory. Entries are read on demand.
    ///
    /// # Errors
    /// When the directory cannot be created, or other users can write to it.
    pub fn open(settings: &Settings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open(settings)?), ..Self::in_memory() })
    }

    /// Opens the directory of another process without writing to it: new evidence is kept in memory.
    ///
    /// # Errors
    /// When the directory does not exist, or other users can write to it.
    pub fn open_read_only(settings: &Settings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open_read_only(settings)?), ..Self::in_memory() })
    }

    /// The evidence at `place`. Damaged evidence is treated as missing.
    pub fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        let recent = self.recent.find(place);
        recent.or_else(|| Some(Arc::new(self.disk.as_ref()?.find(place)?)))
    }

    /// Places of evidence for the image `id`, at most [`MAX_LINKS`] in memory and as many on disk. They are hints that
    /// the caller must verify.
    pub fn places(&self, id: &Digest) -> Vec<Place> {
        let mut places = self.recent.places(id);
        places.extend(self.disk.iter().flat_map(|disk| disk.places(id)));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Keeps evidence in memory during a pull; [`Ledger::keep`] follows.
    pub fn note(&self, evidence: Evidence) {
        self.recent.keep(evidence);
    }

    /// The evidence in memory. Does not block.
    pub fn noted(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.recent.find(place)
    }

    /// Merges evidence with the entry for its place. What the disk does not accept is kept in memory, and the error is
    /// logged.
    pub fn keep(&self, mut evidence: Evidence) {
        if let Some(old) = self.disk.as_ref().and_then(|disk| disk.find(&evidence.place())) {
            // Until it is written, the entry in memory hides that on disk.
            evidence.add(&old);
        }
        let evidence = self.recent.keep(evidence);
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.is_writable()) else { return };
        match disk.keep(&evidence) {
            Ok(()) => {
                self.recent.remove(&evidence);
                self.problem.clear();
            }
            Err(error) => {
                self.problem.set(&error);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, digest = %evidence.digest, "evidence is kept in memory only");
            }
        }
    }
}

/// Why evidence cannot be written to disk.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be encoded.
    #[error("cannot encode evidence")]
    Entry(#[from] EntryError),
    /// A file system operation failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The directory is owned by another user.
    #[error("{} belongs to user {owner}; chown it to the daemon's user", directory.display())]
    Foreign { directory: PathBuf, owner: u32 },
    /// Other users can write to the directory.
    #[error("others can write to {0} (mode {mode:04o}); chmod go-w {0}", directory.display())]
    Open { directory: PathBuf, mode: u32 },
}

impl LedgerError {
    fn at(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// Approximate size of an attachment, in bytes.
fn attachment_bytes(attachment: &Attachment) -> usize {
    match attachment {
        Attachment::SimpleSigning { place, payload, signature } => {
            place.len() + payload.len() + signature.len()
        }
        Attachment::Bundle { place, document } => place.len() + document.len(),
    }
}

/// Whether two attachments have the same content, wherever they were found.
fn same_attachment(one: &Attachment, other: &Attachment) -> bool {
    match (one, other) {
        (
            Attachment::SimpleSigning { payload, signature, .. },
            Attachment::SimpleSigning { payload: others, signature: theirs, .. },
        ) => payload == others && signature == theirs,
        (Attachment::Bundle { document, .. }, Attachment::Bundle { document: others, .. }) => {
            document == others
        }
        _ => false,
    }
}
