//! Why a certificate or a chain is not acceptable.

use const_oid::ObjectIdentifier;

use super::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN, MAX_STORE};
use crate::trust::{Outside, PemError};
use crate::untrusted::Quoted;

/// Why a certificate or a chain is not acceptable. Text of a certificate appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum X509Error {
    #[error("certificate has {found} bytes, more than the limit of {MAX_CERTIFICATE_BYTES}")]
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
        "certificate {subject} has too many subject alternative names, or none that is an email address, host name or URI"
    )]
    AlternativeNames { subject: Quoted },
    #[error("certificate chain is empty")]
    EmptyChain,
    #[error("certificate chain has {found} certificates, more than the limit of {MAX_CHAIN}")]
    LongChain { found: usize },
    #[error("last certificate of the chain, {subject}, is not self-signed")]
    NoRoot { subject: Quoted },
    #[error("certificate {subject} is self-signed, but not the last certificate of the chain")]
    SelfSignedInside { subject: Quoted },
    #[error("certificate {subject} is not issued by the next certificate in the chain, {issuer}")]
    NotIssuedBy { subject: Quoted, issuer: Quoted },
    #[error("certificate {subject} is signed with the unsupported algorithm {oid}")]
    Algorithm { subject: Quoted, oid: ObjectIdentifier },
    #[error("certificate {subject} is not a CA")]
    NotCa { subject: Quoted },
    #[error(
        "certificate {subject} is a CA certificate, but the certificate of a signer must not be a CA certificate"
    )]
    CaLeaf { subject: Quoted },
    #[error(
        "certificate {subject} has {below} CA certificates below it in the chain, more than its path length allows"
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
    #[error("certificate {subject} has an unsupported key: {wanted}")]
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
    #[error(
        "certificate {subject} is neither a CA certificate nor self-signed, so it cannot be a trust anchor"
    )]
    NotAnAnchor { subject: Quoted },
    #[error("certificate {subject} is not a self-signed root, so it cannot be in `tsa`")]
    NotARoot { subject: Quoted },
}
