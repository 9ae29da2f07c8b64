//! Why a list of revoked certificates is not read, and why a chain does not count because of revocation.

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::crl_source::CrlSource;
use super::limits::{MAX_CRL_BYTES, MAX_CRLS};
use crate::trust::PemError;
use crate::untrusted::Quoted;

/// Why a CRL is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum CrlError {
    #[error("CRL has {found} bytes, more than the limit of {MAX_CRL_BYTES}")]
    TooLarge { found: usize },
    #[error("CRL is not a well-formed CRL of version 2 in DER")]
    Malformed,
    #[error("the file is not PEM")]
    Pem(#[source] PemError),
    #[error("the file has a PEM block that is not a CRL")]
    OtherBlock,
    #[error("CRL of {issuer} has no `nextUpdate`, the time at which it expires")]
    NoNextUpdate { issuer: Quoted },
    #[error("CRL of {issuer} is a delta CRL, but only complete CRLs are supported")]
    Delta { issuer: Quoted },
    #[error(
        "CRL of {issuer} is an indirect CRL, which also lists certificates of other issuers and is not supported"
    )]
    Indirect { issuer: Quoted },
    #[error(
        "CRL of {issuer} covers only some revocation reasons or only attribute certificates, which is not supported"
    )]
    Partial { issuer: Quoted },
    #[error("CRL of {issuer} has the critical extension {oid}, which pullgate does not evaluate")]
    CriticalExtension { issuer: Quoted, oid: ObjectIdentifier },
    #[error("the CRL is not signed by its issuer")]
    OtherSigner,
    #[error("there are more than {MAX_CRLS} CRLs")]
    TooMany,
}

/// Why a chain of certificates does not count. Text of a certificate appears only as [`Quoted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum RevocationError {
    /// The policy denies the key.
    #[error("key of certificate {subject} is on the deny list: {why}")]
    Denied { subject: Quoted, why: String },
    #[error("certificate {subject} was revoked by its issuer at {since}")]
    Revoked { subject: Quoted, since: Timestamp },
    #[error("revocation status of certificate {subject} is unknown: {why}")]
    Unknown { subject: Quoted, why: Unknown },
    /// Lists that have to be fetched first.
    #[error("CRLs were not fetched")]
    NotFetched { sources: Vec<CrlSource> },
}

/// Why it is not known whether a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum Unknown {
    #[error("no CRL of its issuer is available")]
    NoCrl,
    #[error("the certificate names no CRL that can be fetched")]
    NoAddress,
    #[error("the CRL is not signed by its issuer")]
    OtherSigner,
    #[error("the key usage of its issuer does not include CRL signing")]
    NoCrlSigning,
    #[error("the CRL of its issuer expired at {at}")]
    Old { at: Timestamp },
    #[error("the CRL of its issuer is not valid before {at}")]
    Future { at: Timestamp },
    #[error("{why}")]
    Fetch { why: String },
}
