//! RFC 3161 timestamps: a timestamp authority vouches that some bytes existed at a time.
//!
//! Sources: RFC 3161 section 2.4.2, RFC 5652 section 5, RFC 5816, and notaryproject/tspclient-go. A token is a CMS message
//! with one signature. The certificate of the signer is the one whose hash the signed attribute signingCertificateV2 has.
//! Only DER is read, which is what authorities make today; CMS would allow BER.

mod cms;
mod info;
mod request;

use der::{Reader as _, SliceReader};
use jiff::Timestamp;

use self::cms::Token;
use self::info::Info;
pub use self::request::{Stamp, StampError, TimestampRequest, check_response};
use crate::trust::x509::{
    Certificate, Chain, Purpose, RevocationCheck, RevocationError, Store, X509Error, signature_algorithm,
};

/// Maximum size of a token: 64 KiB; real ones have 3 to 8 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// When something was timestamped: the time of the authority, less and plus its accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    /// The earliest time that the timestamp can mean.
    pub(super) from: Timestamp,
    /// The latest.
    pub(super) until: Timestamp,
    /// The last instant at which it is known that the authority is not revoked, if there is one.
    pub(super) known_until: Option<Timestamp>,
}

/// Verifies that `token` is a timestamp of `message`, by an authority below one of the `roots` whose certificates were valid at
/// that time, and are not revoked.
///
/// # Errors
/// In all other cases.
pub(super) fn verify(
    token: &[u8],
    message: &[u8],
    roots: &Store,
    revocation: RevocationCheck<'_>,
) -> Result<Stamped, TimestampError> {
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
    let chain = Chain::find(leaf.clone(), &certificates, roots.certificates(), Purpose::Timestamping);
    let chain = chain.map_err(TimestampError::Chain)?.ok_or(TimestampError::Untrusted)?;
    let known_until = revocation.check(&chain, None).map_err(TimestampError::Revoked)?;
    let info = Info::parse(token.content).ok_or(TimestampError::Malformed)?;
    if info.hash.digest(message) != info.hashed {
        return Err(TimestampError::OtherMessage);
    }
    let (from, until) = info.stamped().ok_or(TimestampError::Malformed)?;
    let stamped = Stamped { from, until, known_until };
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

/// The token in a response of an authority (RFC 3161 section 2.4.2), which is what it signed.
pub(super) fn token_of(response: &[u8]) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(response).ok()?;
    let parts = |inner: &mut SliceReader<'_>| {
        inner.tlv_bytes()?;
        Ok::<_, der::Error>(inner.tlv_bytes()?.to_vec())
    };
    reader.sequence(parts).ok()
}

/// Whether a token, and the time in it, can be read; nothing is verified.
pub(super) fn is_readable(token: &[u8]) -> bool {
    let info = Token::parse(token).and_then(|token| Info::parse(token.content)?.stamped());
    info.is_some()
}

/// Why a token is not a valid timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum TimestampError {
    #[error("timestamp of the signature has {found} bytes, more than the limit of {MAX_TOKEN_BYTES}")]
    TooLarge { found: usize },
    #[error("timestamp is not a well-formed RFC 3161 token in DER with exactly one signature")]
    Malformed,
    #[error("timestamp does not contain the certificate of its signer")]
    NoCertificate,
    #[error("timestamp is signed with an unsupported algorithm")]
    Algorithm,
    #[error("signature of the timestamp does not verify")]
    Signature,
    #[error("timestamp was not issued by a timestamp authority below a root certificate in `tsa`")]
    Untrusted,
    #[error("revocation check failed for a certificate of the timestamp authority")]
    Revoked(#[source] RevocationError),
    #[error("timestamp was issued for another signature")]
    OtherMessage,
    #[error("certificate chain of the timestamp is not valid")]
    Chain(#[source] X509Error),
}

#[cfg(test)]
mod tests;
