//! Why an envelope is not a valid Notary signature.

use jiff::Timestamp;

use crate::signature::timestamp::TimestampError;
use crate::trust::Algorithm;
use crate::trust::x509::X509Error;
use crate::untrusted::Quoted;

/// Why an envelope is not a valid Notary signature of the target, as far as only this format has such reasons. Text of the
/// envelope appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum NotationError {
    #[error("envelope is not one tagged COSE_Sign1 message")]
    Cbor,
    /// A signed or unsigned attribute is missing or has another type.
    #[error("envelope has no {attribute} of the required type")]
    Attribute { attribute: &'static str },
    /// An attribute that the scheme of the signature does not allow.
    #[error("envelope has {attribute}, which its signing scheme does not have")]
    Forbidden { attribute: &'static str },
    #[error("envelope does not mark {attribute} as critical")]
    NotCritical { attribute: &'static str },
    /// An attribute that must be understood, and is not.
    #[error("envelope has the critical attribute {attribute}, which pullgate does not know")]
    UnknownCritical { attribute: Quoted },
    #[error("envelope marks {attribute} as critical twice, or does not have it")]
    CriticalList { attribute: Quoted },
    #[error("signature requires the verification plug-in {name}; pullgate runs no plug-ins")]
    Plugin { name: Quoted },
    #[error("envelope has the signing scheme {scheme}, which pullgate does not know")]
    Scheme { scheme: Quoted },
    #[error("envelope does not name {wanted}, the algorithm of its certificate's key")]
    Algorithm { wanted: Algorithm },
    #[error("certificate chain of the signature is not acceptable")]
    Chain(#[source] X509Error),
    /// A certificate is not valid at the time that counts.
    #[error(transparent)]
    Time(#[from] X509Error),
    #[error("signature does not verify with the key of its certificate {subject}")]
    Signature { subject: Quoted },
    #[error("certificate chain of {subject} has no certificate of the trust store `{store}`")]
    Untrusted { subject: Quoted, store: &'static str },
    #[error("certificate {subject} is trusted, but not one of the identities")]
    Identity { subject: Quoted },
    #[error("key of certificate {subject} is revoked: {why}")]
    Revoked { subject: Quoted, why: String },
    #[error("signature expired at {at}")]
    Expired { at: Timestamp },
    #[error("signature has no timestamp, which `tsa` requires")]
    NoTimestamp,
    #[error("timestamp of the signature is not valid")]
    Timestamp(#[from] TimestampError),
    /// The digest is the right one, the other parts of the descriptor are not.
    #[error("signature is for a target of another {part}")]
    OtherTarget { part: &'static str },
}
