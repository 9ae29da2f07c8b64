//! Why an attachment is not a valid signature.

use super::{
    AttestorError, CertifiedError, Fault, FieldError, Format, KeylessError, NotationError, SignatureKind,
};
use crate::trust::TrustError;
use crate::trust::openpgp::OpenPgpError;
use crate::trust::x509::CrlSource;
use crate::untrusted::Quoted;

/// Why an attachment is not a valid signature of the subject.
///
/// Text of the attachment appears only as [`Quoted`], so that every message is one short line.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum SignatureError {
    /// A part is larger than its limit.
    #[error("{what} has {found} bytes, more than the limit of {limit}")]
    TooLarge { what: &'static str, found: usize, limit: usize },
    /// A part is not base64 in the accepted form.
    #[error("{what} is not base64 (standard alphabet, padded, no white space)")]
    Base64 { what: &'static str },
    /// A part is not base64url in the accepted form.
    #[error("{what} is not base64url (URL-safe alphabet, no padding, no white space)")]
    Base64Url { what: &'static str },
    /// A part is not JSON of the required shape.
    #[error("{what} is malformed")]
    Malformed {
        what: &'static str,
        #[source]
        cause: FieldError,
    },
    #[error(transparent)]
    Untrusted(TrustError),
    /// A key verifies the signature, but is outside its validity period.
    #[error(transparent)]
    OutsideWindow(TrustError),
    /// The authenticator has no key that is valid now.
    #[error(transparent)]
    NoKeyNow(TrustError),
    /// A trusted key signed another digest.
    #[error("signature is for another digest, {found}")]
    OtherDigest { found: Quoted },
    #[error("signature is for another repository, {found}")]
    OtherRepository { found: Quoted },
    /// The rule requires that a bundle or a Notation signature names its repository.
    #[error("signature does not name its repository, but the rule has identity = \"required\"")]
    NoRepository,
    /// An annotation that the rule requires was not signed, or with another value.
    #[error("rule requires annotation {key} = {wanted}, but the signature has {found}")]
    Annotation {
        key: Quoted,
        wanted: Quoted,
        /// The value, quoted, or what there is instead.
        found: String,
    },
    /// A part has another type.
    #[error("{what} has type {found}, which is not a signature of an image")]
    WrongType { what: &'static str, found: Quoted },
    /// A trusted key attested something else about the digest.
    #[error("statement has predicate type {found}: it is an attestation, not a signature of the image")]
    WrongPredicate { found: Quoted },
    /// The number of elements is not that of a signature.
    #[error("{what}, but has {found}")]
    Count {
        /// The element, and the required number.
        what: &'static str,
        found: usize,
    },
    #[error(transparent)]
    Notation(#[from] NotationError),
    #[error(transparent)]
    Certified(#[from] CertifiedError),
    /// A format that the kind of authenticator does not read.
    #[error("the format is {found}, which an authenticator of type `{kind}` cannot verify")]
    OtherKind {
        found: Format,
        /// The word of `type` in the policy.
        kind: &'static str,
    },
    /// A known format that cannot be verified with a key.
    #[error("{what}, which an authenticator of type `key` cannot verify")]
    Unsupported { what: &'static str },
    /// A signature by a certificate, and an authenticator of keys.
    #[error("{what}, which an authenticator of type `key` cannot verify")]
    ByCertificate { what: &'static str },
    #[error(transparent)]
    Keyless(#[from] KeylessError),
    #[error(transparent)]
    Gpg(#[from] OpenPgpError),
    #[error(transparent)]
    Attestor(#[from] AttestorError),
}

impl SignatureError {
    /// The lists of revoked certificates without which nothing is known yet: certificates that are trusted say where they are.
    pub fn crls_to_fetch(&self) -> &[CrlSource] {
        match self {
            Self::Certified(error) => error.crls_to_fetch(),
            _ => &[],
        }
    }

    /// What of it has a reason code of its own.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::ByCertificate { .. } => Some(Fault::OtherKind(SignatureKind::Keyless)),
            Self::OutsideWindow(_) => Some(Fault::KeyNotValidNow),
            Self::Untrusted(TrustError::Revoked { .. }) => Some(Fault::KeyRevoked),
            Self::OtherDigest { .. } => Some(Fault::OtherDigest),
            Self::OtherRepository { .. } | Self::NoRepository => Some(Fault::OtherRepository),
            Self::OtherKind { found, .. } => Some(Fault::OtherKind(SignatureKind::Of(*found))),
            Self::Keyless(error) => error.fault(),
            Self::Gpg(error) => fault_of_gpg(error),
            Self::Attestor(error) => error.fault(),
            Self::Notation(error) => error.fault(),
            Self::Certified(error) => error.fault(),
            _ => None,
        }
    }
}

/// What of an error has a reason code of its own.
fn fault_of_gpg(error: &OpenPgpError) -> Option<Fault> {
    use OpenPgpError as E;
    match error {
        E::UnknownKey { .. } => Some(Fault::UnknownKey),
        E::Hash { .. } => Some(Fault::WeakSignature),
        E::Denied { .. } | E::Revoked { .. } | E::SubKeyRevoked { .. } => Some(Fault::KeyRevoked),
        E::KeyExpired { .. } | E::SubKeyExpired { .. } | E::NotYet { .. } | E::NotNow { .. } => {
            Some(Fault::KeyNotValidNow)
        }
        E::Expired { .. } => Some(Fault::SignatureExpired),
        E::Future { .. } => Some(Fault::FutureTime),
        E::NotAccepted { .. } => Some(Fault::WrongIdentity),
        _ => None,
    }
}
