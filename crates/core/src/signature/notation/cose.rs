//! COSE envelopes: one tagged COSE_Sign1 message with its payload (RFC 9052 section 4.2).

use std::collections::BTreeMap;

use coset::cbor::Value as Cbor;
use coset::iana::{self, EnumI64 as _};
use coset::{
    CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, RegisteredLabel, RegisteredLabelWithPrivate,
    TaggedCborSerializable as _,
};
use jiff::Timestamp;

use super::attributes::{Protected, SCHEME, SIGNING_AGENT, TIMES, TIMESTAMP, Value, X509_SCHEME};
use super::draft::{AGENT, Draft, SignedParts};
use super::payload::PAYLOAD_TYPE;
use super::{CertifiedError, Envelope, MAX_CHAIN, NotationError, X509Error};
use crate::signature::SignatureError;
use crate::trust::Algorithm;
use crate::untrusted::quoted;

/// Maximum number of attributes in a header, and of critical ones.
const MAX_ATTRIBUTES: usize = 64;

/// The numbers of algorithms (RFC 9053 section 2.1, RFC 8230 section 2).
const ALGORITHMS: [(iana::Algorithm, Algorithm); 6] = [
    (iana::Algorithm::PS256, Algorithm::RsaPssSha256),
    (iana::Algorithm::PS384, Algorithm::RsaPssSha384),
    (iana::Algorithm::PS512, Algorithm::RsaPssSha512),
    (iana::Algorithm::ES256, Algorithm::EcdsaSha256),
    (iana::Algorithm::ES384, Algorithm::EcdsaSha384),
    (iana::Algorithm::ES512, Algorithm::EcdsaSha512),
];

pub(super) fn open(document: &[u8]) -> Result<Envelope, SignatureError> {
    // Duplicate labels and bytes behind the message are errors there.
    let message = CoseSign1::from_tagged_slice(document).map_err(|_| NotationError::Cbor)?;
    let signed = message.tbs_data(&[]);
    let payload = message.payload.ok_or(NotationError::Attribute { attribute: "payload" })?;
    let unprotected = &message.unprotected;
    if unprotected.alg.is_some() || !unprotected.crit.is_empty() || unprotected.content_type.is_some() {
        return Err(
            NotationError::Attribute { attribute: "protected algorithm, crit and content type" }.into()
        );
    }
    let timestamp = match unsigned(unprotected, &Label::Text(TIMESTAMP.to_owned())) {
        None => None,
        Some(Cbor::Bytes(token)) => Some(token.clone()),
        Some(_) => return Err(NotationError::Attribute { attribute: TIMESTAMP }.into()),
    };
    let chain = chain_of(unprotected)?;
    let protected = read_protected(message.protected.header)?;
    Ok(Envelope { signed, signature: message.signature, payload, chain, timestamp, protected })
}

fn unsigned<'a>(header: &'a Header, label: &Label) -> Option<&'a Cbor> {
    header.rest.iter().find(|(found, _)| found == label).map(|(_, value)| value)
}

/// The certificates in `x5chain`: an array also of one (notation-core-go `signature/cose/envelope.go`).
fn chain_of(header: &Header) -> Result<Vec<Vec<u8>>, SignatureError> {
    let wrong = NotationError::Attribute { attribute: "x5chain" };
    let label = Label::Int(iana::HeaderParameter::X5Chain.to_i64());
    let Some(Cbor::Array(values)) = unsigned(header, &label) else { return Err(wrong.into()) };
    if values.len() > MAX_CHAIN {
        return Err(CertifiedError::Chain(X509Error::LongChain { found: values.len() }).into());
    }
    values.iter().map(|value| value.as_bytes().cloned().ok_or_else(|| wrong.clone().into())).collect()
}

fn read_protected(header: Header) -> Result<Protected, NotationError> {
    if header.rest.len() > MAX_ATTRIBUTES || header.crit.len() > MAX_ATTRIBUTES {
        return Err(NotationError::Cbor);
    }
    let Some(RegisteredLabel::Text(content_type)) = header.content_type else {
        return Err(NotationError::Attribute { attribute: "content type" });
    };
    let critical = header.crit.into_iter().map(|label| match label {
        RegisteredLabelWithPrivate::Text(name) => Ok(name),
        other => Err(NotationError::UnknownCritical { attribute: quoted(&format!("{other:?}")) }),
    });
    let attributes = header.rest.into_iter().filter_map(|(label, value)| match label {
        Label::Text(name) => {
            let value = value_of(&name, value);
            Some((name, value))
        }
        // Not critical, so it may be ignored.
        Label::Int(_) => None,
    });
    Ok(Protected {
        algorithm: header.alg.and_then(algorithm_of),
        content_type,
        critical: critical.collect::<Result<_, _>>()?,
        attributes: attributes.collect::<BTreeMap<_, _>>(),
    })
}

/// Times are seconds since 1970 with tag 1 (RFC 8949 section 3.4.2).
fn value_of(name: &str, value: Cbor) -> Value {
    match value {
        Cbor::Tag(1, seconds) if TIMES.contains(&name) => {
            let seconds = seconds.as_integer().and_then(|seconds| i64::try_from(seconds).ok());
            let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            time.map_or(Value::Other, Value::Time)
        }
        Cbor::Text(text) if !TIMES.contains(&name) => Value::Text(text),
        _ => Value::Other,
    }
}

fn algorithm_of(label: RegisteredLabelWithPrivate<iana::Algorithm>) -> Option<Algorithm> {
    let RegisteredLabelWithPrivate::Assigned(label) = label else { return None };
    ALGORITHMS.into_iter().find(|(known, _)| *known == label).map(|(_, algorithm)| algorithm)
}

/// The message without a signature; `None` for an algorithm that Notary signatures do not have.
pub(super) fn unsigned_message(draft: &Draft<'_>) -> Option<CoseSign1> {
    let (label, _) = ALGORITHMS.into_iter().find(|(_, algorithm)| *algorithm == draft.algorithm)?;
    let mut header = HeaderBuilder::new()
        .algorithm(label)
        .content_type(PAYLOAD_TYPE.to_owned())
        .text_value(SCHEME.to_owned(), X509_SCHEME.into());
    for name in draft.critical() {
        header = header.add_critical_label(RegisteredLabelWithPrivate::Text(name.to_owned()));
    }
    for (name, time) in draft.times() {
        header = header.text_value(name.to_owned(), Cbor::Tag(1, Box::new(time.as_second().into())));
    }
    Some(CoseSign1Builder::new().protected(header.build()).payload(draft.payload.to_vec()).build())
}

/// The envelope of a message that was signed.
pub(super) fn write(message: &CoseSign1, signed: &SignedParts<'_>) -> Option<Vec<u8>> {
    let chain = signed.chain.iter().map(|der| Cbor::Bytes(der.to_vec())).collect();
    let mut header = HeaderBuilder::new()
        .value(iana::HeaderParameter::X5Chain.to_i64(), Cbor::Array(chain))
        .text_value(SIGNING_AGENT.to_owned(), AGENT.into());
    if let Some(token) = signed.timestamp {
        header = header.text_value(TIMESTAMP.to_owned(), Cbor::Bytes(token.to_vec()));
    }
    let message =
        CoseSign1 { unprotected: header.build(), signature: signed.signature.to_vec(), ..message.clone() };
    message.to_tagged_vec().ok()
}
