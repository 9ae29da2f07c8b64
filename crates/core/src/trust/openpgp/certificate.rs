//! Certificates, which are primary keys with all that belongs to them, and keyrings (RFC 9580 section 10.1).

use jiff::Timestamp;

use super::armor;
use super::error::{KeyringError, OpenPgpError};
use super::fingerprint::Fingerprint;
use super::hash::Hash;
use super::instant;
use super::key::{NotAKey, PublicKey};
use super::limits::{MAX_KEYRING_BYTES, MAX_KEYS};
use super::packet::{packets, tag};
use super::self_signature::{Attributes, SelfSignature, is_later, newest};
use super::signature::{NotASignature, Signature, kind};
use super::subkey::{SubKey, expired};

/// Maximum number of packets in a keyring.
const MAX_PACKETS: usize = 8192;
/// Maximum number of sub-keys of one key, and of self-signatures of each kind.
const MAX_PARTS: usize = 256;

/// A primary key, its sub-keys, and what its owner says about them.
#[derive(Clone, Debug)]
pub struct Certificate {
    primary: PublicKey,
    is_revoked: bool,
    /// Self-signatures over the key alone.
    direct: Vec<SelfSignature>,
    /// Self-signatures over user IDs that are not revoked.
    certified: Vec<SelfSignature>,
    subkeys: Vec<SubKey>,
}

/// Reads a keyring: binary or armored, with one or more keys. Signatures by others are skipped.
///
/// # Errors
/// When the file is something else, or has a primary key that could never count.
pub fn read_keyring(file: &[u8]) -> Result<Vec<Certificate>, KeyringError> {
    if file.len() > MAX_KEYRING_BYTES {
        return Err(KeyringError::TooLarge { found: file.len() });
    }
    if file.get(8..12) == Some(b"KBXf") {
        return Err(KeyringError::Keybox);
    }
    let decoded;
    let bytes = match file.first() {
        Some(byte) if byte & 0x80 != 0 => file,
        _ => {
            decoded = armor::decode(file)?;
            &decoded
        }
    };
    let mut found: Vec<Certificate> = Vec::new();
    let mut open: Option<Builder> = None;
    for packet in packets(bytes, MAX_PACKETS).map_err(|_| KeyringError::Malformed)? {
        match (packet.tag, &mut open) {
            (tag::PUBLIC_KEY, _) => {
                let builder = Builder::begin(&packet.body)?;
                add(&mut found, open.replace(builder))?;
            }
            (tag::SECRET_KEY | tag::SECRET_SUBKEY, _) => return Err(KeyringError::Secret),
            (tag::PUBLIC_SUBKEY, Some(builder)) => builder.subkey(&packet.body)?,
            (tag::USER_ID, Some(builder)) => builder.user(0xb4, &packet.body),
            (tag::USER_ATTRIBUTE, Some(builder)) => builder.user(0xd1, &packet.body),
            (tag::SIGNATURE, Some(builder)) => builder.signature(&packet.body),
            (tag::TRUST | tag::MARKER | tag::PADDING | 60..=63, _) => {}
            (tag, _) => return Err(KeyringError::Packet { tag }),
        }
    }
    add(&mut found, open)?;
    if found.is_empty() { Err(KeyringError::Empty) } else { Ok(found) }
}

/// Adds a certificate that is complete; what is there twice is one.
fn add(found: &mut Vec<Certificate>, builder: Option<Builder>) -> Result<(), KeyringError> {
    let Some(certificate) = builder.map(Builder::end) else { return Ok(()) };
    merge(found, vec![certificate?])
}

/// Adds certificates to others. Of one primary key, everything that any copy has counts, first of all revocations.
///
/// # Errors
/// When there are more than [`MAX_KEYS`].
pub(crate) fn merge(all: &mut Vec<Certificate>, more: Vec<Certificate>) -> Result<(), KeyringError> {
    for certificate in more {
        let is_full = all.len() >= MAX_KEYS;
        match all.iter_mut().find(|known| known.fingerprint() == certificate.fingerprint()) {
            Some(known) => known.add(certificate),
            None if is_full => return Err(KeyringError::TooManyKeys),
            None => all.push(certificate),
        }
    }
    Ok(())
}

