//! From bytes of a registry to the proof that the signer of `[follow]` made them for this node.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;

use super::artifact::{Kind, manifest};
use super::document::Document;
use super::error::FollowError;
use super::label::Label;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::signature::{self, Attachment, Proof, RepositoryIdentity, Subject};
use crate::trust::Authenticator;

/// What a node follows, and whom it trusts.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What it is.
    pub kind: Kind,
    /// The reference that the node follows: a tag.
    pub reference: &'a Reference,
    /// The labels of the node.
    pub labels: &'a BTreeSet<Label>,
    /// Whose signature counts.
    pub signer: &'a Authenticator,
}

/// What was found, not verified.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The document.
    pub document: Bytes,
    /// What is attached to the manifest.
    pub attachments: Vec<Attachment>,
}

/// A document that the signer signed for this node; only [`verify`] makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verified {
    document: Document,
    kind: Kind,
    digest: Digest,
    bytes: Bytes,
    bundle: Bytes,
    signer: String,
}

impl Verified {
    /// The document.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The document, as it was signed.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bundle that proves it.
    #[must_use]
    pub fn bundle(&self) -> &Bytes {
        &self.bundle
    }

    /// Who signed.
    #[must_use]
    pub fn signer(&self) -> &str {
        &self.signer
    }
}

/// Verifies what was found: the manifest is that of the document, the signer signed it, and it is for this node.
///
/// Only Sigstore bundles count. The document is parsed after its signature was verified.
///
/// # Errors
/// In all other cases.
pub fn verify(offer: Offer, expected: Expected<'_>, now: Timestamp) -> Result<Verified, FollowError> {
    let Offer { digest, document: bytes, attachments } = offer;
    let Expected { kind, reference, labels, signer: _ } = expected;
    let manifest = manifest(kind, &bytes);
    if Digest::of(&manifest) != digest {
        return Err(FollowError::Manifest);
    }
    let (proof, bundle) = signed(&digest, &manifest, &attachments, (expected, now))?;
    let document = Document::parse(kind, &bytes)?;
    if !document.is_for(reference) {
        return Err(FollowError::OtherReference { expected: reference.clone() });
    }
    if !document.labels().is_subset(labels) {
        return Err(FollowError::OtherLabels { version: document.version() });
    }
    let signer = proof.identity().to_string();
    Ok(Verified { document, kind, digest, bytes, bundle, signer })
}

/// The first bundle that the signer signed.
fn signed(
    digest: &Digest,
    manifest: &[u8],
    attachments: &[Attachment],
    (expected, now): (Expected<'_>, Timestamp),
) -> Result<(Proof, Bytes), FollowError> {
    let repositories = [expected.reference.repository().canonical().into_owned()];
    let subject = Subject {
        digest,
        content: ("application/vnd.oci.image.manifest.v1+json", manifest.len()),
        repositories: &repositories,
        annotations: &std::collections::BTreeMap::new(),
        // The references in the document bind it, also where it is copied.
        identity: RepositoryIdentity::Optional,
    };
    let (mut found, mut last) = (0, None);
    for attachment in attachments {
        let Attachment::Bundle { document, .. } = attachment else { continue };
        found += 1;
        match signature::verify(attachment, expected.signer, &subject, now) {
            // One that a key service would have to confirm does not count: nobody asks it.
            Ok(proof) if proof.demand().is_none() => return Ok((proof, document.clone())),
            Ok(_) => {}
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(last) => Err(FollowError::Untrusted { found, last: Box::new(last) }),
        None => Err(FollowError::Unsigned),
    }
}
