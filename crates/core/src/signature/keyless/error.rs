//! Why a bundle with a certificate does not count, in words that do not depend on the library's.

use jiff::Timestamp;
use sigstore_verify::bundle::Error as ShapeError;
use sigstore_verify::{CertificateError as Untrusted, Error, TimestampError, TransparencyLogError};

use crate::signature::{Fault, SignatureKind};
use crate::trust::{CertificateError, WrongIdentity};

/// Why a signature by a certificate does not count.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum KeylessError {
    #[error(
        "signature was made with a key without a certificate, but the authenticator accepts only signatures with \
         certificates"
    )]
    Key,
    #[error("bundle is malformed, or of a kind that pullgate does not support")]
    Malformed,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("signature does not verify with the key of the signer's certificate")]
    Mismatch,
    #[error(
        "signer's certificate was not issued by a certificate authority of the trusted root, or is not for code signing"
    )]
    UntrustedCertificate,
    #[error("signature was made outside the validity period of the signer's certificate")]
    OutsideCertificate,
    #[error("signature was made at {time}, when no certificate authority of the trusted root was valid")]
    RootExpired { time: Timestamp },
    /// Only that the root says from when to when its logs and authorities count keeps the signature from being valid.
    #[error(
        "a log or authority that confirms the signature was not valid at the signing time, according to the trusted root"
    )]
    RootOutside,
    #[error("signer's certificate is not in a certificate transparency log of the trusted root")]
    NoCertificateLog,
    #[error("signature has no transparency log entry with {0}")]
    NoLogEntry(&'static str),
    #[error("log entry is not signed by a transparency log of the trusted root")]
    UntrustedLog,
    #[error("transparency log entry belongs to another signature, certificate or image")]
    OtherLogEntry,
    #[error(
        "signing time is not known: the signature has neither a timestamp nor a signed log entry with a time"
    )]
    NoSigningTime,
    #[error(
        "timestamp was not issued by a timestamp authority of the trusted root, or is not for this signature"
    )]
    UntrustedTimestamp,
    #[error("signing time {time} is in the future")]
    Future { time: Timestamp },
    #[error("signature is valid, but made by an identity that the authenticator does not accept: {0}")]
    Identity(WrongIdentity),
}

impl KeylessError {
    /// What of it has a reason code.
    pub fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Malformed | Self::Certificate(_) | Self::Mismatch => return None,
            Self::Key => Fault::OtherKind(SignatureKind::Key),
            Self::UntrustedCertificate => Fault::UntrustedCertificate,
            Self::OutsideCertificate => Fault::CertificateExpired,
            Self::RootExpired { .. } | Self::RootOutside => Fault::RootExpired,
            Self::NoCertificateLog => Fault::NoCertificateLog,
            Self::NoLogEntry(_) => Fault::NoLogEntry,
            Self::UntrustedLog => Fault::UntrustedLog,
            Self::OtherLogEntry => Fault::OtherLogEntry,
            Self::NoSigningTime => Fault::NoSigningTime,
            Self::Future { .. } => Fault::FutureTime,
            Self::UntrustedTimestamp => Fault::UntrustedTimestamp,
            Self::Identity(_) => Fault::WrongIdentity,
        })
    }
}

impl KeylessError {
    /// Whether it can be that a log or an authority of the root was not valid at the time.
    pub(super) fn can_be_of_time(&self) -> bool {
        matches!(
            self,
            Self::UntrustedLog
                | Self::UntrustedTimestamp
                | Self::UntrustedCertificate
                | Self::NoCertificateLog
        )
    }
}

/// The library's texts are dropped: they may quote the bundle, and change with its version.
impl From<Error> for KeylessError {
    fn from(error: Error) -> Self {
        match error {
            Error::SignatureInvalid(_) => Self::Mismatch,
            // The artifact is the one of the bundle itself, so it is the log entry that is about another.
            Error::ArtifactMismatch(_) => Self::OtherLogEntry,
            Error::Certificate(error) => certificate(&error),
            Error::TransparencyLog(error) => log(&error),
            Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => Self::NoSigningTime,
            Error::Timestamp(_) => Self::UntrustedTimestamp,
            Error::Bundle(error) => shape(&error),
            _ => Self::Malformed,
        }
    }
}

fn certificate(error: &Untrusted) -> KeylessError {
    match error {
        Untrusted::NoValidAuthority { time } => KeylessError::RootExpired { time: *time },
        Untrusted::NotYetValid { .. } | Untrusted::Expired { .. } => KeylessError::OutsideCertificate,
        // webpki checks the time first, and its error is only a text here. It decides about the reason code alone.
        Untrusted::ChainInvalid(text)
            if ["CertExpired", "CertNotValidYet"].iter().any(|it| text.contains(it)) =>
        {
            KeylessError::OutsideCertificate
        }
        Untrusted::ChainInvalid(_) => KeylessError::UntrustedCertificate,
        Untrusted::Sct(_) => KeylessError::NoCertificateLog,
        _ => KeylessError::Malformed,
    }
}

fn log(error: &TransparencyLogError) -> KeylessError {
    match error {
        TransparencyLogError::EntryMismatch(_) => KeylessError::OtherLogEntry,
        TransparencyLogError::IntegratedTime(_) => KeylessError::OutsideCertificate,
        TransparencyLogError::MalformedEntry(_) => KeylessError::Malformed,
        _ => KeylessError::UntrustedLog,
    }
}

fn shape(error: &ShapeError) -> KeylessError {
    match error {
        ShapeError::MissingInclusionPromise(_) => KeylessError::NoLogEntry("an inclusion promise"),
        ShapeError::MissingInclusionProof(_) => KeylessError::NoLogEntry("an inclusion proof"),
        ShapeError::MissingCheckpoint => KeylessError::NoLogEntry("a checkpoint"),
        ShapeError::MissingSigningTimeEvidence => KeylessError::NoSigningTime,
        ShapeError::LogIndexOutOfRange { .. } | ShapeError::CheckpointRootMismatch => {
            KeylessError::UntrustedLog
        }
        _ => KeylessError::Malformed,
    }
}
