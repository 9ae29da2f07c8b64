//! DSSE envelopes with exactly one signature.
//!
//! Source: secure-systems-lab/dsse `protocol.md`.

use super::fields::{FieldError, Fields, object};
use super::{By, SignatureError, decode_base64, decode_signature};
use crate::trust::Valid;
use crate::untrusted::quoted;

/// The only accepted payload type: an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const ENVELOPE: &str = "DSSE envelope";

/// Verifies the envelope, then returns its payload.
pub(super) fn open(envelope: Fields, by: By<'_>) -> Result<(Vec<u8>, Valid), SignatureError> {
    let (payload, signature) = read(envelope)?;
    let valid = by.verify(&pre_authentication_encoding(PAYLOAD_TYPE, &payload), &signature)?;
    Ok((payload, valid))
}

/// The payload and the signature of an envelope, which is not verified.
pub(super) fn read(envelope: Fields) -> Result<(Vec<u8>, Vec<u8>), SignatureError> {
    read_of(PAYLOAD_TYPE, envelope)
}

/// As [`read`], of an envelope with this payload type.
pub(super) fn read_of(
    payload_type: &str,
    mut envelope: Fields,
) -> Result<(Vec<u8>, Vec<u8>), SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: ENVELOPE, cause };
    let kind = envelope.string("payloadType").map_err(malformed)?;
    if kind != payload_type {
        return Err(SignatureError::WrongType { what: ENVELOPE, found: quoted(&kind) });
    }
    let payload = decode_base64("DSSE payload", &envelope.string("payload").map_err(malformed)?)?;
    let signature = decode_signature("DSSE signature", &only_signature(&mut envelope)?)?;
    Ok((payload, signature))
}

/// The one signature; its `keyid` is unsigned and ignored.
fn only_signature(envelope: &mut Fields) -> Result<String, SignatureError> {
    let malformed = |cause: FieldError| SignatureError::Malformed { what: ENVELOPE, cause };
    let signatures = envelope.array("signatures").map_err(malformed)?;
    let found = signatures.len();
    let mut signatures = signatures.into_iter();
    match (signatures.next(), signatures.next()) {
        (Some(only), None) => {
            object(only, "signatures").and_then(|mut only| only.string("sig")).map_err(malformed)
        }
        _ => Err(SignatureError::Count { what: "DSSE envelope must have exactly one signature", found }),
    }
}

/// The signed bytes: `DSSEv1 SP LEN(type) SP type SP LEN(payload) SP payload`.
pub fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoding = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    encoding.extend_from_slice(payload);
    encoding
}

#[cfg(test)]
pub(super) mod tests {
    /// For tests that make envelopes.
    pub(in crate::signature) fn encoding(payload: &[u8]) -> Vec<u8> {
        super::pre_authentication_encoding(super::PAYLOAD_TYPE, payload)
    }

    #[test]
    fn encodes_the_example_of_the_specification() {
        assert_eq!(
            super::pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
