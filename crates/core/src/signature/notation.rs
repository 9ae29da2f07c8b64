//! Signatures of the Notary Project: what `notation sign`, AWS Signer and the signers of Azure and Alibaba Cloud make.
//!
//! Sources: notaryproject/specifications `specs/signature-specification.md`, `signature-envelope-jws.md`,
//! `signature-envelope-cose.md`, `trust-store-trust-policy.md`; notation-core-go and notation-go where they decide what the
//! text leaves open. An envelope carries the certificate chain of its signer; the leaf's key fixes the algorithm, and the
//! name of the algorithm in the envelope must agree. Whether the envelope is JWS or COSE is decided by its first byte: the
//! media type of the layer is not signed.
//!
//! Not checked: revocation by OCSP. Plug-ins are not run: a signature that names one is not valid.

mod attributes;
mod cose;
mod draft;
mod error;
mod jws;
mod payload;
mod writer;

use jiff::Timestamp;

use self::attributes::{Attributes, Protected, SigningScheme};
pub use self::error::NotationError;
pub use self::writer::{EnvelopeType, OwnSignature, UnsignedEnvelope, own_signature};
use super::certified::{CertifiedError, TimeRule};
use super::{Known, SignatureError, Subject};
use crate::trust::x509::{
    Certificate, Chain, MAX_CHAIN, Purpose, RevocationCheck, X509Error, leaf_algorithm,
};
use crate::trust::{Identity, NotationSet, Valid, VerificationLevel, der_of_raw};

/// The artifact type of a signature manifest, or the media type of its config.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// The media types of envelopes.
pub const MEDIA_TYPES: [&str; 2] = [EnvelopeType::Jws.media_type(), EnvelopeType::Cose.media_type()];
/// Maximum size of an envelope: 128 KiB; one with a chain of three certificates and a timestamp has about 10 KiB.
pub const MAX_ENVELOPE_BYTES: usize = 128 * 1024;

const ENVELOPE: &str = "Notary envelope";

/// The signer of an image, after everything was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Signer {
    identity: Identity,
    key: String,
    valid_until: Option<Timestamp>,
}

impl Signer {
    /// The subject of the leaf: a renewed certificate, with another key, is the same signer.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The fingerprint of the key that signed.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The last instant at which this verdict is right, if there is one: the expiry of the signature, or of a certificate
    /// that no timestamp outlives.
    #[must_use]
    pub(super) fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }
}

/// An envelope in parts, not verified.
struct Envelope {
    /// The bytes that the signature is over.
    signed: Vec<u8>,
    signature: Vec<u8>,
    payload: Vec<u8>,
    /// The certificates, leaf first; at most [`MAX_CHAIN`].
    chain: Vec<Vec<u8>>,
    /// A timestamp over `signature`.
    timestamp: Option<Vec<u8>>,
    protected: Protected,
}

/// Verifies that `document` is an envelope that signs `subject`, by a signer that `trust` names, as of what is
/// `known`.
///
/// # Errors
/// In all other cases.
pub(super) fn verify(
    document: &[u8],
    trust: &NotationSet,
    subject: &Subject<'_>,
    known: Known<'_>,
) -> Result<Signer, SignatureError> {
    let (envelope, chain, valid) = open(document)?;
    let attributes = Attributes::read(&envelope.protected)?;
    check_trust(&chain, trust, attributes.scheme)?;
    let revocation = trust.revocation(known.crls, known.now);
    let known_until = revocation.check(&chain, attributes.stated_time()).map_err(CertifiedError::Revoked)?;
    let valid_until = check_times(&envelope, &chain, &attributes, (trust, revocation))?;
    payload::check(&envelope.protected, &envelope.payload, subject)?;
    let valid_until = valid_until.into_iter().chain(known_until).min();
    let key = valid.fingerprint().to_owned();
    Ok(Signer { identity: chain.leaf().identity(), key, valid_until })
}

