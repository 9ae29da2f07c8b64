//! Envelopes for a signer: the scheme is always `notary.x509`.
//!
//! Sources: those of the parent module; what notation 1.3.2 writes (`tests/fixtures/notation`).

use coset::CoseSign1;
use jiff::Timestamp;

use super::attributes::Attributes;
use super::draft::{Draft, SignedParts};
use super::{Subject, cose, jws, open, payload, read};
use crate::signature::annotations;
use crate::trust::x509::Certificate;
use crate::trust::{Algorithm, raw_of_der};

/// The encoding of an envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvelopeType {
    /// JSON.
    #[default]
    Jws,
    /// CBOR.
    Cose,
}

impl EnvelopeType {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Jws, Self::Cose];

    /// That of an envelope, by its first byte.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        match document.first() {
            // The tag of COSE_Sign1, 18 (RFC 9052 section 2).
            Some(0xd2) => Self::Cose,
            _ => Self::Jws,
        }
    }

    /// The word in a configuration, and of notation's option `--signature-format`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jws => "jws",
            Self::Cose => "cose",
        }
    }

    /// The media type of its layer.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jws => "application/jose+json",
            Self::Cose => "application/cose",
        }
    }
}

/// An envelope that is not signed yet.
#[derive(Clone, Debug)]
pub struct UnsignedEnvelope {
    algorithm: Algorithm,
    encoded: Encoded,
}

#[derive(Clone, Debug)]
enum Encoded {
    /// Header and payload.
    Jws([String; 2]),
    Cose(Box<CoseSign1>),
}

impl UnsignedEnvelope {
    /// An envelope that signs `subject` with its annotations; the times are cut to seconds. `None` for an algorithm that is not
    /// that of a Notary leaf.
    #[must_use]
    pub fn new(
        kind: EnvelopeType,
        algorithm: Algorithm,
        subject: &Subject<'_>,
        (signing_time, expiry): (Timestamp, Option<Timestamp>),
    ) -> Option<Self> {
        let seconds = |time: Timestamp| Timestamp::from_second(time.as_second()).ok();
        let expiry = match expiry {
            Some(expiry) => Some(seconds(expiry)?),
            None => None,
        };
        let payload = payload::write(subject);
        let draft = Draft { algorithm, payload: &payload, signing_time: seconds(signing_time)?, expiry };
        let encoded = match kind {
            EnvelopeType::Jws => Encoded::Jws(jws::signed_parts(&draft)?),
            EnvelopeType::Cose => Encoded::Cose(Box::new(cose::unsigned_message(&draft)?)),
        };
        Some(Self { algorithm, encoded })
    }

    /// The bytes to sign.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        match &self.encoded {
            Encoded::Jws(parts) => parts.join(".").into_bytes(),
            Encoded::Cose(message) => message.tbs_data(&[]),
        }
    }

    /// A signature of [`Self::message`] as the envelope has it, which is what is timestamped. `None` when it is not one of the
    /// algorithm.
    #[must_use]
    pub fn signature(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if self.algorithm.is_rsa() { Some(signature.to_vec()) } else { raw_of_der(self.algorithm, signature) }
    }

    /// The envelope with a signature of [`Self::signature`], the chain of its certificate, leaf first, and a timestamp.
    #[must_use]
    pub fn finish(&self, signature: &[u8], chain: &[&[u8]], timestamp: Option<&[u8]>) -> Option<Vec<u8>> {
        let signed = SignedParts { signature, chain, timestamp };
        match &self.encoded {
            Encoded::Jws(parts) => Some(jws::write(parts, &signed)),
            Encoded::Cose(message) => cose::write(message, &signed),
        }
    }
}

/// A signature by a certificate that a signer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSignature {
    /// The encoding, by the bytes.
    pub envelope: EnvelopeType,
    /// When the signature expires.
    pub expiry: Option<Timestamp>,
}

/// The signature of an envelope, if it signs exactly `subject`, its annotations included, with the certificate `leaf`. For a
/// signer, which must not sign the same image twice; neither trust nor times are judged.
#[must_use]
pub fn own_signature(document: &[u8], leaf: &Certificate, subject: &Subject<'_>) -> Option<OwnSignature> {
    // First what costs nothing: anyone can attach signatures of others.
    if read(document).ok()?.chain.first()? != leaf.der() {
        return None;
    }
    let (envelope, _, _) = open(document).ok()?;
    let signed = payload::read(&envelope.protected, &envelope.payload, subject).ok()?;
    annotations::check(subject.annotations, &signed).ok()?;
    let Attributes { expiry, .. } = Attributes::read(&envelope.protected).ok()?;
    let own = OwnSignature { envelope: EnvelopeType::of(document), expiry };
    (signed.len() == subject.annotations.len()).then_some(own)
}
