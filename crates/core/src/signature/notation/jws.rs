//! JWS envelopes: the flattened JSON serialization (RFC 7515 section 7.2.2).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::attributes::{Protected, TIMES, TIMESTAMP, Value};
use super::{CertifiedError, ENVELOPE, Envelope, MAX_CHAIN, X509Error};
use crate::signature::fields::{FieldError, Fields, array, object, parse, string};
use crate::signature::{SignatureError, decode_base64};
use crate::trust::Algorithm;

const MAX_DEPTH: usize = 8;
const HEADER: &str = "protected header";

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

/// RFC 7518 section 3.1.
fn algorithm_of(name: &str) -> Option<Algorithm> {
    match name {
        "PS256" => Some(Algorithm::RsaPssSha256),
        "PS384" => Some(Algorithm::RsaPssSha384),
        "PS512" => Some(Algorithm::RsaPssSha512),
        "ES256" => Some(Algorithm::EcdsaSha256),
        "ES384" => Some(Algorithm::EcdsaSha384),
        "ES512" => Some(Algorithm::EcdsaSha512),
        _ => None,
    }
}

/// base64 of the URL-safe alphabet without padding (RFC 7515 section 2).
fn decode(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SignatureError::Base64Url { what })
}
