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
    #[error("signature envelope is not a tagged COSE_Sign1 message")]
    Cbor,
    /// A signed or unsigned attribute is missing or has another type.
    #[error("attribute {attribute} of the signature envelope is missing or has the wrong type")]
    Attribute { attribute: &'static str },
    /// An attribute that the scheme of the signature does not allow.
    #[error("signature envelope has the attribute {attribute}, which its signing scheme does not allow")]
    Forbidden { attribute: &'static str },
    #[error("signature envelope does not mark the attribute {attribute} as critical")]
    NotCritical { attribute: &'static str },
    /// An attribute that must be understood, and is not.
    #[error("signature envelope has the unknown critical attribute {attribute}")]
    UnknownCritical { attribute: Quoted },
    #[error(
        "signature envelope lists the attribute {attribute} as critical twice, or lists it without containing it"
    )]
    CriticalList { attribute: Quoted },
    #[error("signature requires the verification plug-in {name}; pullgate runs no plug-ins")]
    Plugin { name: Quoted },
    #[error("signature envelope has the unknown signing scheme {scheme}")]
    Scheme { scheme: Quoted },
    #[error(
        "signature envelope does not name the algorithm {wanted}, which the key of its certificate requires"
    )]
    Algorithm { wanted: Algorithm },
    #[error("signature expired at {at}")]
    Expired { at: Timestamp },
    /// The digest is the right one, the other parts of the descriptor are not.
    #[error("signature is for this digest, but for an image manifest with another {part}")]
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
