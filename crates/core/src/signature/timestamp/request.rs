//! The question to a timestamp authority, and whether its answer is one to it.
//!
//! Source: RFC 3161 sections 2.4.1 and 2.4.2. A verifier accepts any timestamp of the same bytes; a signer asked for one with
//! its own nonce, which an old answer does not have.

use std::collections::BTreeMap;

use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Decode as _, Encode as _, Tag};
use jiff::{SignedDuration, Timestamp};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::cms::{Token, elements, sequence};
use super::info::Info;
use super::{Stamped, TimestampError, token_of, verify};
use crate::trust::HashFunction;
use crate::trust::x509::{FetchedCrls, Revocation, RevocationCheck, Store, hash_identifier};

/// How far the clock of an authority may be from ours: with another time, certificates would be judged by a wrong one.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(10);

/// Bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// A request for a timestamp.
#[derive(Clone, Debug)]
pub struct TimestampRequest {
    hash: HashFunction,
    message: Vec<u8>,
    nonce: [u8; NONCE_BYTES],
}

/// A timestamp that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The whole response: what a Sigstore bundle has.
    pub response: Vec<u8>,
    /// The token in it: what a Notation signature has.
    pub token: Vec<u8>,
}

impl TimestampRequest {
    /// A request about the `hash` of `message`. The nonce is random.
    #[must_use]
    pub fn new(hash: HashFunction, message: &[u8], nonce: [u8; NONCE_BYTES]) -> Self {
        Self { hash, message: message.to_vec(), nonce }
    }

    /// The request in DER; `None` does not happen.
    #[must_use]
    pub fn der(&self) -> Option<Vec<u8>> {
        // Some authorities demand the parameters of a hash, which RFC 5754 allows.
        let algorithm =
            AlgorithmIdentifierRef { oid: hash_identifier(self.hash), parameters: Some(AnyRef::NULL) };
        let hashed = self.hash.digest(&self.message);
        let imprint =
            encoded_sequence(&[algorithm.to_der().ok()?, OctetStringRef::new(&hashed).ok()?.to_der().ok()?])?;
        let nonce = UintRef::new(&self.nonce).ok()?.to_der().ok()?;
        // `true`: with the certificate of the authority, without which nobody can verify it.
        encoded_sequence(&[1_u8.to_der().ok()?, imprint, nonce, true.to_der().ok()?])
    }

    /// Checks that `response` has a timestamp as it was requested, at about `now`, by an authority below one of the `roots`.
    ///
    /// # Errors
    /// In all other cases.
    pub fn check(&self, response: &[u8], roots: &Store, now: Timestamp) -> Result<Stamp, StampError> {
        let malformed = TimestampError::Malformed;
        let status = status_of(response).ok_or(StampError::Invalid(malformed.clone()))?;
        // RFC 3161 section 2.4.2: granted, and granted with modifications.
        if status > 1 {
            return Err(StampError::Refused { status });
        }
        let (token, stamped) =
            verify_response(response, &self.message, roots, now).map_err(|error| match error {
                TimestampError::Untrusted => StampError::Untrusted,
                error => StampError::Invalid(error),
            })?;
        let info = Token::parse(&token).and_then(|token| Info::parse(token.content));
        let info = info.ok_or(StampError::Invalid(malformed))?;
        if info.hash != self.hash {
            return Err(StampError::OtherHash);
        }
        let nonce = UintRef::new(&self.nonce).ok().and_then(|nonce| nonce.to_der().ok());
        let nonce = nonce.as_deref().and_then(|der| Some(AnyRef::from_der(der).ok()?.value()));
        if info.nonce.is_none() || info.nonce != nonce {
            return Err(StampError::OtherNonce);
        }
        if stamped.from.duration_since(now).abs() > MAX_SKEW {
            return Err(StampError::OtherTime { at: stamped.from });
        }
        Ok(Stamp { response: response.to_vec(), token })
    }
}

/// Verifies that `response`, which may be of any time, has a timestamp of `message` by an authority below one of the `roots`.
/// For a signer, which need not ask for a timestamp that exists.
///
/// # Errors
/// In all other cases.
pub fn check_response(
    response: &[u8],
    message: &[u8],
    roots: &Store,
    now: Timestamp,
) -> Result<(), TimestampError> {
    verify_response(response, message, roots, now).map(|_| ())
}

/// The token of a response, and the time in it.
fn verify_response(
    response: &[u8],
    message: &[u8],
    roots: &Store,
    now: Timestamp,
) -> Result<(Vec<u8>, Stamped), TimestampError> {
    let token = token_of(response).ok_or(TimestampError::Malformed)?;
    let fetched = FetchedCrls::default();
    let (denied, revocation) = (BTreeMap::new(), Revocation::default());
    let unrevoked = RevocationCheck { denied: &denied, revocation: &revocation, fetched: &fetched, now };
    let stamped = verify(&token, message, roots, unrevoked)?;
    Ok((token, stamped))
}

/// The status of a response, from 0 to 255.
fn status_of(response: &[u8]) -> Option<u8> {
    let status = *elements(sequence(AnyRef::from_der(response).ok()?)?)?.first()?;
    elements(sequence(status)?)?.first()?.decode_as::<u8>().ok()
}

fn encoded_sequence(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    AnyRef::new(Tag::Sequence, &parts.concat()).ok()?.to_der().ok()
}

/// Why an answer is not the timestamp that was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum StampError {
    #[error("the authority refused the request with status {status} (RFC 3161 section 2.4.2)")]
    Refused { status: u8 },
    #[error("its timestamp is not valid")]
    Invalid(#[source] TimestampError),
    #[error("its timestamp was not issued by an authority below a root in `timestamp-ca`")]
    Untrusted,
    #[error("its timestamp does not use the hash algorithm of the request")]
    OtherHash,
    #[error("its timestamp is for another request: the nonce differs")]
    OtherNonce,
    #[error(
        "its timestamp has the time {at}, which is more than {MAX_SKEW:#} from the clock of this machine"
    )]
    OtherTime { at: Timestamp },
}

#[cfg(test)]
mod tests;