/// The envelope and its chain, after its signature was verified with the key of the leaf.
fn open(document: &[u8]) -> Result<(Envelope, Chain, Valid), SignatureError> {
    let envelope = read(document)?;
    let chain = read_chain(&envelope.chain)?;
    let valid = verify_leaf_signature(&envelope, &chain)?;
    Ok((envelope, chain, valid))
}

/// The envelope, not verified.
fn read(document: &[u8]) -> Result<Envelope, SignatureError> {
    if document.len() > MAX_ENVELOPE_BYTES {
        let (found, limit) = (document.len(), MAX_ENVELOPE_BYTES);
        return Err(SignatureError::TooLarge { what: ENVELOPE, found, limit });
    }
    match EnvelopeType::of(document) {
        EnvelopeType::Cose => cose::open(document),
        EnvelopeType::Jws => jws::open(document),
    }
}

fn read_chain(certificates: &[Vec<u8>]) -> Result<Chain, SignatureError> {
    if certificates.len() > MAX_CHAIN {
        return Err(CertifiedError::Chain(X509Error::LongChain { found: certificates.len() }).into());
    }
    let parsed = certificates.iter().map(|der| Certificate::parse(der)).collect::<Result<Vec<_>, _>>();
    let chain = parsed.and_then(|parsed| Chain::check(parsed, Purpose::CodeSigning));
    Ok(chain.map_err(CertifiedError::Chain)?)
}

/// Verifies the signature with the key of the leaf.
fn verify_leaf_signature(envelope: &Envelope, chain: &Chain) -> Result<Valid, SignatureError> {
    let mismatch = || CertifiedError::Signature { subject: chain.leaf().name() };
    let algorithm = leaf_algorithm(chain.leaf().key()).ok_or_else(mismatch)?;
    if envelope.protected.algorithm != Some(algorithm) {
        return Err(NotationError::Algorithm { wanted: algorithm }.into());
    }
    // JWS (RFC 7518 section 3.4) and COSE (RFC 9053 section 2.1) have r and s side by side.
    let signature = if algorithm.is_rsa() {
        envelope.signature.clone()
    } else {
        der_of_raw(algorithm, &envelope.signature).ok_or_else(mismatch)?
    };
    Ok(chain.leaf().verify(algorithm, &envelope.signed, &signature).ok_or_else(mismatch)?)
}

/// The store depends on the scheme: an anchor of one is not an anchor of the other.
fn check_trust(chain: &Chain, trust: &NotationSet, scheme: SigningScheme) -> Result<(), CertifiedError> {
    let store = match scheme {
        SigningScheme::X509 => &trust.ca,
        SigningScheme::SigningAuthority => &trust.signing_authority,
    };
    if !store.anchors(chain) {
        return Err(CertifiedError::Untrusted { subject: chain.leaf().name(), store: scheme.store() });
    }
    if !trust.subjects.accept(chain.leaf()) {
        return Err(CertifiedError::Identity { subject: chain.leaf().name() });
    }
    Ok(())
}

/// Checks the expiry of the signature and the validity of the certificates, at the time that the scheme says. Returns the
/// last instant at which the result is the same.
fn check_times(
    envelope: &Envelope,
    chain: &Chain,
    attributes: &Attributes,
    (trust, revocation): (&NotationSet, RevocationCheck<'_>),
) -> Result<Option<Timestamp>, SignatureError> {
    let now = revocation.now;
    if trust.level == VerificationLevel::Permissive {
        return Ok(None);
    }
    if let Some(at) = attributes.expiry.filter(|at| now >= *at) {
        return Err(NotationError::Expired { at }.into());
    }
    let limit = match attributes.scheme {
        SigningScheme::SigningAuthority => {
            let signed = attributes.signing_time;
            chain.check_validity(signed, signed).map_err(CertifiedError::Time)?;
            None
        }
        SigningScheme::X509 => {
            let (tsa, timestamps) = (&trust.tsa, trust.timestamps);
            let rule = TimeRule { tsa, timestamps, revocation };
            rule.check(chain, &envelope.signature, envelope.timestamp.as_slice())?
        }
    };
    Ok([attributes.expiry, limit].into_iter().flatten().min())
}

#[cfg(test)]
mod tests;
