//! JWS envelopes: the flattened JSON serialization (RFC 7515 section 7.2.2).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::attributes::{Protected, SCHEME, SIGNING_AGENT, TIMES, TIMESTAMP, Value, X509_SCHEME};
use super::draft::{AGENT, Draft, SignedParts};
use super::payload::PAYLOAD_TYPE;
use super::{CertifiedError, ENVELOPE, Envelope, MAX_CHAIN, X509Error};
use crate::signature::fields::{FieldError, Fields, array, object, parse, string};
use crate::signature::{SignatureError, decode_base64};
use crate::trust::Algorithm;

const MAX_DEPTH: usize = 8;
const HEADER: &str = "protected header";

/// The names of algorithms (RFC 7518 section 3.1).
const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("PS256", Algorithm::RsaPssSha256),
    ("PS384", Algorithm::RsaPssSha384),
    ("PS512", Algorithm::RsaPssSha512),
    ("ES256", Algorithm::EcdsaSha256),
    ("ES384", Algorithm::EcdsaSha384),
    ("ES512", Algorithm::EcdsaSha512),
];

pub(super) fn open(document: &[u8]) -> Result<Envelope, SignatureError> {
    let malformed = |cause| SignatureError::Malformed { what: ENVELOPE, cause };
    let mut fields =
        parse(document, MAX_DEPTH).and_then(|value| object(value, ENVELOPE)).map_err(malformed)?;
    let protected = fields.string("protected").map_err(malformed)?;
    let payload = fields.string("payload").map_err(malformed)?;
    let signature = fields.string("signature").map_err(malformed)?;
    let mut header = fields.object("header").map_err(malformed)?;
    let chain = chain_of(header.array("x5c").map_err(malformed)?)?;
    let timestamp = match header.optional(TIMESTAMP) {
        Some(token) => {
            let token = string(token, TIMESTAMP).map_err(malformed)?;
            Some(decode_base64("timestamp", &token)?)
        }
        None => None,
    };
    Ok(Envelope {
        signed: format!("{protected}.{payload}").into_bytes(),
        signature: decode("signature", &signature)?,
        payload: decode("payload", &payload)?,
        chain,
        timestamp,
        protected: read_protected(&decode(HEADER, &protected)?)
            .map_err(|cause| SignatureError::Malformed { what: HEADER, cause })?,
    })
}

/// The certificates in `x5c`: base64 of the standard alphabet (RFC 7515 section 4.1.6).
fn chain_of(values: Vec<serde_json::Value>) -> Result<Vec<Vec<u8>>, SignatureError> {
    if values.len() > MAX_CHAIN {
        return Err(CertifiedError::Chain(X509Error::LongChain { found: values.len() }).into());
    }
    let decode = |value| {
        let text =
            string(value, "x5c").map_err(|cause| SignatureError::Malformed { what: ENVELOPE, cause })?;
        decode_base64("certificate", &text)
    };
    values.into_iter().map(decode).collect()
}

fn read_protected(document: &[u8]) -> Result<Protected, FieldError> {
    let mut fields = object(parse(document, MAX_DEPTH)?, HEADER)?;
    let algorithm = algorithm_of(&fields.string("alg")?);
    let content_type = fields.string("cty")?;
    let critical = array(fields.required("crit")?, "crit")?;
    let critical = critical.into_iter().map(|name| string(name, "crit")).collect::<Result<_, _>>()?;
    Ok(Protected { algorithm, content_type, critical, attributes: attributes_of(fields) })
}

fn attributes_of(fields: Fields) -> BTreeMap<String, Value> {
    let value = |name: &str, value| match value {
        serde_json::Value::String(text) if TIMES.contains(&name) => {
            text.parse::<Timestamp>().map_or(Value::Other, Value::Time)
        }
        serde_json::Value::String(text) => Value::Text(text),
        _ => Value::Other,
    };
    fields
        .rest()
        .into_iter()
        .map(|(name, found)| {
            let found = value(&name, found);
            (name, found)
        })
        .collect()
}

fn algorithm_of(name: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
}

/// The header and the payload, as they are signed; `None` for an algorithm that Notary signatures do not have.
pub(super) fn signed_parts(draft: &Draft<'_>) -> Option<[String; 2]> {
    let (name, _) = ALGORITHMS.into_iter().find(|(_, algorithm)| *algorithm == draft.algorithm)?;
    let mut header = Map::from_iter([
        ("alg".to_owned(), name.into()),
        ("cty".to_owned(), PAYLOAD_TYPE.into()),
        ("crit".to_owned(), draft.critical().into()),
        (SCHEME.to_owned(), X509_SCHEME.into()),
    ]);
    // RFC 3339, whole seconds.
    header.extend(draft.times().map(|(name, time)| (name.to_owned(), time.to_string().into())));
    Some([URL_SAFE_NO_PAD.encode(Json::Object(header).to_string()), URL_SAFE_NO_PAD.encode(draft.payload)])
}

/// The envelope of parts that were signed.
pub(super) fn write([protected, payload]: &[String; 2], signed: &SignedParts<'_>) -> Vec<u8> {
    let chain: Vec<String> = signed.chain.iter().map(|der| STANDARD.encode(der)).collect();
    let mut header = json!({ "x5c": chain, SIGNING_AGENT: AGENT });
    if let (Some(header), Some(token)) = (header.as_object_mut(), signed.timestamp) {
        header.insert(TIMESTAMP.to_owned(), STANDARD.encode(token).into());
    }
    json!({
        "payload": payload,
        "protected": protected,
        "header": header,
        "signature": URL_SAFE_NO_PAD.encode(signed.signature),
    })
    .to_string()
    .into_bytes()
}

/// base64 of the URL-safe alphabet without padding (RFC 7515 section 2).
fn decode(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SignatureError::Base64Url { what })
}