/// A certificate of which not all packets were read.
struct Builder {
    certificate: Certificate,
    /// What a signature is over that follows.
    place: Place,
    /// Whether the key has a revocation by somebody else, and whether its owner allows that.
    revoked_by_other: bool,
    has_revoker: bool,
}

enum Place {
    Primary,
    User {
        /// What is hashed of it.
        hashed: Vec<u8>,
        certified: Vec<SelfSignature>,
        /// When it was revoked last.
        revoked: Option<u32>,
    },
    /// The last sub-key.
    SubKey,
    /// Something that is not read, with its signatures.
    Ignored,
}

impl Builder {
    fn begin(body: &[u8]) -> Result<Self, KeyringError> {
        let primary = PublicKey::read(body).map_err(|error| match error {
            NotAKey::Malformed => KeyringError::Malformed,
            NotAKey::Version(found) => KeyringError::Version { found },
        })?;
        if !primary.is_supported() {
            return Err(KeyringError::Algorithm { key: *primary.fingerprint() });
        }
        let certificate = Certificate {
            primary,
            is_revoked: false,
            direct: Vec::new(),
            certified: Vec::new(),
            subkeys: Vec::new(),
        };
        Ok(Self { certificate, place: Place::Primary, revoked_by_other: false, has_revoker: false })
    }

    fn subkey(&mut self, body: &[u8]) -> Result<(), KeyringError> {
        self.end_user();
        self.place = match PublicKey::read(body) {
            Ok(_) if self.certificate.subkeys.len() >= MAX_PARTS => return Err(KeyringError::Malformed),
            Ok(key) => {
                self.certificate.subkeys.push(SubKey::new(key));
                Place::SubKey
            }
            Err(NotAKey::Version(_)) => Place::Ignored,
            Err(NotAKey::Malformed) => return Err(KeyringError::Malformed),
        };
        Ok(())
    }

    /// Begins a user ID or attribute; the prefix tells them apart where they are hashed (RFC 9580 section 5.2.4).
    fn user(&mut self, prefix: u8, body: &[u8]) {
        self.end_user();
        // A file has at most 1 MiB.
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let hashed = [&[prefix], &length[..], body].concat();
        self.place = Place::User { hashed, certified: Vec::new(), revoked: None };
    }

    /// Keeps the self-signatures of the last user ID, if no revocation is newer.
    fn end_user(&mut self) {
        let Place::User { certified, revoked, .. } = std::mem::replace(&mut self.place, Place::Ignored)
        else {
            return;
        };
        let valid = certified.into_iter().filter(|it| revoked.is_none_or(|revoked| it.created > revoked));
        self.certificate.certified.extend(valid);
    }

    fn signature(&mut self, body: &[u8]) {
        match Signature::read(body) {
            Ok(signature) => self.add(&signature),
            Err(NotASignature::Version(version, Some(kind))) => self.unread(version, kind, body),
            Err(_) => {}
        }
    }

    /// A signature of another version. It cannot be verified, but where it is a revocation it counts.
    fn unread(&mut self, version: u8, kind: u8, body: &[u8]) {
        let issuer = if version <= 3 { body.get(7..15) } else { None };
        if issuer.is_some_and(|issuer| issuer != self.certificate.primary.fingerprint().key_id()) {
            return;
        }
        match (kind, &self.place) {
            (kind::KEY_REVOCATION, _) => self.certificate.is_revoked = true,
            (kind::SUBKEY_REVOCATION, Place::SubKey) => self.revoke_subkey(),
            _ => {}
        }
    }

    fn revoke_subkey(&mut self) {
        if let Some(subkey) = self.certificate.subkeys.last_mut() {
            subkey.revoke();
        }
    }

