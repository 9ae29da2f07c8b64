//! RFC 3161 timestamps: a timestamp authority vouches that some bytes existed at a time.
//!
//! Sources: RFC 3161 section 2.4.2, RFC 5652 section 5, RFC 5816, and notaryproject/tspclient-go. A token is a CMS message
//! with one signature. The certificate of the signer is the one whose hash the signed attribute signingCertificateV2 has.
//! Only DER is read, which is what authorities make today; CMS would allow BER.

mod cms;
mod info;

use jiff::Timestamp;

use self::cms::Token;
use self::info::Info;
use crate::trust::NotationSet;
use crate::trust::x509::{Certificate, Chain, MAX_CHAIN, Purpose, Store, X509Error, signature_algorithm};
use crate::untrusted::Quoted;

/// Maximum size of a token: 64 KiB; real ones have 3 to 8 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// When something was timestamped: the time of the authority, less and plus its accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    /// The earliest time that the timestamp can mean.
    pub(super) from: Timestamp,
    /// The latest.
    pub(super) until: Timestamp,
}

/// Verifies that `token` is a timestamp of `message`, by an authority below a root in `tsa` of `trust` whose certificates were
/// valid at that time, and whose keys are not revoked.
///
/// # Errors
/// In all other cases.
pub(super) fn verify(token: &[u8], message: &[u8], trust: &NotationSet) -> Result<Stamped, TimestampError> {
    let roots = &trust.tsa;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TimestampError::TooLarge { found: token.len() });
    }
    let token = Token::parse(token).ok_or(TimestampError::Malformed)?;
    let certificates: Vec<Certificate> =
        token.certificates.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    let hashed = |certificate: &&Certificate| {
        token.signer.certificate_hash.0.digest(certificate.der()) == token.signer.certificate_hash.1
    };
    let leaf = certificates.iter().find(hashed).ok_or(TimestampError::NoCertificate)?;
    verify_signature(&token, leaf)?;
    let chain = chain_from(leaf, &certificates, roots)?;
    if !roots.anchors(&chain) {
        return Err(TimestampError::Untrusted);
    }
    if let Some((certificate, why)) = trust.revocation_of(&chain) {
        return Err(TimestampError::Revoked { subject: certificate.name(), why: why.to_owned() });
    }
    let info = Info::parse(token.content).ok_or(TimestampError::Malformed)?;
    if info.hash.digest(message) != info.hashed {
        return Err(TimestampError::OtherMessage);
    }
    let stamped = info.stamped().ok_or(TimestampError::Malformed)?;
    chain.check_validity(stamped.from, stamped.until).map_err(TimestampError::Chain)?;
    Ok(stamped)
}

fn verify_signature(token: &Token<'_>, leaf: &Certificate) -> Result<(), TimestampError> {
    let signer = &token.signer;
    if signer.digest.digest(token.content) != signer.content_digest {
        return Err(TimestampError::Signature);
    }
    let algorithm = signature_algorithm(&signer.algorithm, Some(signer.digest), leaf.key())
        .ok_or(TimestampError::Algorithm)?;
    let valid = leaf.verify(algorithm, &signer.signed, signer.signature);
    valid.map(|_| ()).ok_or(TimestampError::Signature)
}

/// The chain of the leaf: each issuer is a root, or one of the certificates in the token.
fn chain_from(
    leaf: &Certificate,
    certificates: &[Certificate],
    roots: &Store,
) -> Result<Chain, TimestampError> {
    let mut chain = vec![leaf.clone()];
    let mut current = leaf;
    while !current.is_self_issued() && chain.len() < MAX_CHAIN {
        let mut known = roots.certificates().iter().chain(certificates);
        let issuer = known.find(|other| current.names_as_issuer(other)).ok_or(TimestampError::Untrusted)?;
        chain.push(issuer.clone());
        current = issuer;
    }
    Chain::check(chain, Purpose::Timestamping).map_err(TimestampError::Chain)
}

/// Why a token is not a valid timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum TimestampError {
    #[error("timestamp has {found} bytes, more than the limit of {MAX_TOKEN_BYTES}")]
    TooLarge { found: usize },
    #[error("timestamp is not a well-formed RFC 3161 token in DER with exactly one signature")]
    Malformed,
    #[error("timestamp does not contain the certificate of its signer")]
    NoCertificate,
    #[error("timestamp is signed with an algorithm that is not supported")]
    Algorithm,
    #[error("signature of the timestamp does not verify")]
    Signature,
    #[error("timestamp was not issued by an authority below a root in `tsa`")]
    Untrusted,
    #[error("certificate {subject} in the chain of the timestamp has a key that is revoked: {why}")]
    Revoked { subject: Quoted, why: String },
    #[error("timestamp was issued for another signature")]
    OtherMessage,
    #[error("certificate chain of the timestamp is not valid")]
    Chain(#[source] X509Error),
}

#[cfg(test)]
mod tests;
