//! Public keys and their packets (RFC 9580 section 5.5).

use std::fmt;

use super::fingerprint::Fingerprint;
use super::hash::Hash;
use super::reader::Reader;
use super::verifier::{NoVerifier, Values, Verifier, digest_of};
use crate::trust::Identity;

/// A key of version 4: a primary key or a sub-key.
#[derive(Clone)]
pub(super) struct PublicKey {
    /// The body of its packet, which its signatures are over.
    body: Vec<u8>,
    fingerprint: Fingerprint,
    created: u32,
    /// `None` where its algorithm is not one that verifies signatures here.
    verifier: Option<Verifier>,
    /// The SHA-256 of its SubjectPublicKeyInfo.
    digest: Option<String>,
}

/// Why a packet is not a key that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAKey {
    Malformed,
    Version(u8),
}

impl PublicKey {
    pub(super) fn read(body: &[u8]) -> Result<Self, NotAKey> {
        let mut reader = Reader::new(body);
        let version = reader.byte().ok_or(NotAKey::Malformed)?;
        if version != 4 {
            return Err(NotAKey::Version(version));
        }
        let header = reader.four().zip(reader.byte());
        let ((created, algorithm), fingerprint) =
            header.zip(Fingerprint::of(body)).ok_or(NotAKey::Malformed)?;
        let (verifier, digest) = match Verifier::read(algorithm, reader) {
            Ok((verifier, der)) => (Some(verifier), Some(digest_of(&der))),
            Err(NoVerifier::Unsupported) => (None, None),
            Err(NoVerifier::Malformed) => return Err(NotAKey::Malformed),
        };
        Ok(Self { body: body.to_vec(), fingerprint, created, verifier, digest })
    }

    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// When it was made.
    pub(super) fn created(&self) -> u32 {
        self.created
    }

    /// Whether it verifies anything.
    pub(super) fn is_supported(&self) -> bool {
        self.verifier.is_some()
    }

    /// Its names in a deny list: the SHA-256 of its SubjectPublicKeyInfo, and its fingerprint.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        [self.digest.clone(), Some(Identity::openpgp(&self.fingerprint).to_string())].into_iter().flatten()
    }

    /// The SHA-256 of its SubjectPublicKeyInfo; `None` where it does not verify anything.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// What a signature over the key hashes of it (RFC 9580 section 5.2.4).
    pub(super) fn hashed(&self) -> Vec<u8> {
        // The body has at most 65535 bytes: its fingerprint was computed.
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[0x99], &length[..], &self.body].concat()
    }

    pub(super) fn verifies(&self, algorithm: u8, hash: Hash, message: &[u8], values: &Values) -> bool {
        self.verifier.as_ref().is_some_and(|verifier| verifier.verifies(algorithm, hash, message, values))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
