//! Attestations: signed in-toto statements about an image, and the conditions of a policy that they have to meet.
//!
//! Sources: in-toto/attestation `spec/v1` (v0.1: in-toto/attestation `spec/v0.1.0`), secure-systems-lab/dsse, and sigstore/cosign
//! `pkg/cosign/attestation`. A statement is found in a Sigstore bundle, or as a DSSE envelope under cosign's `.att` tag.
//!
//! In this order: limits; the type and the subjects of the statement, strictly; the signature over the exact bytes; that one
//! of the subjects is the image; and only then, for each condition that asks for this type, the predicate. The type is read
//! before the signature is verified, so that attestations that no condition asks for cost no arithmetic. It cannot admit
//! anything: it is a part of the bytes that are verified next.

mod age;
mod choice;
mod error;
mod header;
mod moment;
mod pointer;
mod provenance;
mod reading;
mod sbom;
mod severity;
mod summary;
mod terms;
mod vulnerabilities;

use jiff::Timestamp;

pub use self::error::Unmet;
use self::header::Header;
pub use self::pointer::{Expected, Pointer, PointerError};
pub use self::provenance::Provenance;
pub use self::reading::{Judged, Reading};
pub use self::sbom::{Sbom, SbomFormat};
pub use self::severity::{Severity, SeverityLimit};
pub use self::summary::Summary;
pub use self::terms::{MAX_FIELDS, StatementTerms, TermsKind};
pub use self::vulnerabilities::Vulnerabilities;
use super::bundle::MAX_ATTESTATION_BYTES;
use super::bundle::{self, MAX_DEPTH};
use super::fields::{object, parse};
use super::keyless::{self, ByCertificate, Logged};
use super::pki::Evidence;
use super::{
    Attachment, Attempts, By, CertificateAnnotations, Format, KeylessError, Known, SignatureError, Signed,
    dsse, too_large,
};
use crate::digest::Digest;
use crate::trust::x509::FetchedCrls;
use crate::trust::{Authenticator, PkiSet, Signers};

/// The media type of a layer with a DSSE envelope.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

const ENVELOPE: &str = "DSSE envelope";

/// A statement that was found beside an image, and whose signature is not verified yet.
#[derive(Debug)]
pub struct Unverified<'a> {
    place: &'a str,
    material: Material<'a>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    header: Header,
}

/// What the signature is verified with.
#[derive(Debug)]
enum Material<'a> {
    /// Nothing but the signature, and perhaps a certificate in annotations.
    Envelope {
        document: &'a [u8],
        certificate: Option<&'a CertificateAnnotations>,
    },
    Bundle {
        document: &'a [u8],
        has_certificate: bool,
    },
}

impl<'a> Unverified<'a> {
    /// The statement of an attachment; `None` when the attachment is something else.
    ///
    /// # Errors
    /// When it is an envelope or a bundle, and cannot be read.
    pub fn of(attachment: &'a Attachment) -> Option<Result<Self, SignatureError>> {
        match attachment {
            Attachment::Attestation { place, document, certificate } => {
                let material = Material::Envelope { document, certificate: certificate.as_deref() };
                Some(envelope(document).and_then(|envelope| Self::new(place, material, envelope)))
            }
            Attachment::Bundle { place, document } => match bundle::envelope(document, MAX_ATTESTATION_BYTES)
            {
                Ok(None) => None,
                Ok(Some((envelope, has_certificate))) => {
                    let material = Material::Bundle { document, has_certificate };
                    Some(dsse::read(envelope).and_then(|envelope| Self::new(place, material, envelope)))
                }
                Err(error) => Some(Err(error)),
            },
            Attachment::SimpleSigning { .. }
            | Attachment::Notation { .. }
            | Attachment::Gpg { .. }
            | Attachment::Grafeas { .. } => None,
        }
    }

    fn new(
        place: &'a str,
        material: Material<'a>,
        (payload, signature): (Vec<u8>, Vec<u8>),
    ) -> Result<Self, SignatureError> {
        let header = Header::parse(&payload)?;
        Ok(Self { place, material, payload, signature, header })
    }

    /// Where it was found, for messages.
    pub fn place(&self) -> &str {
        self.place
    }

    /// The type of its predicate.
    pub fn predicate_type(&self) -> &str {
        self.header.predicate_type()
    }