    fn add(&mut self, signature: &Signature) {
        let primary = &self.certificate.primary;
        let is_own = signature.may_be_by(primary.fingerprint());
        let key = primary.hashed();
        // What cannot be verified, or only with a weak hash, still revokes.
        let revokes = |parts: &[&[u8]]| {
            is_own && (!matches!(signature.hash, Hash::Strong(_)) || signature.is_by(primary, parts))
        };
        let says = |parts: &[&[u8]]| {
            let own = SelfSignature::of(signature).filter(|_| is_own);
            own.filter(|_| signature.is_by(primary, parts))
        };
        match (signature.kind, &mut self.place) {
            (kind::KEY_REVOCATION, _) if is_own => self.certificate.is_revoked |= revokes(&[&key]),
            (kind::KEY_REVOCATION, _) => self.revoked_by_other = true,
            (kind::DIRECT_KEY, Place::Primary) if self.certificate.direct.len() < MAX_PARTS => {
                if let Some(own) = says(&[&key]) {
                    self.has_revoker |= signature.subpackets.has_revoker;
                    self.certificate.direct.push(own);
                }
            }
            (kind, Place::User { hashed, certified, .. })
                if kind::CERTIFICATION.contains(&kind) && certified.len() < MAX_PARTS =>
            {
                certified.extend(says(&[&key, hashed]));
            }
            (kind::CERTIFICATION_REVOCATION, Place::User { hashed, revoked, .. })
                if revokes(&[&key, hashed]) =>
            {
                let at = signature.subpackets.created.unwrap_or(u32::MAX);
                *revoked = Some(revoked.map_or(at, |known| known.max(at)));
            }
            (kind::BINDING, Place::SubKey) => {
                if let Some(subkey) = self.certificate.subkeys.last_mut()
                    && is_own
                    && signature.is_by(&self.certificate.primary, &[&key, &subkey.key.hashed()])
                {
                    subkey.bind(&self.certificate.primary, signature);
                }
            }
            (kind::SUBKEY_REVOCATION, Place::SubKey) => {
                let own = self.certificate.subkeys.last().map(|subkey| subkey.key.hashed());
                if own.is_some_and(|own| revokes(&[&key, &own])) {
                    self.revoke_subkey();
                }
            }
            _ => {}
        }
    }

    fn end(mut self) -> Result<Certificate, KeyringError> {
        self.end_user();
        let mut certificate = self.certificate;
        // The other key is not there to verify it with; whom the owner allows to revoke is believed.
        certificate.is_revoked |= self.revoked_by_other && self.has_revoker;
        let says_nothing = certificate.direct.is_empty() && certificate.certified.is_empty();
        if says_nothing && !certificate.is_revoked {
            return Err(KeyringError::NoSelfSignature { key: *certificate.fingerprint() });
        }
        Ok(certificate)
    }
}

