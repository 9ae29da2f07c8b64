//! Evidence: what an admission rested on.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::Complete;
use crate::digest::Digest;
use crate::reference::Repository;
use crate::signature::{Attachment, CertificateAnnotations};

/// The most bytes of attachments in one entry. Valid ones come first.
const MAX_ATTACHMENT_BYTES: usize = 8 << 20;

/// The most bytes of attachments that were not valid: another policy may need them.
const MAX_OTHER_BYTES: usize = 64 << 10;

/// The most images that are linked to one document: the platforms of an index that one node pulls.
pub const MAX_IMAGES: usize = 8;

/// The most names that are recorded for one document.
pub const MAX_NAMES: usize = 16;

/// What an admission rested on: enough to decide again without the registry.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The repository it was pulled from.
    pub repository: Repository,
    /// The digest of `document`.
    pub digest: Digest,
    /// The media type of `document`, as the registry reported it.
    pub media_type: String,
    /// The manifest or index.
    pub document: Bytes,
    /// The images that the runtime made of it.
    pub images: Vec<Image>,
    /// What was attached to it.
    pub attachments: Vec<Attachment>,
    /// The conditions for which none of its attestations is missing that could be newer.
    pub complete: Complete,
    /// The names by which it was pulled, for display.
    pub names: Vec<String>,
    /// The rule that admitted it then, for display.
    pub rule: String,
    /// Who signed, of those whose signatures were valid then, for display.
    pub keys: Vec<String>,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// An image of the runtime, and the manifest that connects it to the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The runtime's id: the digest of the image's configuration.
    pub id: Digest,
    /// The manifest with that configuration, where the document is an index that lists it; `None` where the document
    /// itself is the manifest.
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
    /// Its key.
    pub fn place(&self) -> Place {
        Place { repository: self.repository.clone(), digest: self.digest.clone() }
    }

    /// Adds the attachments of `others` that are new, as long as there is room. Whether there was room for all.
    pub fn add_attachments(&mut self, others: &[Attachment]) -> bool {
        let mut bytes: usize = self.attachments.iter().map(attachment_bytes).sum();
        for other in others {
            bytes = bytes.saturating_add(attachment_bytes(other));
            if bytes > MAX_ATTACHMENT_BYTES {
                return false;
            }
            if !self.has(other) {
                self.attachments.push(other.clone());
            }
        }
        true
    }

    /// Puts the attachments at `places` first, and bounds the others: anyone who can push to a repository can attach
    /// anything to its images, and must not evict other evidence from the ledger with it.
    ///
    /// Of the others that may be attestations it keeps all or none, and none if `is_hiding`: one that could not be read may
    /// be newer. `complete` says for which conditions the evidence has the newest attestations if it loses only others.
    pub fn prefer(&mut self, places: &BTreeSet<&str>, is_hiding: bool, complete: Complete) -> Dropped {
        let all = std::mem::take(&mut self.attachments);
        let (mut held, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|attachment| places.contains(attachment.place()));
        // What remains may still meet another rule, so as many as possible are kept.
        held.sort_by_key(attachment_bytes);
        let mut dropped = Dropped::default();
        let mut bytes = 0_usize;
        for attachment in held {
            bytes = bytes.saturating_add(attachment_bytes(&attachment));
            match bytes <= MAX_ATTACHMENT_BYTES {
                true => self.attachments.push(attachment),
                false => dropped.needed.push(attachment.place().to_owned()),
            }
        }
        let (statements, others): (Vec<_>, Vec<_>) = others.into_iter().partition(may_state);
        let mut bytes: usize = statements.iter().map(attachment_bytes).sum();
        if !is_hiding && bytes <= MAX_OTHER_BYTES {
            self.attachments.extend(statements);
        } else {
            bytes = 0;
            dropped.others = statements.iter().map(|other| other.place().to_owned()).collect();
        }
        for other in others {
            bytes = bytes.saturating_add(attachment_bytes(&other));
            if bytes <= MAX_OTHER_BYTES {
                self.attachments.push(other);
            }
        }
        self.complete = match (dropped.needed.is_empty(), dropped.others.is_empty()) {
            (false, _) => Complete::No,
            (true, false) => complete,
            (true, true) if complete == Complete::No => Complete::No,
            (true, true) => Complete::All,
        };
        dropped
    }

    /// Makes copies of the bytes, so that nothing else stays in memory for their sake: not the response or the file that
    /// they are a part of, nor what was reserved for it. What `old` has as well is shared with it.
    pub(super) fn detach(&mut self, old: Option<&Self>) {
        let mut known: Vec<&Bytes> = Vec::new();
        if let Some(old) = old {
            known.push(&old.document);
            known.extend(old.images.iter().filter_map(|image| image.manifest.as_ref()));
            known.extend(old.attachments.iter().map(attached));
        }
        let copy = |bytes: &mut Bytes| {
            let same = known.iter().find(|known| ***known == *bytes);
            *bytes = same.map_or_else(|| Bytes::copy_from_slice(bytes), |same| Bytes::clone(same));
        };
        copy(&mut self.document);
        self.images.iter_mut().filter_map(|image| image.manifest.as_mut()).for_each(copy);
        for attachment in &mut self.attachments {
            match attachment {
                Attachment::SimpleSigning { payload, .. } => copy(payload),
                Attachment::Bundle { document, .. }
                | Attachment::Notation { document, .. }
                | Attachment::Gpg { document, .. }
                | Attachment::Grafeas { document, .. }
                | Attachment::Attestation { document, .. } => copy(document),
            }
        }
    }

    /// Adds what only `old` has; the rule, the keys and the time stay.
    pub(super) fn add(&mut self, old: &Self) {
        let is_known = self.attachments.iter().filter(|own| may_state(own)).all(|own| old.has(own));
        // With an attestation that `old` does not have, what `old` has may no longer be the newest.
        if self.add_attachments(&old.attachments) && is_known {
            self.complete.extend(&old.complete);
        }
        for image in &old.images {
            if !self.lists(&image.id) {
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

    /// Whether `new`, to which this was added, has nothing beyond this.
    pub(super) fn includes(&self, new: &Self) -> bool {
        self.attachments.len() == new.attachments.len()
            && self.images.len() == new.images.len()
            && new.images.iter().all(|image| self.images.contains(image))
            && new.names.iter().all(|name| self.names.contains(name))
            && (&self.media_type, &self.document) == (&new.media_type, &new.document)
            && (&self.rule, &self.keys, &self.complete) == (&new.rule, &new.keys, &new.complete)
    }

    /// Whether it has an attachment with this content.
    fn has(&self, attachment: &Attachment) -> bool {
        self.attachments.iter().any(|own| same_attachment(own, attachment))
    }

    /// Whether it lists the image `id`.
    pub(super) fn lists(&self, id: &Digest) -> bool {
        self.images.iter().any(|image| image.id == *id)
    }

    /// Its approximate size in bytes.
    pub fn bytes(&self) -> usize {
        let manifests = self.images.iter().filter_map(|image| image.manifest.as_ref()).map(Bytes::len);
        let attachments = self.attachments.iter().map(attachment_bytes);
        self.document.len() + manifests.chain(attachments).sum::<usize>()
    }
}

/// The places of attachments that are not kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Those that the admission rests on.
    pub needed: Vec<String>,
    /// Others that may be attestations.
    pub others: Vec<String>,
}

/// Whether an attachment may be an attestation.
fn may_state(attachment: &Attachment) -> bool {
    match attachment {
        Attachment::Bundle { .. } | Attachment::Attestation { .. } => true,
        Attachment::SimpleSigning { .. }
        | Attachment::Notation { .. }
        | Attachment::Gpg { .. }
        | Attachment::Grafeas { .. } => false,
    }
}

/// The approximate size of an attachment in bytes.
fn attachment_bytes(attachment: &Attachment) -> usize {
    let bytes = |certificate: &Option<Arc<CertificateAnnotations>>| {
        certificate.as_ref().map_or(0, |certificate| certificate.bytes())
    };
    match attachment {
        Attachment::SimpleSigning { place, payload, signature, certificate } => {
            place.len() + payload.len() + signature.len() + bytes(certificate)
        }
        Attachment::Attestation { place, document, certificate } => {
            place.len() + document.len() + bytes(certificate)
        }
        Attachment::Bundle { place, document }
        | Attachment::Notation { place, document }
        | Attachment::Gpg { place, document }
        | Attachment::Grafeas { place, document } => place.len() + document.len(),
    }
}

/// The bytes that were attached.
fn attached(attachment: &Attachment) -> &Bytes {
    match attachment {
        Attachment::SimpleSigning { payload, .. } => payload,
        Attachment::Bundle { document, .. }
        | Attachment::Notation { document, .. }
        | Attachment::Gpg { document, .. }
        | Attachment::Grafeas { document, .. }
        | Attachment::Attestation { document, .. } => document,
    }
}

/// Whether two attachments have the same content, wherever they were found.
fn same_attachment(one: &Attachment, other: &Attachment) -> bool {
    match (one, other) {
        (
            Attachment::SimpleSigning { payload, signature, certificate, .. },
            Attachment::SimpleSigning { payload: others, signature: theirs, certificate: their, .. },
        ) => payload == others && signature == theirs && certificate == their,
        (Attachment::Bundle { document, .. }, Attachment::Bundle { document: others, .. })
        | (Attachment::Notation { document, .. }, Attachment::Notation { document: others, .. })
        | (Attachment::Gpg { document, .. }, Attachment::Gpg { document: others, .. })
        | (Attachment::Grafeas { document, .. }, Attachment::Grafeas { document: others, .. }) => {
            document == others
        }
        (
            Attachment::Attestation { document, certificate, .. },
            Attachment::Attestation { document: others, certificate: theirs, .. },
        ) => document == others && certificate == theirs,
        _ => false,
    }
}
