//! Why an envelope is not a valid Notary signature.

use jiff::Timestamp;

use crate::signature::Fault;
use crate::trust::Algorithm;
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
    #[error("signature expired at {at}")]
    Expired { at: Timestamp },
    /// The digest is the right one, the other parts of the descriptor are not.
    #[error("signature is for a target of another {part}")]
    OtherTarget { part: &'static str },
}

impl NotationError {
    /// What of it has a reason code.
    pub(in crate::signature) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Plugin { .. } => Some(Fault::VerificationPlugin),
            Self::Expired { .. } => Some(Fault::SignatureExpired),
            Self::OtherTarget { .. } => Some(Fault::OtherDigest),
            _ => None,
        }
    }
}
