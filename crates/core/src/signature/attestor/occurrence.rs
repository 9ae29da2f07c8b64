//! The JSON of an attestation: an occurrence of Grafeas v1 or v1beta1 in the JSON form of protocol buffers, or a DSSE envelope.
//!
//! Of an occurrence, only what is signed and the signatures are read. The rest is not signed: which resource and note it is
//! of, who made it and when.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::Value;

use super::{AttestorError, ENVELOPE_PAYLOAD_TYPE};
use crate::json::{self, Bounds, Keep, Keys};
use crate::signature::fields::{self, FieldError, Fields, array, object, string};
use crate::signature::{MAX_PAYLOAD_BYTES, SignatureError, decode_base64, dsse, too_large};
use crate::trust::openpgp::MAX_MESSAGE_BYTES;
use crate::untrusted::quoted;

/// Maximum size of the JSON of an attestation: 256 KiB; gcloud makes about 2 KiB.
pub const MAX_GRAFEAS_BYTES: usize = 256 * 1024;
/// Maximum number of signatures of one attestation: each key of the attestor is tried with each.
const MAX_SIGNATURES: usize = 4;
pub(super) const MAX_DEPTH: usize = 16;

const ATTESTATION: &str = "attestation";
const CONTENT_TYPE: &str = "SIMPLE_SIGNING_JSON";

/// What the signatures are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// The payload, or its encoding for DSSE.
    Payload,
    /// The encoding of the payload for DSSE.
    Envelope,
}

/// An attestation whose signatures are not verified.
#[derive(Debug)]
pub(super) struct Attestation {
    /// `None` where it is in the signature alone.
    pub(super) payload: Option<Vec<u8>>,
    pub(super) signatures: Vec<Vec<u8>>,
    pub(super) signed: Signed,
}

impl Attestation {
    pub(super) fn read(document: &[u8]) -> Result<Self, SignatureError> {
        if document.len() > MAX_GRAFEAS_BYTES {
            return Err(too_large(ATTESTATION, document.len(), MAX_GRAFEAS_BYTES));
        }
        let mut document = fields::parse(document, MAX_DEPTH)
            .and_then(|value| object(value, ATTESTATION))
            .map_err(malformed)?;
        if document.has("payloadType") {
            return Self::enveloped(document);
        }
        if let Some(dsse) = document.optional("dsseAttestation") {
            let mut dsse = object(dsse, "dsseAttestation").map_err(malformed)?;
            return Self::enveloped(dsse.object("envelope").map_err(malformed)?);
        }
        let mut attestation = document.object(ATTESTATION).map_err(malformed)?;
        // v1beta1 has one more level.
        match attestation.optional(ATTESTATION) {
            Some(inner) => Self::of_beta(object(inner, ATTESTATION).map_err(malformed)?),
            None => Self::signed(attestation),
        }
    }

    fn enveloped(envelope: Fields) -> Result<Self, SignatureError> {
        let (payload, signature) = dsse::read_of(ENVELOPE_PAYLOAD_TYPE, envelope)?;
        Ok(Self { payload: Some(payload), signatures: vec![signature], signed: Signed::Envelope })
    }

    /// `AttestationOccurrence` of v1, or `GenericSignedAttestation` of v1beta1.
    fn signed(mut attestation: Fields) -> Result<Self, SignatureError> {
        let payload = match attestation.optional("serializedPayload") {
            Some(payload) => Some(decoded("serializedPayload", payload, MAX_PAYLOAD_BYTES)?),
            None => None,
        };
        let listed = match attestation.optional("signatures") {
            Some(listed) => array(listed, "signatures").map_err(malformed)?,
            None => Vec::new(),
        };
        if listed.is_empty() && attestation.optional("jwts").is_some() {
            return Err(AttestorError::Tokens.into());
        }
        if listed.len() > MAX_SIGNATURES {
            return Err(SignatureError::Count {
                what: "attestation may have at most 4 signatures",
                found: listed.len(),
            });
        }
        let signatures = listed.into_iter().map(|signature| {
            let signature = object(signature, "signatures").and_then(|mut it| it.required("signature"));
            decoded("signature of the attestation", signature.map_err(malformed)?, MAX_ARMORED_BYTES)
        });
        // An empty one in JSON is the same as none.
        let payload = payload.filter(|payload| !payload.is_empty());
        Ok(Self { payload, signatures: signatures.collect::<Result<_, _>>()?, signed: Signed::Payload })
    }

    /// `Attestation` of v1beta1.
    fn of_beta(mut attestation: Fields) -> Result<Self, SignatureError> {
        if let Some(generic) = attestation.optional("genericSignedAttestation") {
            let mut generic = object(generic, "genericSignedAttestation").map_err(malformed)?;
            check_content_type(&mut generic)?;
            return Self::signed(generic);
        }
        let mut attached = attestation.object("pgpSignedAttestation").map_err(malformed)?;
        check_content_type(&mut attached)?;
        let text = attached.string("signature").map_err(malformed)?;
        // A string in the protocol; kritis encodes the armor once more.
        let signature = match text.starts_with("-----") {
            true => text.into_bytes(),
            false => decoded("signature of the attestation", Value::String(text), MAX_ARMORED_BYTES)?,
        };
        Ok(Self { payload: None, signatures: vec![signature], signed: Signed::Payload })
    }
}

/// An armored OpenPGP message in lines.
const MAX_ARMORED_BYTES: usize = MAX_MESSAGE_BYTES / 2 * 3;

fn check_content_type(attestation: &mut Fields) -> Result<(), SignatureError> {
    let found = match attestation.optional("contentType") {
        Some(found) => string(found, "contentType").map_err(malformed)?,
        None => return Ok(()),
    };
    if found == CONTENT_TYPE {
        Ok(())
    } else {
        Err(AttestorError::ContentType { found: quoted(&found) }.into())
    }
}

/// Bytes in the JSON form of protocol buffers: base64 in the standard or, as gcloud shows it, the URL-safe alphabet, padded.
fn decoded(what: &'static str, value: Value, limit: usize) -> Result<Vec<u8>, SignatureError> {
    let text = string(value, what).map_err(malformed)?;
    let limit = limit.div_ceil(3) * 4;
    if text.len() > limit {
        return Err(too_large(what, text.len(), limit));
    }
    match text.contains(['-', '_']) {
        true => URL_SAFE.decode(text).map_err(|_| SignatureError::Base64 { what }),
        false => decode_base64(what, &text),
    }
}

fn malformed(cause: FieldError) -> SignatureError {
    SignatureError::Malformed { what: ATTESTATION, cause }
}

/// Whether a DSSE envelope has a payload of simple signing: it is then an attestation of an attestor, and not a statement. The
/// type is signed; nothing is decided here but which of the two the document is verified as.
#[must_use]
pub fn is_envelope(document: &[u8]) -> bool {
    let bounds = Bounds { depth: MAX_DEPTH, values: 256, keys: Keys::Exact };
    let read = || json::parse_kept(document, bounds, &Keep::paths(&["payloadType"]));
    document.len() <= MAX_GRAFEAS_BYTES
        && read().is_ok_and(|envelope| {
            envelope.get("payloadType").and_then(Value::as_str) == Some(ENVELOPE_PAYLOAD_TYPE)
        })
}
