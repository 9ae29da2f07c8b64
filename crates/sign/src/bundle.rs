//! Sigstore bundles, written so that cosign 3 verifies them.
//!
//! Sources: `sigstore_bundle.proto` of sigstore/protobuf-specs, `pkg/cosign/bundle` of cosign, and what cosign 3.1.1 writes
//! (`tests/fixtures/cosign`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::referrer::{self, Found, MAX_BYTES, Referrer};
use super::{Layout, SignError, SignRequest, TimestampAuthority};
use pullgate_core::signature::{
    Attachment, BUNDLE_MEDIA_TYPE, PREDICATE_TYPE, STATEMENT_MEDIA_TYPE, STATEMENT_TYPE, bundle_annotations,
    check_timestamp_response, pre_authentication_encoding,
};
use pullgate_core::trust::x509::Store;
use pullgate_core::trust::{HashFunction, PublicKey};
use pullgate_keys::SigningKey;
use pullgate_registry::{Collected, Registry};

/// The fields of the verification material with timestamps, and with those of RFC 3161.
const STAMPS: &str = "timestampVerificationData";
const RFC3161: &str = "rfc3161Timestamps";
/// The field of one of them with the response of the authority.
const SIGNED: &str = "signedTimestamp";
/// The most that are verified: anyone can attach a bundle (sigstore-go `pkg/verify` has the same limit).
const MAX_STAMPS: usize = 32;

/// The manifest of an existing bundle by this key with the same statement, and with a valid timestamp if one is requested.
pub(super) async fn present(
    registry: &Registry,
    request: &SignRequest<'_>,
    collected: &Collected,
    key: &PublicKey,
) -> Result<Option<Found>, SignError> {
    let wanted = signed_annotations(request);
    let own = |attachment: &Attachment| {
        let Attachment::Bundle { document, .. } = attachment else { return None };
        let is_own = bundle_annotations(document, key, request.digest).is_ok_and(|found| found == wanted)
            && request.timestamps.is_none_or(|timestamps| has_timestamp(document, timestamps.roots()));
        is_own.then_some(None)
    };
    referrer::find(registry, request, collected, own).await
}

/// Whether a bundle, whose signature was verified, has a timestamp of this signature by an authority below these roots.
fn has_timestamp(document: &[u8], roots: &Store) -> bool {
    let Ok(bundle) = serde_json::from_slice::<Value>(document) else { return false };
    let decoded = |value: &Value| STANDARD.decode(value.as_str()?).ok();
    let Some(signature) = bundle.pointer("/dsseEnvelope/signatures/0/sig").and_then(decoded) else {
        return false;
    };
    let stamps = bundle.get("verificationMaterial").and_then(|material| material.get(STAMPS)?.get(RFC3161));
    let stamps = stamps.and_then(Value::as_array).into_iter().flatten().take(MAX_STAMPS);
    stamps
        .filter_map(|stamp| stamp.get(SIGNED).and_then(decoded))
        .any(|response| check_timestamp_response(&response, &signature, roots, Timestamp::now()).is_ok())
}

/// A new bundle.
pub(super) async fn make(request: &SignRequest<'_>, key: &SigningKey) -> Result<Referrer, SignError> {
    let content = bundle(request, key).await?;
    if content.len() > MAX_BYTES {
        return Err(SignError::TooLarge { found: content.len(), limit: MAX_BYTES });
    }
    Ok(Referrer {
        layout: Layout::Bundle,
        artifact_type: BUNDLE_MEDIA_TYPE,
        media_type: BUNDLE_MEDIA_TYPE,
        content,
        expires: None,
        annotations: json!({
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": PREDICATE_TYPE,
        }),
    })
}

/// A bundle v0.3 with a statement about the digest, signed by `key`.
async fn bundle(request: &SignRequest<'_>, key: &SigningKey) -> Result<Bytes, SignError> {
    let statement = statement(request);
    let message = pre_authentication_encoding(STATEMENT_MEDIA_TYPE, statement.as_bytes());
    let turn = request.timestamps.map(TimestampAuthority::turn).transpose()?;
    let signature = key.sign(&message).await?;
    let mut material = Map::from_iter([("publicKey".to_owned(), json!({ "hint": hint(key.public()) }))]);
    if let Some(turn) = turn {
        // sigstore-go `pkg/sign/timestamping.go`: SHA-256, whatever the key.
        let stamp = turn.stamp(HashFunction::Sha256, &signature).await?;
        let stamps = json!({ RFC3161: [{ SIGNED: STANDARD.encode(stamp.response) }] });
        material.insert(STAMPS.to_owned(), stamps);
    }
    let bundle = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": STATEMENT_MEDIA_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    Ok(bundle.to_string().into())
}

fn statement(request: &SignRequest<'_>) -> String {
    let digest = json!({ request.digest.algorithm().name(): request.digest.hex() });
    let annotations = Value::Object(signed_annotations(request));
    format!(
        "{{\"_type\":{},\"subject\":[{{\"digest\":{digest},\"annotations\":{annotations}}}],\
         \"predicateType\":{},\"predicate\":{{}}}}",
        Value::from(STATEMENT_TYPE),
        Value::from(PREDICATE_TYPE),
    )
}

/// The annotations of the statement's subject.
fn signed_annotations(request: &SignRequest<'_>) -> Map<String, Value> {
    let annotations = request.annotations.with_repository(request.repository);
    annotations.into_iter().map(|(key, value)| (key, Value::from(value))).collect()
}

/// A hint for verifiers with many keys: the SHA-256 of the key, as cosign writes it.
fn hint(key: &PublicKey) -> String {
    let hex = key.fingerprint().rsplit(':').next().unwrap_or_default();
    let bytes = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    });
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Annotations;
    use pullgate_core::digest::Digest;
    use pullgate_core::reference::Repository;
    use pullgate_core::trust::{Algorithm, PssSalt};
    use pullgate_registry::Credentials;

    /// A bundle by cosign 3.1.1, and its key.
    const BUNDLE: &[u8] = include_bytes!("../../../tests/fixtures/cosign/bundle-p256/blob-0");
    const KEY: &str = include_str!("../../../tests/fixtures/cosign/bundle-p256/public-key.pem");
    const DIGEST: &str = "sha256:c1f1497a4d4964f88db08957b2973cf8bcee10146ce0947f66a8006836536cc9";

    #[test]
    fn statement_and_hint_equal_cosigns() {
        let key = PublicKey::from_pem(KEY, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let digest = Digest::parse(DIGEST).unwrap();
        let bundle: Value = serde_json::from_slice(BUNDLE).unwrap();
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], hint(&key));
        let request = SignRequest {
            repository: &Repository::parse("registry.example/app").unwrap(),
            digest: &digest,
            layout: Layout::Bundle,
            annotations: &Annotations::default(),
            credentials: &Credentials::anonymous(),
            recheck_delay: super::super::RECHECK_DELAY,
            notation: None,
            timestamps: None,
        };
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        // Except for the repository, which cosign does not name.
        let own = statement(&request);
        let named = r#""annotations":{"docker-reference":"registry.example/app"}"#;
        assert_eq!(own.replace(named, r#""annotations":{}"#).as_bytes(), payload);
        assert!(own.contains(named), "{own}");
        assert_eq!(bundle_annotations(BUNDLE, &key, &digest).unwrap(), Map::new());
        assert!(bundle_annotations(BUNDLE, &key, &Digest::of(b"")).is_err());
    }
}
