//! Evidence of admissions, kept so that the same question needs no network: after a restart, with the registry down.
//!
//! Nothing here is believed because it is here. What is read back is bytes; the gate hashes the documents and verifies
//! the signatures again, under the policy of that moment. So a forged or damaged ledger can cost time, not security, and
//! no failure of the disk is ever a failure of a pull: what cannot be written is kept in memory, within bounds.

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

/// How many entries there may be, unless configured otherwise.
pub const DEFAULT_ENTRIES: u64 = 10_000;

/// How many bytes they may have together, unless configured otherwise.
pub const DEFAULT_BYTES: u64 = 256 << 20;

/// The most bytes of attachments in one entry. What held comes first.
const MAX_ATTACHMENT_BYTES: usize = 8 << 20;

/// The most bytes of attachments that did not hold: another policy may need them.
const MAX_OTHER_BYTES: usize = 64 << 10;

/// The most images that are linked to one document: the platforms of an index that one node pulls.
pub const MAX_IMAGES: usize = 8;

/// The most names that are remembered for one document.
pub const MAX_NAMES: usize = 16;

/// The most documents that are linked to one image.
pub const MAX_LINKS: usize = 64;

/// What an admission rested on: enough to decide it again.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The repository it was pulled from.
    pub repository: Repository,
    /// The digest of `document`.
    pub digest: Digest,
    /// The media type of `document`, as the registry said it.
    pub media_type: String,
    /// The manifest or index.
    pub document: Bytes,
    /// The images that the runtime made of it.
    pub images: Vec<Image>,
    /// What was attached to it.
    pub attachments: Vec<Attachment>,
    /// The names by which it was asked for, for people.
    pub names: Vec<String>,
    /// The rule that admitted it then, for people.
    pub rule: String,
    /// The fingerprints of the keys whose signatures held then, for people.
    pub keys: Vec<String>,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// An image of the runtime, and how it follows from the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The runtime's id of it: the digest of its configuration.
    pub id: Digest,
    /// The manifest with that configuration, where the document is an index that lists it; `None` where the document
    /// itself is the manifest.
    pub manifest: Option<Bytes>,
}

/// Where evidence is found: the repository and the digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The repository.
    pub repository: Repository,
    /// The digest of the manifest or index.
    pub digest: Digest,
}

impl Evidence {
    /// Where it is found.
    pub fn place(&self) -> Place {
        Place { repository: self.repository.clone(), digest: self.digest.clone() }
    }

    /// Adds those of `others` that are not there yet, as long as there is room.
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

    /// Puts the attachments at `places` first, and keeps of the others only so much: anyone who can push to a repository
    /// can attach to its images what he likes, and must not push other evidence out of the ledger with it.
    pub fn prefer(&mut self, places: &BTreeSet<&str>) {
        let all = std::mem::take(&mut self.attachments);
        let (held, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|attachment| places.contains(attachment.place()));
        self.attachments = held;
        let mut bytes = 0_usize;
        for other in others {
            bytes = bytes.saturating_add(attachment_bytes(&other));
            if bytes <= MAX_OTHER_BYTES {
                self.attachments.push(other);
            }
        }
    }

    /// Adds what `old` says beyond this; the rule, the keys and the time stay.
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

    /// Whether `new`, to which this was added, says nothing beyond this.
    fn says_all_of(&self, new: &Self) -> bool {
        self.attachments.len() == new.attachments.len()
            && self.images.len() == new.images.len()
            && new.images.iter().all(|image| self.images.contains(image))
            && new.names.iter().all(|name| self.names.contains(name))
            && (&self.media_type, &self.document) == (&new.media_type, &new.document)
            && (&self.rule, &self.keys) == (&new.rule, &new.keys)
    }

    /// Whether the image `id` is said to be one of it.
    fn is_of(&self, id: &Digest) -> bool {
        self.images.iter().any(|image| image.id == *id)
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        let manifests = self.images.iter().filter_map(|image| image.manifest.as_ref()).map(Bytes::len);
        let attachments = self.attachments.iter().map(attachment_bytes);
        self.document.len() + manifests.chain(attachments).sum::<usize>()
    }
}

