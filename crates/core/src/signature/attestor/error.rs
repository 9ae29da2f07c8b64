//! Why an attestation of an attestor does not count, beyond what other formats have.

use crate::signature::Fault;
use crate::untrusted::Quoted;

/// Why an attestation of an attestor does not count.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum AttestorError {
    /// No key of the attestor is of the kind of the signature.
    #[error("attestation is signed with a kind of key that the attestor does not have")]
    OtherKey,
    #[error("attestation has no signature")]
    NoSignature,
    /// JSON Web Tokens are the third way of Grafeas to sign; nothing is known to write them.
    #[error("attestation has only JSON Web Tokens, which pullgate does not verify")]
    Tokens,
    #[error("attestation has no payload beside its detached signature")]
    NoPayload,
    /// The payload beside an OpenPGP message is not the one within.
    #[error("payload of the attestation differs from the payload in its OpenPGP message")]
    OtherPayload,
    #[error("attestation has content type {found}, not SIMPLE_SIGNING_JSON")]
    ContentType { found: Quoted },
    /// A key of the attestor signed something else.
    #[error("attestation has type {found}, which is not an attestation of an image by an attestor")]
    Type { found: Quoted },
    #[error("the attestations of the image need more than {limit} verifications with keys of attestors")]
    TooManyAttempts { limit: usize },
}

impl AttestorError {
    pub(in crate::signature) fn fault(&self) -> Option<Fault> {
        match self {
            Self::OtherPayload | Self::ContentType { .. } | Self::Type { .. } => Some(Fault::OtherPayload),
            Self::TooManyAttempts { .. } => Some(Fault::TooManyAttempts),
            Self::OtherKey | Self::NoSignature | Self::Tokens | Self::NoPayload => None,
        }
    }
}
