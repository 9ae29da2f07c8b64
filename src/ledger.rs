//! Evidence of admissions, kept so that the same question needs no network: after a restart, with the registry down.
//!
//! Nothing here is believed because it is here. What is read back is bytes; the gate hashes the documents and verifies
//! the signatures again, under the policy of that moment. So a forged or damaged ledger can cost time, not security, and
//! no failure of the disk is ever a failure of a pull: what cannot be written is kept in memory, within bounds.

mod entry;
mod recent;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

pub use entry::{EntryError, MAX_ENTRY_BYTES};

use crate::digest::Digest;
use crate::reference::Repository;
use crate::signature::Attachment;
use recent::Recent;

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

    /// Adds those of `others` that are not there yet.
    pub fn add_attachments(&mut self, others: &[Attachment]) {
        for other in others {
            if !self.attachments.iter().any(|own| same_attachment(own, other)) {
                self.attachments.push(other.clone());
            }
        }
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

/// The evidence there is. All calls may block on the disk.
#[derive(Debug)]
pub struct Ledger {
    recent: Recent,
}

impl Ledger {
    /// A ledger that forgets with the process.
    pub fn in_memory() -> Self {
        Self { recent: Recent::default() }
    }

    /// The evidence at `place`. What is damaged is not there.
    pub fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.recent.find(place)
    }

    /// Where evidence for the image `id` may be found, at most [`MAX_LINKS`] places: hints, to be checked.
    pub fn places(&self, id: &Digest) -> Vec<Place> {
        self.recent.places(id)
    }

    /// Keeps evidence, together with what is already there for the same place.
    pub fn keep(&self, evidence: Evidence) {
        self.recent.keep(Arc::new(evidence));
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
