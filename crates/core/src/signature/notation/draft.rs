//! The parts of an envelope that is written, the same for JWS and COSE.

use jiff::Timestamp;

use super::attributes::{EXPIRY, SCHEME, SIGNING_TIME};
use crate::trust::Algorithm;

/// The program that signed, for people.
pub(super) const AGENT: &str = concat!("pullgate/", env!("CARGO_PKG_VERSION"));

/// What is signed.
pub(super) struct Draft<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) payload: &'a [u8],
    pub(super) signing_time: Timestamp,
    pub(super) expiry: Option<Timestamp>,
}

impl Draft<'_> {
    /// The names of the attributes that a verifier must know.
    pub(super) fn critical(&self) -> Vec<&'static str> {
        [Some(SCHEME), self.expiry.map(|_| EXPIRY)].into_iter().flatten().collect()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = (&'static str, Timestamp)> {
        let expiry = self.expiry.map(|time| (EXPIRY, time));
        std::iter::once((SIGNING_TIME, self.signing_time)).chain(expiry)
    }
}

/// What is added when there is a signature.
pub(super) struct SignedParts<'a> {
    /// As the envelope has it: r and s side by side.
    pub(super) signature: &'a [u8],
    pub(super) chain: &'a [&'a [u8]],
    pub(super) timestamp: Option<&'a [u8]>,
}
