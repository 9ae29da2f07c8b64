//! Why a list of revoked certificates is not read, and why a chain does not count because of revocation.

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::limits::{MAX_CRL_BYTES, MAX_CRLS};
use crate::trust::PemError;
use crate::untrusted::Quoted;

/// Why a CRL is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum CrlError {
    #[error("CRL has {found} bytes, at most {MAX_CRL_BYTES} are read")]
    TooLarge { found: usize },
    #[error("CRL is not a well-formed list of version 2 in DER")]
    Malformed,
    #[error("the file is not PEM")]
    Pem(#[source] PemError),
    #[error("the file has a PEM block that is not a CRL")]
    OtherBlock,
    #[error("CRL of {issuer} does not say when the next one comes")]
    NoNextUpdate { issuer: Quoted },
    #[error("CRL of {issuer} is a delta CRL, of which only the complete list is read")]
    Delta { issuer: Quoted },
    #[error("CRL of {issuer} is an indirect CRL, which is about certificates of other issuers too")]
    Indirect { issuer: Quoted },
    #[error("CRL of {issuer} is for some reasons or for attribute certificates only")]
    Partial { issuer: Quoted },
    #[error("CRL of {issuer} has the critical extension {oid}, which pullgate does not evaluate")]
    CriticalExtension { issuer: Quoted, oid: ObjectIdentifier },
    #[error("there are more than {MAX_CRLS} CRLs")]
    TooMany,
}

/// Why a chain of certificates does not count. Text of a certificate appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum RevocationError {
    /// The policy denies the key.
    #[error("key of certificate {subject} is revoked: {why}")]
    Denied { subject: Quoted, why: String },
    #[error("certificate {subject} was revoked by its issuer at {since}")]
    Revoked { subject: Quoted, since: Timestamp },
    #[error("whether certificate {subject} is revoked is not known: {why}")]
    Unknown { subject: Quoted, why: Unknown },
    /// Lists that have to be fetched first, by their addresses.
    #[error("CRLs were not fetched")]
    NotFetched { addresses: Vec<String> },
}

/// Why it is not known whether a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum Unknown {
    #[error("no CRL of its issuer is at hand")]
    NoCrl,
    #[error("it names no CRL that can be fetched")]
    NoAddress,
    #[error("the CRL is not signed by its issuer")]
    OtherSigner,
    #[error("the key usage of its issuer has no CRL signing")]
    NoCrlSigning,
    #[error("the CRL ended at {at}")]
    Old { at: Timestamp },
    #[error("the CRL begins at {at}")]
    Future { at: Timestamp },
    #[error("{why}")]
    Fetch { why: String },
}
