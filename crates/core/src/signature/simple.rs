//! Simple signing: the payload of cosign's legacy layout, of skopeo and of atomic.
//!
//! Sources: sigstore/cosign `specs/SIGNATURE_SPEC.md`, containers/image `docs/containers-signature.5.md`. `critical` is
//! checked as strictly as in containers/image; cosign checks neither the type nor the repository.

use serde_json::{Map, Value};

use super::fields::{FieldError, Fields, object, parse};
use super::{By, SignatureError, Subject, annotations, decode_signature, repository, too_large};
use crate::trust::Valid;
use crate::untrusted::quoted;

/// Maximum size of a payload: 64 KiB; cosign writes about 250 bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 16;

/// Accepted values of `critical.type`: those of cosign and skopeo, and of atomic and podman.
const TYPES: [&str; 2] = ["cosign container image signature", "atomic container signature"];

const PAYLOAD: &str = "payload";

pub(super) fn verify(
    payload: &[u8],
    signature: &str,
    by: By<'_>,
    subject: &Subject<'_>,
) -> Result<Valid, SignatureError> {
    check_size(payload)?;
    let signature = decode_signature("signature annotation", signature)?;
    let valid = by.verify(payload, &signature)?;
    check_claim(payload, subject)?;
    Ok(valid)
}

pub(super) fn check_size(payload: &[u8]) -> Result<(), SignatureError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(too_large(PAYLOAD, payload.len(), MAX_PAYLOAD_BYTES));
    }
    Ok(())
}

/// Checks that a payload whose signature was verified is about `subject`.
pub(super) fn check_claim(payload: &[u8], subject: &Subject<'_>) -> Result<(), SignatureError> {
    check_claim_of(&TYPES, payload, subject)
}

/// As [`check_claim`], where these values of `critical.type` are accepted.
pub(super) fn check_claim_of(
    types: &[&str],
    payload: &[u8],
    subject: &Subject<'_>,
) -> Result<(), SignatureError> {
    let claim = Claim::parse(payload).map_err(|cause| SignatureError::Malformed { what: PAYLOAD, cause })?;
    if !types.contains(&claim.kind.as_str()) {
        return Err(SignatureError::WrongType { what: PAYLOAD, found: quoted(&claim.kind) });
    }
    claim.speaks_of(subject)
}

/// The parsed content of a payload.
struct Claim {
    reference: String,
    digest: String,
    kind: String,
    annotations: Map<String, Value>,
}

impl Claim {
    fn parse(payload: &[u8]) -> Result<Self, FieldError> {
        let mut document = object(parse(payload, MAX_DEPTH)?, PAYLOAD)?;
        let mut critical = document.object("critical")?;
        let mut identity = critical.object("identity")?;
        let mut image = critical.object("image")?;
        // Signers may put anything there; only annotations that a rule requires affect the decision.
        let optional = document.optional("optional").map(|value| object(value, "optional")).transpose()?;
        let claim = Self {
            reference: identity.string("docker-reference")?,
            digest: image.string("docker-manifest-digest")?,
            kind: critical.string("type")?,
            annotations: optional.map(Fields::rest).unwrap_or_default(),
        };
        [identity, image, critical, document].into_iter().try_for_each(Fields::end)?;
        Ok(claim)
    }

    fn speaks_of(&self, subject: &Subject<'_>) -> Result<(), SignatureError> {
        if self.digest != subject.digest.as_str() {
            return Err(SignatureError::OtherDigest { found: quoted(&self.digest) });
        }
        repository::check(&self.reference, subject)?;
        annotations::check(subject.annotations, &self.annotations)
    }
}
