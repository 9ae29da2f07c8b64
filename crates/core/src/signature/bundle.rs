//! Sigstore bundles (v0.3) whose verification material is a public key: what `cosign sign --key` writes since v3.
//!
//! Source: sigstore/protobuf-specs `protos/sigstore_bundle.proto`, in the JSON form of protocol buffers. The key hint
//! is unsigned and only helps a client with many keys: it is ignored. Transparency log entries and timestamps are
//! allowed and ignored: they prove when a short-lived certificate signed, which a key does not need. A bundle contains
//! a digest and no repository.

use serde_json::{Map, Value};

use super::fields::{FieldError, Fields, object, parse};
use super::{By, SignatureError, Subject, dsse, statement, too_large};
use crate::digest::Digest;
use crate::trust::Valid;
use crate::untrusted::quoted;

/// Maximum size of a bundle: 1 MiB; cosign writes about 700 bytes for a key.
pub const MAX_BUNDLE_BYTES: usize = 1024 * 1024;
/// Maximum size of a bundle or envelope with an attestation: 8 MiB. Bills of materials have megabytes.
pub(super) const MAX_ATTESTATION_BYTES: usize = 8 << 20;
pub(super) const MAX_DEPTH: usize = 32;

/// The media type of a bundle v0.3.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The accepted spellings of it.
const MEDIA_TYPES: [&str; 2] = [MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// The media types of versions 0.1 to 0.3, the last in both spellings.
pub(super) const ALL_MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    MEDIA_TYPE,
];

const BUNDLE: &str = "bundle";

pub(super) fn verify(document: &[u8], by: By<'_>, subject: &Subject<'_>) -> Result<Valid, SignatureError> {
    let (payload, valid) = open(document, by)?;
    statement::check(&payload, subject)?;
    Ok(valid)
}

/// Verifies that the bundle signs `digest`, and returns the annotations that its statement adds.
pub(super) fn annotations(
    document: &[u8],
    by: By<'_>,
    digest: &Digest,
) -> Result<Map<String, Value>, SignatureError> {
    let (payload, _) = open(document, by)?;
    statement::annotations(&payload, digest)
}

/// The envelope of a bundle of any version, whose signature is not verified, and whether the bundle has a certificate; `None`
/// when it signs a message instead.
pub(super) fn envelope(document: &[u8], limit: usize) -> Result<Option<(Fields, bool)>, SignatureError> {
    let (mut bundle, mut material) = read(document, limit, &ALL_MEDIA_TYPES)?;
    let has_certificate = has_certificate(&mut material);
    if bundle.optional("messageSignature").is_some() {
        return Ok(None);
    }
    Ok(Some((envelope_of(bundle)?, has_certificate)))
}

/// The statement of a bundle, after its signature was verified.
fn open(document: &[u8], by: By<'_>) -> Result<(Vec<u8>, Valid), SignatureError> {
    let (bundle, material) = read(document, MAX_BUNDLE_BYTES, &MEDIA_TYPES)?;
    check_material(material)?;
    dsse::open(signed_statement(bundle)?, by)
}

/// A bundle of at most `limit` bytes and of one of these types, and its verification material.
pub(super) fn read(
    document: &[u8],
    limit: usize,
    media_types: &[&str],
) -> Result<(Fields, Fields), SignatureError> {
    if document.len() > limit {
        return Err(too_large(BUNDLE, document.len(), limit));
    }
    let mut bundle = parse(document, MAX_DEPTH).and_then(|value| object(value, BUNDLE)).map_err(malformed)?;
    let media_type = bundle.string("mediaType").map_err(malformed)?;
    if !media_types.contains(&media_type.as_str()) {
        return Err(SignatureError::WrongType { what: BUNDLE, found: quoted(&media_type) });
    }
    let material = bundle.object("verificationMaterial").map_err(malformed)?;
    Ok((bundle, material))
}

/// The envelope of a bundle that must sign a statement.
pub(super) fn signed_statement(mut bundle: Fields) -> Result<Fields, SignatureError> {
    if bundle.optional("messageSignature").is_some() {
        return Err(SignatureError::Unsupported { what: "bundle signs a message, not a statement" });
    }
    envelope_of(bundle)
}

fn envelope_of(mut bundle: Fields) -> Result<Fields, SignatureError> {
    bundle.object("dsseEnvelope").map_err(malformed)
}

fn has_certificate(material: &mut Fields) -> bool {
    material.optional("certificate").is_some() || material.optional("x509CertificateChain").is_some()
}

/// The verification material must be a key; the policy decides which key verifies.
fn check_material(mut material: Fields) -> Result<(), SignatureError> {
    if has_certificate(&mut material) {
        return Err(SignatureError::ByCertificate { what: "bundle carries a certificate (keyless signing)" });
    }
    material.object("publicKey").map_err(malformed)?;
    Ok(())
}

fn malformed(cause: FieldError) -> SignatureError {
    SignatureError::Malformed { what: BUNDLE, cause }
}
