//! Signature packets (RFC 9580 section 5.2).

use super::Fingerprint;
use super::hash::Hash;
use super::key::PublicKey;
use super::reader::Reader;
use super::subpackets::{Issuer, Subpackets};
use super::verifier::Values;

/// The types of signatures (RFC 9580 section 5.2.1).
pub(super) mod kind {
    pub(in super::super) const BINARY: u8 = 0x00;
    pub(in super::super) const CERTIFICATION: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(in super::super) const BINDING: u8 = 0x18;
    pub(in super::super) const BACK_SIGNATURE: u8 = 0x19;
    pub(in super::super) const DIRECT_KEY: u8 = 0x1f;
    pub(in super::super) const KEY_REVOCATION: u8 = 0x20;
    pub(in super::super) const SUBKEY_REVOCATION: u8 = 0x28;
    pub(in super::super) const CERTIFICATION_REVOCATION: u8 = 0x30;
}

/// A signature of version 4, not verified.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(super) kind: u8,
    algorithm: u8,
    pub(super) hash: Hash,
    /// Its bytes from the version to the end of the hashed subpackets: they are signed, too.
    hashed: Vec<u8>,
    pub(super) subpackets: Subpackets,
    values: Values,
}

/// Why a packet is not a signature that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotASignature {
    Malformed,
    /// Another version, with the type that it has if that is known.
    Version(u8, Option<u8>),
}

impl Signature {
    pub(super) fn read(body: &[u8]) -> Result<Self, NotASignature> {
        let mut reader = Reader::new(body);
        match reader.byte() {
            Some(4) => Self::read_rest(body, reader).ok_or(NotASignature::Malformed),
            // The type is the third byte in version 3, and the second one from version 5 on.
            Some(version @ (2 | 3)) => Err(NotASignature::Version(version, body.get(2).copied())),
            Some(version) => Err(NotASignature::Version(version, body.get(1).copied())),
            None => Err(NotASignature::Malformed),
        }
    }

    fn read_rest(body: &[u8], mut reader: Reader<'_>) -> Option<Self> {
        let [kind, algorithm, hash] = reader.array()?;
        let hashed_length = reader.two()?;
        let hashed = reader.take(hashed_length)?;
        let unhashed_length = reader.two()?;
        let unhashed = reader.take(unhashed_length)?;
        // The first two bytes of the hash say nothing that the signature does not.
        reader.two()?;
        Some(Self {
            kind,
            algorithm,
            hash: Hash::of(hash),
            hashed: body.get(..6 + hashed_length)?.to_vec(),
            subpackets: Subpackets::read(hashed, unhashed)?,
            values: Values::read(algorithm, reader)?,
        })
    }

    /// Whether it can be by this key, as far as it names its issuer.
    pub(super) fn may_be_by(&self, key: &Fingerprint) -> bool {
        let issuers = &self.subpackets.issuers;
        issuers.is_empty() || issuers.iter().any(|issuer| issuer.is(key))
    }

    /// Its issuer, as it says; the fingerprint where it has one.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        let issuers = &self.subpackets.issuers;
        issuers.iter().find(|issuer| matches!(issuer, Issuer::Fingerprint(_))).or_else(|| issuers.first())
    }

    /// Whether it is a signature by `key` over `parts`, one after the other (RFC 9580 section 5.2.4). That it counts is
    /// another question.
    pub(super) fn is_by(&self, key: &PublicKey, parts: &[&[u8]]) -> bool {
        let Ok(length) = u32::try_from(self.hashed.len()) else { return false };
        let mut message = parts.concat();
        message.extend_from_slice(&self.hashed);
        message.extend_from_slice(&[4, 0xff]);
        message.extend_from_slice(&length.to_be_bytes());
        key.verifies(self.algorithm, self.hash, &message, &self.values)
    }

    /// Whether something in it forbids that it grants anything: a subpacket that is not understood, or is there twice; a
    /// missing time.
    pub(super) fn is_readable(&self) -> bool {
        let Subpackets { unknown_critical, is_ambiguous, created, .. } = &self.subpackets;
        unknown_critical.is_none() && !is_ambiguous && created.is_some()
    }
}
