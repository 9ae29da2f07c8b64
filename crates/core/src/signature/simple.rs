//! Simple signing: the payload of cosign's legacy layout, of skopeo and of atomic.
//!
//! Sources: sigstore/cosign `specs/SIGNATURE_SPEC.md`, containers/image `docs/containers-signature.5.md`. `critical` is
//! checked as strictly as in containers/image; cosign checks neither the type nor the repository.

use serde_json::{Map, Value};

use super::fields::{FieldError, Fields, object, parse};
use super::{By, SignatureError, Subject, annotations, decode_signature};
use crate::reference::{Repository, is_tag};
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
    if payload.len() > MAX_PAYLOAD_BYTES {
        let (found, limit) = (payload.len(), MAX_PAYLOAD_BYTES);
        return Err(SignatureError::TooLarge { what: PAYLOAD, found, limit });
    }
    let signature = decode_signature("signature annotation", signature)?;
    let valid = by.verify(payload, &signature)?;
    let claim = Claim::parse(payload).map_err(|cause| SignatureError::Malformed { what: PAYLOAD, cause })?;
    claim.speaks_of(subject)?;
    Ok(valid)
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
        if !TYPES.contains(&self.kind.as_str()) {
            return Err(SignatureError::WrongType { what: PAYLOAD, found: quoted(&self.kind) });
        }
        if self.digest != subject.digest.as_str() {
            return Err(SignatureError::OtherDigest { found: quoted(&self.digest) });
        }
        let named = Repository::with_host(without_tag(&self.reference));
        let named = named.as_ref().map(Repository::canonical);
        if !named.is_some_and(|named| subject.repositories.iter().any(|repository| *repository == named)) {
            return Err(SignatureError::OtherRepository { found: quoted(&self.reference) });
        }
        annotations::check(subject.annotations, &self.annotations)
    }
}

/// The repository of a reference with or without a tag: cosign writes no tag, skopeo writes the tag that it pushed.
///
/// The rest must be a repository with its host, `domain/path`: a colon before the last slash is a port, and a name with a
/// digest does not match. It is compared in canonical form, as in [`Subject`]: signer and node may write one registry
/// differently, such as cosign's `index.docker.io`.
fn without_tag(reference: &str) -> &str {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if repository.contains('/') && is_tag(tag) => repository,
        _ => reference,
    }
}

#[cfg(test)]
mod tests {
    use super::without_tag;

    #[test]
    fn removes_only_the_tag() {
        for (reference, repository) in [
            ("registry.example/a", "registry.example/a"),
            ("registry.example/a:1.0", "registry.example/a"),
            ("registry.example/a:_1", "registry.example/a"),
            ("registry.example:5000/a", "registry.example:5000/a"),
            ("registry.example:5000/a/b:v1", "registry.example:5000/a/b"),
            ("[::1]:5000/a:v1", "[::1]:5000/a"),
            ("a:1", "a:1"),
            ("registry.example:5000", "registry.example:5000"),
            ("registry.example/a:", "registry.example/a:"),
            ("registry.example/a:.x", "registry.example/a:.x"),
            ("registry.example/a:x y", "registry.example/a:x y"),
            ("registry.example/a:1:2", "registry.example/a:1"),
            ("registry.example/a:tag/b", "registry.example/a:tag/b"),
            ("", ""),
        ] {
            assert_eq!(without_tag(reference), repository, "{reference}");
        }
        let longest = format!("registry.example/a:{}", "x".repeat(128));
        assert_eq!(without_tag(&longest), "registry.example/a");
        let longer = format!("registry.example/a:{}", "x".repeat(129));
        assert_eq!(without_tag(&longer), longer);
    }
}