impl Certificate {
    /// The fingerprint of the primary key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.primary.fingerprint()
    }

    /// Whether the owner has revoked the primary key.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.is_revoked
    }

    /// Whether the key is one of its sub-keys.
    pub(crate) fn has_subkey(&self, key: &Fingerprint) -> bool {
        self.subkeys.iter().any(|subkey| subkey.key.fingerprint() == key)
    }

    /// Whether a signature can be by one of its keys, as far as it names its issuer.
    pub(crate) fn may_have_made(&self, signature: &Signature) -> bool {
        self.keys().any(|key| signature.may_be_by(key.fingerprint()))
    }

    /// The key that made a signature over `data`, if it is one of its keys. Whether the key may sign is another question.
    pub(crate) fn signer_of(&self, signature: &Signature, data: &[u8]) -> Option<Fingerprint> {
        let mut keys = self.keys().filter(|key| signature.may_be_by(key.fingerprint()));
        keys.find(|key| signature.is_by(key, &[data])).map(|key| *key.fingerprint())
    }

    /// Whether one of its keys may sign at `now`.
    pub(crate) fn may_sign(&self, now: Timestamp) -> bool {
        self.keys().any(|key| self.check(key.fingerprint(), u32::MAX, now.as_second()).is_ok())
    }

    /// Checks that its key `key` may sign at `now`, in seconds since 1970, and has made nothing before it was itself made.
    pub(crate) fn check(&self, key: &Fingerprint, made: u32, now: i64) -> Result<(), OpenPgpError> {
        let primary = *self.fingerprint();
        if self.is_revoked {
            return Err(OpenPgpError::Revoked { key: primary });
        }
        let attributes = self.attributes(now).ok_or_else(|| {
            match is_later(self.direct.iter().chain(&self.certified), now) {
                true => OpenPgpError::NotYet { key: primary },
                false => OpenPgpError::NotCertified { key: primary },
            }
        })?;
        if let Some(end) = attributes.key_end(self.primary.created()).filter(|end| expired(*end, now)) {
            return Err(OpenPgpError::KeyExpired { key: primary, at: instant(end) });
        }
        let created = match self.subkeys.iter().find(|subkey| subkey.key.fingerprint() == key) {
            Some(subkey) => {
                subkey.check(&self.primary, now)?;
                subkey.key.created()
            }
            // Keys without flags may do all that their algorithm can (RFC 9580 section 5.2.3.29).
            None if attributes.may_sign == Some(false) => return Err(OpenPgpError::Usage { key: primary }),
            None => self.primary.created(),
        };
        if made < created.max(self.primary.created()) {
            return Err(OpenPgpError::BeforeKey { at: instant(made.into()) });
        }
        Ok(())
    }

    /// What the owner says about the primary key. What is said about the key alone comes before what is said with a user
    /// ID, in each point (gpg's `merge_selfsigs_main`; RFC 9580 section 5.2.3.10).
    fn attributes(&self, now: i64) -> Option<Attributes> {
        let (direct, certified) = (newest(self.direct.iter(), now), newest(self.certified.iter(), now));
        let either = direct.or(certified)?;
        Some(Attributes {
            key_lifetime: either.key_lifetime.or_else(|| certified?.key_lifetime),
            may_sign: either.may_sign.or_else(|| certified?.may_sign),
        })
    }

    /// When something about its keys begins or ends, in seconds since 1970.
    pub(crate) fn boundaries(&self) -> impl Iterator<Item = u64> {
        let own = self.direct.iter().chain(&self.certified).map(|it| (it, self.primary.created()));
        let below = self
            .subkeys
            .iter()
            .flat_map(|subkey| subkey.bindings().iter().map(|binding| (binding, subkey.key.created())));
        own.chain(below).flat_map(|(signature, created)| signature.boundaries(created))
    }

    /// The names by which a deny list can have the primary key, or `key`.
    pub(crate) fn names_of(&self, key: Fingerprint) -> impl Iterator<Item = String> {
        self.signers(key).flat_map(PublicKey::names)
    }

    /// The SHA-256 of the SubjectPublicKeyInfo of this key, and of the primary key.
    pub(crate) fn digests_of(&self, key: Fingerprint) -> Vec<String> {
        self.signers(key).filter_map(PublicKey::digest).map(str::to_owned).collect()
    }

    fn signers(&self, key: Fingerprint) -> impl Iterator<Item = &PublicKey> {
        let wanted = move |it: &&PublicKey| [&key, self.fingerprint()].contains(&it.fingerprint());
        self.keys().filter(wanted)
    }

    /// The names by which a deny list can have any of its keys.
    pub(crate) fn deniable(&self) -> impl Iterator<Item = String> {
        self.keys().flat_map(PublicKey::names)
    }

    /// All that can change a verdict, for the hash of a policy.
    pub(crate) fn entries(&self) -> Vec<Vec<String>> {
        let key = self.fingerprint().to_string();
        let entry = |of: &Fingerprint, is_revoked: bool, says: &mut dyn Iterator<Item = &SelfSignature>| {
            let mut says: Vec<String> = says.map(SelfSignature::entry).collect();
            says.sort_unstable();
            [vec![key.clone(), of.to_string(), is_revoked.to_string()], says].concat()
        };
        let mut own = self.direct.iter();
        let mut entries = vec![entry(self.fingerprint(), self.is_revoked, &mut own)];
        // Kept apart: what is said about the key alone comes first.
        entries.push(entry(self.fingerprint(), self.is_revoked, &mut self.certified.iter()));
        entries.extend(self.subkeys.iter().map(|subkey| {
            entry(subkey.key.fingerprint(), subkey.is_revoked(), &mut subkey.bindings().iter())
        }));
        entries
    }

    fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.primary).chain(self.subkeys.iter().map(|subkey| &subkey.key))
    }

    /// Adds what another copy of it has.
    fn add(&mut self, other: Self) {
        self.is_revoked |= other.is_revoked;
        for (own, more) in [(&mut self.direct, other.direct), (&mut self.certified, other.certified)] {
            let new: Vec<_> = more.into_iter().filter(|it| !own.contains(it)).collect();
            own.extend(new);
        }
        for subkey in other.subkeys {
            match self.subkeys.iter_mut().find(|known| known.key.fingerprint() == subkey.key.fingerprint()) {
                Some(known) => known.merge(&subkey),
                None => self.subkeys.push(subkey),
            }
        }
    }
}
