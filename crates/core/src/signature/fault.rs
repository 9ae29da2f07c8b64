//! Faults of signatures that an operator can act on.

/// Why a signature does not count, as far as a reason code says it.
///
/// In the order in which a verification gets on: where several signatures fail, the one that got furthest gives the
/// reason of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The authenticator does not read signatures of this kind.
    OtherKind(SignatureKind),
    /// A timestamp is not by an authority of the trusted root, or for something else.
    UntrustedTimestamp,
    /// Nothing shows when the certificate was used.
    NoSigningTime,
    /// No authority of the trusted root was valid when the signature was made.
    RootExpired,
    /// The certificate is not by an authority of the trusted root, or not for signing code.
    UntrustedCertificate,
    /// The signature was made when its certificate was not valid.
    CertificateExpired,
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
    /// The key, or the key above it, is revoked.
    KeyRevoked,
    /// The key, or the key above it, has expired.
    KeyExpired,
    /// The signature has expired.
    SignatureExpired,
    /// The signature was made at a time that has not come.
    FutureTime,
    /// The signature is by somebody else.
    WrongIdentity,
}

/// Who makes a signature, as an authenticator sees it before it verifies one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// The holder of a key.
    Key,
    /// An identity, with a certificate.
    Keyless,
}

impl SignatureKind {
    /// So many of them, in words.
    pub fn counted(self, count: usize) -> String {
        match (self, count) {
            (Self::Key, 1) => "1 signature by a key".to_owned(),
            (Self::Key, count) => format!("{count} signatures by keys"),
            (Self::Keyless, 1) => "1 keyless signature".to_owned(),
            (Self::Keyless, count) => format!("{count} keyless signatures"),
        }
    }
}
