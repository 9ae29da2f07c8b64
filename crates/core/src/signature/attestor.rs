//! Attestations of Binary Authorization and kritis.
//!
//! Sources: grafeas `proto/v1/attestation.proto`, `proto/v1/common.proto` and `proto/v1beta1/attestation.proto`; kritis
//! `pkg/attestlib`; gcloud `command_lib/container/binauthz/util.py`. The payload is that of simple signing, and names the
//! digest and the repository. A signature is over its exact bytes, or over their DSSE encoding (`--pae-encode-payload` of
//! gcloud). What names a key is a hint, and not read: every key of the attestor is tried, each with its own algorithm.

mod attempts;
mod error;
mod listing;
mod occurrence;

pub use self::attempts::Attempts;
pub use self::error::AttestorError;
pub use self::listing::{Listing, MAX_TOKEN_BYTES};
use self::occurrence::{Attestation, Signed as Form};
pub use self::occurrence::{MAX_GRAFEAS_BYTES, is_envelope};
use super::{By, Known, SignatureError, Signed, Subject, pre_authentication_encoding, simple};
use crate::trust::openpgp::{Message, OpenPgpError, armor};
use crate::trust::{AttestorSet, GpgSet, SignedData};

/// The payload type of a DSSE envelope with a payload of simple signing: the default of `--dsse-type` of gcloud.
pub const ENVELOPE_PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Accepted values of `critical.type`: those of gcloud, of the documentation of continuous validation, and of kritis.
const TYPES: [&str; 3] = [
    "Google cloud binauthz container signature",
    "Google Cloud BinAuthz container signature",
    "atomic container signature",
];

pub(super) fn verify(
    document: &[u8],
    set: &AttestorSet,
    subject: &Subject<'_>,
    known: Known<'_>,
) -> Result<Signed, SignatureError> {
    let attestation = Attestation::read(document)?;
    let mut failed = None;
    for signature in &attestation.signatures {
        let signed = by_attestor(&attestation, signature, set, known);
        match signed.and_then(|(payload, signed)| check_claim(&payload, subject).map(|()| signed)) {
            Ok(signed) => return Ok(signed),
            // "Considered verified if at least one signature verifies": of failures, the one that got furthest counts.
            Err(error) => failed = Some(further(failed, error)),
        }
    }
    Err(failed.unwrap_or(AttestorError::NoSignature.into()))
}

/// Checks that a payload whose signature was verified is an attestation of `subject`.
fn check_claim(payload: &[u8], subject: &Subject<'_>) -> Result<(), SignatureError> {
    simple::check_size(payload)?;
    simple::check_claim_of(&TYPES, payload, subject).map_err(|error| match error {
        SignatureError::WrongType { found, .. } => AttestorError::Type { found }.into(),
        error => error,
    })
}

/// What one signature of an attestation signs, and who signed it.
fn by_attestor(
    attestation: &Attestation,
    signature: &[u8],
    set: &AttestorSet,
    Known { now, attempts, .. }: Known<'_>,
) -> Result<(Vec<u8>, Signed), SignatureError> {
    let openpgp = binary(signature);
    let by_key = match (set.keys(), &attestation.payload) {
        (Some(keys), Some(payload)) => {
            let by = By { keys, now };
            let verify = |message: &[u8]| {
                attempts.take(keys.keys().len())?;
                by.verify(message, signature)
            };
            let encoded = || verify(&pre_authentication_encoding(ENVELOPE_PAYLOAD_TYPE, payload));
            let valid = match attestation.signed {
                Form::Payload => {
                    verify(payload).or_else(|error| encoded().map_err(|other| further(Some(error), other)))
                }
                Form::Envelope => encoded(),
            };
            match valid {
                Ok(valid) => return Ok((payload.clone(), valid.into())),
                Err(error) => Some(error),
            }
        }
        (Some(_), None) => Some(AttestorError::NoPayload.into()),
        (None, _) => None,
    };
    let by_openpgp = match (set.openpgp(), attestation.signed) {
        (Some(keys), Form::Payload) => {
            let paid = attempts.take(1);
            Some(paid.map_err(Into::into).and_then(|()| opened(attestation, openpgp.as_deref(), keys, now)))
        }
        (Some(_), Form::Envelope) | (None, _) => None,
    };
    let is_armored = openpgp.is_some() && signature.starts_with(b"-----");
    match (by_openpgp, by_key) {
        (Some(Ok(data)), _) => {
            let signed =
                Signed { identity: data.identity, keys: data.keys, demand: None, until: data.expires };
            Ok((data.data, signed))
        }
        // The armor decides only which of the two errors is reported.
        (Some(Err(error)), by_key) if is_armored || by_key.is_none() => Err(error),
        (_, Some(error)) => Err(error),
        (_, None) => Err(AttestorError::OtherKey.into()),
    }
}

/// Of two errors the one that got further, and so says more; see `Fault`.
fn further(first: Option<SignatureError>, second: SignatureError) -> SignatureError {
    first.filter(|first| first.fault() >= second.fault()).unwrap_or(second)
}

/// Opens a signature by an OpenPGP key, attached or detached.
fn opened(
    attestation: &Attestation,
    signature: Option<&[u8]>,
    keys: &GpgSet,
    now: jiff::Timestamp,
) -> Result<SignedData, SignatureError> {
    let signature = signature.ok_or(OpenPgpError::Malformed)?;
    if Message::is_detached(signature) {
        let payload = attestation.payload.as_deref().ok_or(AttestorError::NoPayload)?;
        return Ok(keys.open_detached(signature, payload, now)?);
    }
    let data = keys.open(signature, now)?;
    if attestation.payload.as_ref().is_some_and(|payload| *payload != data.data) {
        return Err(AttestorError::OtherPayload.into());
    }
    Ok(data)
}

/// A signature of OpenPGP in binary form; `None` for an armor that is malformed.
fn binary(signature: &[u8]) -> Option<Vec<u8>> {
    if !signature.starts_with(b"-----") {
        return Some(signature.to_vec());
    }
    armor::decode_message(std::str::from_utf8(signature).ok()?)
}

#[cfg(test)]
mod tests;
