//! Faults of signatures that an operator can act on.

use super::Format;
use crate::trust::x509::RevocationError;

/// Why a signature does not count, as far as a reason code says it.
///
/// In the order in which a verification gets on: where several signatures fail, the one that got furthest gives the
/// reason of the refusal. Only what is not a signature of this image by a signer whom the authenticator knows comes first,
/// although that it is for something else is found last: whatever is wrong with another signature says more about the image,
/// and a signature that somebody copied to it must not hide what another clock or another attempt would heal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The authenticator does not read signatures of this kind.
    OtherKind(SignatureKind),
    /// The signature names a key that the authenticator does not have.
    UnknownKey,
    /// A valid signature of another image.
    OtherDigest,
    /// A valid signature for another repository, or for none where one must be named.
    OtherRepository,
    /// The key that signed is not valid now.
    KeyNotValidNow,
    /// The signature names a verification plug-in of notation.
    VerificationPlugin,
    /// A timestamp is not by an authority of the trusted root, or for something else.
    UntrustedTimestamp,
    /// Nothing shows when the certificate was used.
    NoSigningTime,
    /// No authority of the trusted root was valid when the signature was made.
    RootExpired,
    /// The certificate is not by an authority that is trusted, or not for signing code.
    UntrustedCertificate,
    /// A certificate or its key is revoked.
    CertificateRevoked,
    /// Whether a certificate is revoked is not known.
    RevocationUnknown,
    /// The signature was made when its certificate was not valid.
    CertificateExpired,
    /// The certificate is not valid now, and nothing shows that it was when the signature was made.
    CertificateNotValidNow,
    /// The signature says until when it counts, and that is over.
    SignatureExpired,
    /// No certificate transparency log of the trusted root shows the certificate.
    NoCertificateLog,
    /// No log entry is there.
    NoLogEntry,
    /// The log entry is not by a log of the trusted root.
    UntrustedLog,
    /// The log entry is by a trusted log, and about something else.
    OtherLogEntry,
    /// The hash of the signature is too weak, or not supported.
    WeakSignature,
    /// What an attestor signed is not an attestation of an image, or not what comes with the signature.
    OtherPayload,
    /// The key, or the key above it, is revoked.
    KeyRevoked,
    /// The signature was made at a time that has not come.
    FutureTime,
    /// The signature is by somebody else.
    WrongIdentity,
    /// The attestation is valid, and does not say what its condition requires.
    NotMet,
    /// The attestation is valid, and older than its condition allows, or of no time that is signed.
    Stale,
    /// The image has more attestations than are verified.
    TooManyAttempts,
}

impl Fault {
    pub(super) fn of_revocation(error: &RevocationError) -> Self {
        match error {
            RevocationError::Denied { .. } | RevocationError::Revoked { .. } => Self::CertificateRevoked,
            RevocationError::Unknown { .. } | RevocationError::NotFetched { .. } => Self::RevocationUnknown,
        }
    }
}

/// Who makes a signature, as an authenticator sees it before it verifies one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// The holder of a key.
    Key,
    /// An identity, with a certificate.
    Keyless,
    /// Of this format; whose it is was not looked at.
    Of(Format),
}

impl SignatureKind {
    /// So many of them, in words.
    pub fn counted(self, count: usize) -> String {
        let (one, several) = match self {
            Self::Key => ("signature by a key", "signatures by keys"),
            Self::Keyless => ("keyless signature", "keyless signatures"),
            Self::Of(Format::SimpleSigning) => ("classic signature", "classic signatures"),
            Self::Of(Format::Bundle) => ("Sigstore bundle", "Sigstore bundles"),
            Self::Of(Format::Notation) => ("Notation signature", "Notation signatures"),
            Self::Of(Format::Attestation) => ("attestation", "attestations"),
            Self::Of(Format::Gpg) => ("GPG signature", "GPG signatures"),
            Self::Of(Format::Grafeas) => ("Grafeas attestation", "Grafeas attestations"),
        };
        format!("{count} {}", if count == 1 { one } else { several })
    }

    /// What an authenticator would have to read.
    pub fn reading(self) -> &'static str {
        match self {
            Self::Key => "signatures by keys",
            Self::Keyless => "keyless signatures",
            Self::Of(Format::SimpleSigning) => "classic signatures",
            Self::Of(Format::Bundle) => "Sigstore bundles",
            Self::Of(Format::Notation) => "Notation signatures",
            Self::Of(Format::Attestation) => "attestations",
            Self::Of(Format::Gpg) => "GPG signatures",
            Self::Of(Format::Grafeas) => "Grafeas attestations",
        }
    }
}
