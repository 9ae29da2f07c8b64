//! The subpackets of a signature (RFC 9580 section 5.2.3.7).

use super::fingerprint::Fingerprint;
use super::packet::two_byte_length;
use super::reader::Reader;

/// Bit of the key flags: the key may sign data (RFC 9580 section 5.2.3.29).
const MAY_SIGN: u8 = 0x02;

/// The most embedded signatures that are looked at; a binding has one.
const MAX_EMBEDDED: usize = 4;

/// The most issuers. Each is a public-key operation at worst, and signatures name one key in one or two ways.
const MAX_ISSUERS: usize = 4;

/// What the subpackets of a signature say. Times and flags are taken from the hashed ones only.
#[derive(Clone, Debug, Default)]
pub(super) struct Subpackets {
    pub(super) created: Option<u32>,
    /// Seconds after its creation for which the signature is valid.
    pub(super) lifetime: Option<u32>,
    /// Seconds after its creation for which the key is valid; 0 means without end.
    pub(super) key_lifetime: Option<u32>,
    /// Whether the key may sign, if there are key flags.
    pub(super) may_sign: Option<bool>,
    /// Whether another key may revoke this one.
    pub(super) has_revoker: bool,
    /// The first critical one that is not understood: the signature must not count then.
    pub(super) unknown_critical: Option<u8>,
    /// Whether one that counts is there twice, so that there is more than one way to read them.
    pub(super) is_ambiguous: bool,
    /// The issuers that it names, hashed or not: hints.
    pub(super) issuers: Vec<Issuer>,
    /// Embedded signatures, hashed or not: they are verified themselves.
    pub(super) embedded: Vec<Vec<u8>>,
}

/// A key that a signature names as its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    Fingerprint(Fingerprint),
    KeyId([u8; 8]),
}

impl Issuer {
    pub(super) fn is(&self, key: &Fingerprint) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => fingerprint == key,
            Self::KeyId(id) => id == key.key_id(),
        }
    }
}

impl std::fmt::Display for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => write!(f, "{fingerprint}"),
            Self::KeyId(id) => id.iter().try_for_each(|byte| write!(f, "{byte:02X}")),
        }
    }
}

impl Subpackets {
    pub(super) fn read(hashed: &[u8], unhashed: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        found.add(hashed, true)?;
        found.add(unhashed, false)?;
        Some(found)
    }

    fn add(&mut self, area: &[u8], hashed: bool) -> Option<()> {
        let mut reader = Reader::new(area);
        while !reader.is_empty() {
            let length = match reader.byte()? {
                first @ 0..=191 => first.into(),
                255 => usize::try_from(reader.four()?).ok()?,
                first => two_byte_length(first, &mut reader)?,
            };
            let mut body = Reader::new(reader.take(length)?);
            let kind = body.byte()?;
            self.one(kind, body, hashed)?;
        }
        Some(())
    }

    fn one(&mut self, kind: u8, mut body: Reader<'_>, hashed: bool) -> Option<()> {
        let (number, is_critical) = (kind & 0x7f, kind & 0x80 != 0);
        match number {
            2 if hashed => self.is_ambiguous |= self.created.replace(body.four()?).is_some(),
            3 if hashed => self.is_ambiguous |= self.lifetime.replace(body.four()?).is_some(),
            9 if hashed => self.is_ambiguous |= self.key_lifetime.replace(body.four()?).is_some(),
            27 if hashed => {
                let flags = body.byte().unwrap_or(0);
                self.is_ambiguous |= self.may_sign.replace(flags & MAY_SIGN != 0).is_some();
            }
            12 if hashed => self.has_revoker = true,
            16 => self.issuer(Issuer::KeyId(body.array()?))?,
            // A fingerprint of another version is of a key that is not read.
            33 if body.byte()? == 4 => {
                self.issuer(Issuer::Fingerprint(Fingerprint::from_bytes(body.array()?)))?;
            }
            32 if self.embedded.len() < MAX_EMBEDDED => self.embedded.push(body.rest().to_vec()),
            _ => {}
        }
        if is_critical && hashed && !is_understood(number) && self.unknown_critical.is_none() {
            self.unknown_critical = Some(number);
        }
        Some(())
    }

    fn issuer(&mut self, issuer: Issuer) -> Option<()> {
        self.issuers.push(issuer);
        (self.issuers.len() <= MAX_ISSUERS).then_some(())
    }
}

/// Whether a critical subpacket with this number is honoured by what is done here. Notations (20), trust (5), regular
/// expressions (6) and whatever RFC 9580 does not list change the meaning of a signature in ways that are not.
fn is_understood(number: u8) -> bool {
    matches!(
        number,
        // Times, revocability, capabilities, issuer, primary user ID, embedded signature.
        2 | 3 | 7 | 9 | 12 | 16 | 25 | 27 | 32 | 33
        // Preferences for encryption and hashes, key server, policy address, signer's user ID, reason for revocation,
        // features.
        | 11 | 21 | 22 | 23 | 24 | 26 | 28 | 29 | 30 | 34
    )
}