    /// Verifies that it is a statement about `digest`, signed by a signer of `authenticator`.
    ///
    /// # Errors
    /// In all other cases.
    pub fn verify<'s>(
        &'s self,
        authenticator: &Authenticator,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Statement<'s>, SignatureError> {
        let known = Known { now, crls: &FetchedCrls::default(), attempts: &Attempts::default() };
        self.verify_knowing(authenticator, digest, known)
    }

    /// As [`Self::verify`], where lists of revoked certificates were fetched. Those that were missing are in
    /// [`SignatureError::crls_to_fetch`].
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_knowing<'s>(
        &'s self,
        authenticator: &Authenticator,
        digest: &Digest,
        known: Known<'_>,
    ) -> Result<Statement<'s>, SignatureError> {
        let now = known.now;
        let (signed, signed_at) = match authenticator.signers() {
            Signers::Keys(keys) => (self.by_key(By { keys, now })?, None),
            Signers::Keyless(set) => {
                let (signed, time) = self.by_certificate(ByCertificate { set, now })?;
                (signed, Some(time))
            }
            Signers::Pki(set) => (self.by_pki(set, known)?, None),
            Signers::Notation(_) | Signers::Gpg(_) | Signers::Attestor(_) => {
                let kind = authenticator.set().kind();
                return Err(SignatureError::OtherKind { found: Format::Attestation, kind });
            }
        };
        self.header.check(digest)?;
        Ok(Statement {
            place: self.place,
            authenticator: authenticator.name().to_owned(),
            format: match self.material {
                Material::Envelope { .. } => Format::Attestation,
                Material::Bundle { .. } => Format::Bundle,
            },
            signed,
            signed_at,
            predicate_type: self.header.predicate_type(),
            payload: &self.payload,
        })
    }

    fn by_key(&self, by: By<'_>) -> Result<Signed, SignatureError> {
        let has_certificate = match self.material {
            Material::Envelope { certificate, .. } => certificate.is_some_and(|it| it.certificate.is_some()),
            Material::Bundle { has_certificate, .. } => has_certificate,
        };
        if has_certificate {
            return Err(SignatureError::ByCertificate {
                what: "attestation has a certificate (keyless signing)",
            });
        }
        let message = dsse::pre_authentication_encoding(dsse::PAYLOAD_TYPE, &self.payload);
        let valid = by.verify(&message, &self.signature)?;
        let check = |log: Logged<'_>| {
            let digest = self.header.first_digest()?;
            match self.material {
                Material::Envelope { document, certificate } => {
                    log.check_envelope(document, certificate, &digest)
                }
                Material::Bundle { document, .. } => log.check_attested(document, &digest),
            }
        };
        Ok(by.check_log(valid, check)?.into())
    }

    /// By a certificate without a log: its time is not that of the statement.
    fn by_pki(&self, set: &PkiSet, known: Known<'_>) -> Result<Signed, SignatureError> {
        let message = dsse::pre_authentication_encoding(dsse::PAYLOAD_TYPE, &self.payload);
        let evidence = match self.material {
            Material::Envelope { certificate: None, .. }
            | Material::Bundle { has_certificate: false, .. } => return Err(KeylessError::Key.into()),
            Material::Envelope { certificate: Some(certificate), .. } => {
                Evidence::of_annotations(certificate)?
            }
            Material::Bundle { document, .. } => Evidence::of_attestation(document)?,
        };
        evidence.check((&message, &self.signature), set, known)
    }

    fn by_certificate(&self, by: ByCertificate<'_>) -> Result<(Signed, Timestamp), SignatureError> {
        let digest = self.header.first_digest()?;
        match self.material {
            Material::Envelope { certificate: None, .. }
            | Material::Bundle { has_certificate: false, .. } => Err(KeylessError::Key.into()),
            Material::Envelope { document, certificate: Some(certificate) } => {
                keyless::envelope(by, document, certificate, &digest)
            }
            Material::Bundle { document, .. } => keyless::attested(by, document, &digest),
        }
    }
}

fn envelope(document: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SignatureError> {
    if document.len() > MAX_ATTESTATION_BYTES {
        return Err(too_large(ENVELOPE, document.len(), MAX_ATTESTATION_BYTES));
    }
    let malformed = |cause| SignatureError::Malformed { what: ENVELOPE, cause };
    dsse::read(parse(document, MAX_DEPTH).and_then(|value| object(value, ENVELOPE)).map_err(malformed)?)
}

/// A statement about an image, whose signature was verified; only [`Unverified::verify`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Statement<'a> {
    place: &'a str,
    authenticator: String,
    format: Format,
    signed: Signed,
    /// When it was signed, if that is signed by somebody else: a log or a timestamp authority.
    signed_at: Option<Timestamp>,
    predicate_type: &'a str,
    payload: &'a [u8],
}
