//! Why a certificate or a chain is not acceptable.

use const_oid::ObjectIdentifier;

use super::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN, MAX_STORE};
use crate::trust::{Outside, PemError};
use crate::untrusted::Quoted;

/// Why a certificate or a chain is not acceptable. Text of a certificate appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum X509Error {
    #[error("certificate has {found} bytes, at most {MAX_CERTIFICATE_BYTES} are read")]
    TooLarge { found: usize },
    #[error("certificate is not well-formed DER")]
    Malformed,
    #[error("the file is not PEM")]
    Pem(#[source] PemError),
    #[error("the file has a PEM block that is not a certificate")]
    OtherBlock,
    #[error("certificate {subject} has extension {oid} twice")]
    DuplicateExtension { subject: Quoted, oid: ObjectIdentifier },
    #[error("certificate {subject} has a malformed extension {oid}")]
    MalformedExtension { subject: Quoted, oid: ObjectIdentifier },
    /// A critical extension that is not evaluated must not be ignored (RFC 5280 section 4.2).
    #[error("certificate {subject} has the critical extension {oid}, which pullgate does not evaluate")]
    CriticalExtension { subject: Quoted, oid: ObjectIdentifier },
    #[error("certificate {subject} has name constraints, which pullgate does not evaluate")]
    NameConstraints { subject: Quoted },
    #[error(
        "certificate {subject} has no subject alternative name that is an address, host name or URI, or too many"
    )]
    AlternativeNames { subject: Quoted },
    #[error("certificate chain is empty")]
    EmptyChain,
    #[error("certificate chain has {found} certificates, at most {MAX_CHAIN} are read")]
    LongChain { found: usize },
    #[error("certificate chain does not end with a self-signed certificate, but with {subject}")]
    NoRoot { subject: Quoted },
    #[error("certificate {subject} is self-signed and not the last of its chain")]
    SelfSignedInside { subject: Quoted },
    #[error("certificate {subject} is not issued by {issuer}, which follows it in the chain")]
    NotIssuedBy { subject: Quoted, issuer: Quoted },
    #[error("certificate {subject} is signed with an algorithm that is not supported, {oid}")]
    Algorithm { subject: Quoted, oid: ObjectIdentifier },
    #[error("certificate {subject} is not a CA")]
    NotCa { subject: Quoted },
    #[error("certificate {subject} is a CA, which must not sign anything but certificates")]
    CaLeaf { subject: Quoted },
    #[error(
        "certificate {subject} has {below} certificates of CAs below it, more than its path length allows"
    )]
    PathLength { subject: Quoted, below: usize },
    /// The key usage is missing, not critical, or not the required one.
    #[error("certificate {subject} has the wrong key usage: {wanted}")]
    KeyUsage {
        subject: Quoted,
        /// The required key usage.
        wanted: &'static str,
    },
    #[error("certificate {subject} has the wrong extended key usage: {wanted}")]
    ExtendedKeyUsage {
        subject: Quoted,
        /// The required extended key usage.
        wanted: &'static str,
    },
    #[error("certificate {subject} has a key that Notary signatures do not use: {wanted}")]
    Key {
        subject: Quoted,
        /// The possible keys.
        wanted: &'static str,
    },
    /// The certificate is not valid at the time that counts.
    #[error("certificate {subject} {side}")]
    Outside { subject: Quoted, side: Outside },
    #[error("trust store has more than {MAX_STORE} certificates")]
    LargeStore,
    /// A certificate of an end entity in a store would be trusted for whatever it issued.
    #[error("certificate {subject} is neither a CA nor self-signed, so it cannot be an anchor")]
    NotAnAnchor { subject: Quoted },
    #[error("certificate {subject} is not a self-signed root, which an anchor of timestamps must be")]
    NotARoot { subject: Quoted },
}