/// Where evidence is kept, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// A directory of our own; made if it is not there.
    pub directory: PathBuf,
    /// How many entries there may be.
    pub max_entries: u64,
    /// How many bytes they may have together. Disks give a file at least a block, mostly 4 KiB.
    pub max_bytes: u64,
}

impl LedgerSettings {
    /// The defaults in `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), max_entries: DEFAULT_ENTRIES, max_bytes: DEFAULT_BYTES }
    }
}

/// The evidence there is. All calls may block on the disk.
#[derive(Debug)]
pub struct Ledger {
    disk: Option<Disk>,
    recent: Recent,
    problem: health::Problem,
}

impl Ledger {
    /// A ledger that forgets with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { disk: None, recent: Recent::default(), problem: health::Problem::default() }
    }

    /// The same, because there is no other: `problem` says why.
    #[must_use]
    pub fn in_memory_because(problem: &LedgerError) -> Self {
        let ledger = Self::in_memory();
        ledger.problem.set(problem);
        ledger
    }

    /// The ledger in a directory. Nothing is loaded: what is there is read when it is asked for.
    ///
    /// # Errors
    /// When the directory cannot be made, or others could write to it.
    pub fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open(settings)?), ..Self::in_memory() })
    }

    /// The ledger in a directory that is another process's to write: what is kept here is kept in memory.
    ///
    /// # Errors
    /// When there is no such directory, or others could write to it.
    pub fn open_read_only(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        Ok(Self { disk: Some(Disk::open_read_only(settings)?), ..Self::in_memory() })
    }

    /// The evidence at `place`. What is damaged is not there.
    pub fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        let recent = self.recent.find(place);
        recent.or_else(|| Some(Arc::new(self.disk.as_ref()?.find(place)?)))
    }

    /// Where evidence for the image `id` may be found, at most [`MAX_LINKS`] places in memory and as many on disk:
    /// hints, to be checked.
    pub fn places(&self, id: &Digest) -> Vec<Place> {
        let mut places = self.recent.places(id);
        places.extend(self.disk.iter().flat_map(|disk| disk.places(id)));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Keeps evidence in memory for the while that a pull takes; [`Ledger::keep`] follows it.
    pub fn note(&self, evidence: Evidence) {
        self.recent.keep(evidence);
    }

    /// The evidence that is in memory. Does not block.
    pub fn noted(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.recent.find(place)
    }

    /// Keeps evidence, together with what is already there for the same place. What the disk does not take is kept in
    /// memory, and said in the log.
    pub fn keep(&self, mut evidence: Evidence) {
        if let Some(old) = self.disk.as_ref().and_then(|disk| disk.find(&evidence.place())) {
            // Until it is written, what is in memory stands before what is on disk.
            evidence.add(&old);
        }
        let evidence = self.recent.keep(evidence);
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.is_writable()) else { return };
        match disk.keep(&evidence) {
            Ok(()) => {
                self.recent.forget(&evidence);
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

/// Why evidence is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be put into an entry.
    #[error("evidence cannot be written down")]
    Entry(#[from] EntryError),
    /// The disk does not do something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What it should do.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The directory is another user's.
    #[error("{} belongs to user {owner}; chown it to the daemon's user", directory.display())]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others than its owner can write to the directory.
    #[error("others can write to {0} (mode {mode:04o}); chmod go-w {0}", directory.display())]
    Open {
        /// The directory.
        directory: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl LedgerError {
    fn at(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// About how many bytes an attachment takes.
fn attachment_bytes(attachment: &Attachment) -> usize {
    match attachment {
        Attachment::SimpleSigning { place, payload, signature } => {
            place.len() + payload.len() + signature.len()
        }
        Attachment::Bundle { place, document } => place.len() + document.len(),
    }
}

/// Whether two attachments say the same, wherever they were found.
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
