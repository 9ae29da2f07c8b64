//! Certificates, which are primary keys with all that belongs to them, and keyrings (RFC 9580 section 10.1).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::armor;
use super::error::{KeyringError, OpenPgpError};
use super::fingerprint::Fingerprint;
use super::hash::Hash;
use super::instant;
use super::key::{NotAKey, PublicKey};
use super::limits::{MAX_KEYRING_BYTES, MAX_KEYS, MAX_PARTS};
use super::packet::{packets, tag};
use super::self_signature::{Attributes, SelfSignature, is_later, newest};
use super::signature::{NotASignature, Signature, kind};
use super::subkey::{SubKey, expired};
use super::user_id::UserId;
use crate::trust::HashFunction;

/// Maximum number of packets in a keyring.
const MAX_PACKETS: usize = 8192;

/// A primary key, its sub-keys, and what its owner says about them.
#[derive(Clone, Debug)]
pub struct Certificate {
    primary: PublicKey,
    revoked_by_owner: bool,
    /// Whether it has a revocation by somebody else, and whether its owner allows that. The other key is not there to verify
    /// it with; whom the owner allows to revoke is believed.
    revoked_by_other: bool,
    has_revoker: bool,
    /// Self-signatures over the key alone.
    direct: Vec<SelfSignature>,
    /// Its user IDs and attributes, by the SHA-256 of what is hashed of them.
    users: BTreeMap<Vec<u8>, UserId>,
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
    let bytes = armor::binary(file)?;
    let mut found: Vec<Certificate> = Vec::new();
    let mut open: Option<Builder> = None;
    for packet in packets(&bytes, MAX_PACKETS).map_err(|_| KeyringError::Malformed)? {
        match (packet.tag, &mut open) {
            (tag::PUBLIC_KEY, _) => {
                let builder = Builder::begin(&packet.body)?;
                add(&mut found, open.replace(builder))?;
            }
            (tag::SECRET_KEY | tag::SECRET_SUBKEY, _) => return Err(KeyringError::Secret),
            (tag::PUBLIC_SUBKEY, Some(builder)) => builder.subkey(&packet.body)?,
            (tag::USER_ID, Some(builder)) => builder.user(0xb4, &packet.body),
            (tag::USER_ATTRIBUTE, Some(builder)) => builder.user(0xd1, &packet.body),
            (tag::SIGNATURE, Some(builder)) => builder.signature(&packet.body)?,
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
}

enum Place {
    Primary,
    User {
        /// What is hashed of it.
        hashed: Vec<u8>,
        user: UserId,
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
            revoked_by_owner: false,
            revoked_by_other: false,
            has_revoker: false,
            direct: Vec::new(),
            users: BTreeMap::new(),
            subkeys: Vec::new(),
        };
        Ok(Self { certificate, place: Place::Primary })
    }

    fn subkey(&mut self, body: &[u8]) -> Result<(), KeyringError> {
        self.end_user();
        self.place = match PublicKey::read(body) {
            Ok(_) if self.certificate.subkeys.len() >= MAX_PARTS => return Err(self.too_many()),
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
        self.place = Place::User { hashed, user: UserId::default() };
    }

    /// Keeps what is said with the last user ID.
    fn end_user(&mut self) {
        if let Place::User { hashed, user } = std::mem::replace(&mut self.place, Place::Ignored) {
            self.certificate.add_user(HashFunction::Sha256.digest(&hashed), user);
        }
    }

    fn signature(&mut self, body: &[u8]) -> Result<(), KeyringError> {
        match Signature::read(body) {
            Ok(signature) => self.add(&signature),
            Err(NotASignature::Version(version, Some(kind))) => self.unread(version, kind, body),
            Err(_) => Err(KeyringError::Signature { key: *self.certificate.fingerprint() }),
        }
    }

    /// A signature of another version. It cannot be verified, but where it is a revocation it counts. Other signatures by
    /// keys of version 4 never have a later version (RFC 9580 section 5.2): those are by somebody else.
    fn unread(&mut self, version: u8, kind: u8, body: &[u8]) -> Result<(), KeyringError> {
        let is_old = version <= 3;
        let issuer = if is_old { body.get(7..15) } else { None };
        if issuer.is_some_and(|issuer| issuer != self.certificate.primary.fingerprint().key_id()) {
            return Ok(());
        }
        let made = body.get(3..7).and_then(|made| made.try_into().ok()).map(u32::from_be_bytes);
        match (kind, &mut self.place) {
            (kind::KEY_REVOCATION, _) => self.certificate.revoked_by_owner = true,
            (kind::SUBKEY_REVOCATION, Place::SubKey) => self.revoke_subkey(),
            (kind::CERTIFICATION_REVOCATION, Place::User { user, .. }) if is_old => user.revoke(made),
            _ if is_old => return self.says(kind, SelfSignature::unreadable(made)),
            _ => {}
        }
        Ok(())
    }

    /// Adds what the owner says about what came last.
    fn says(&mut self, kind: u8, said: SelfSignature) -> Result<(), KeyringError> {
        let too_many = self.too_many();
        let Certificate { primary, direct, subkeys, .. } = &mut self.certificate;
        let all = match (kind, &mut self.place) {
            (kind::DIRECT_KEY | kind::CERTIFICATION_REVOCATION, Place::Primary) => direct,
            (kind, Place::User { user, .. }) if kind::CERTIFICATION.contains(&kind) => &mut user.certified,
            (kind::BINDING, Place::SubKey) => {
                return subkeys.last_mut().map_or(Ok(()), |subkey| subkey.add(said, primary));
            }
            _ => return Ok(()),
        };
        if all.len() >= MAX_PARTS {
            return Err(too_many);
        }
        all.push(said);
        Ok(())
    }

    fn too_many(&self) -> KeyringError {
        KeyringError::TooManyParts { key: *self.certificate.fingerprint() }
    }

    fn revoke_subkey(&mut self) {
        if let Some(subkey) = self.certificate.subkeys.last_mut() {
            subkey.revoke();
        }
    }

    fn add(&mut self, signature: &Signature) -> Result<(), KeyringError> {
        let primary = &self.certificate.primary;
        let is_own = signature.may_be_by(primary.fingerprint());
        if !is_own {
            self.certificate.revoked_by_other |= signature.kind == kind::KEY_REVOCATION;
            return Ok(());
        }
        let key = primary.hashed();
        // What cannot be verified, or only with a weak hash, still revokes.
        let revokes =
            |parts: &[&[u8]]| !matches!(signature.hash, Hash::Strong(_)) || signature.is_by(primary, parts);
        let said = match (signature.kind, &mut self.place) {
            (kind::KEY_REVOCATION, _) => {
                self.certificate.revoked_by_owner |= revokes(&[&key]);
                None
            }
            (kind::DIRECT_KEY, Place::Primary) => {
                let said = SelfSignature::of(signature, primary, &[&key]);
                self.certificate.has_revoker |= said.is_some() && signature.subpackets.has_revoker;
                said
            }
            // It is about a signature over the key alone (RFC 9580 section 5.2.1.13), and which one is not read.
            (kind::CERTIFICATION_REVOCATION, Place::Primary) if revokes(&[&key]) => {
                Some(SelfSignature::unreadable(signature.subpackets.created))
            }
            (kind, Place::User { hashed, .. }) if kind::CERTIFICATION.contains(&kind) => {
                SelfSignature::of(signature, primary, &[&key, hashed])
            }
            (kind::CERTIFICATION_REVOCATION, Place::User { hashed, user }) => {
                if revokes(&[&key, hashed]) {
                    user.revoke(signature.subpackets.created);
                }
                None
            }
            (kind::BINDING, Place::SubKey) => {
                let Certificate { primary, subkeys, .. } = &mut self.certificate;
                return subkeys.last_mut().map_or(Ok(()), |subkey| subkey.bind(primary, signature));
            }
            (kind::SUBKEY_REVOCATION, Place::SubKey) => {
                let own = self.certificate.subkeys.last().map(|subkey| subkey.key.hashed());
                if own.is_some_and(|own| revokes(&[&key, &own])) {
                    self.revoke_subkey();
                }
                None
            }
            _ => None,
        };
        said.map_or(Ok(()), |said| self.says(signature.kind, said))
    }

    fn end(mut self) -> Result<Certificate, KeyringError> {
        self.end_user();
        let certificate = self.certificate;
        let says_nothing = !certificate.own().any(SelfSignature::is_readable);
        if says_nothing && !certificate.is_revoked() {
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
        self.revoked_by_owner || (self.revoked_by_other && self.has_revoker)
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
        self.keys().any(|key| self.check_at(key.fingerprint(), u32::MAX, now.as_second()).is_ok())
    }

    /// Checks that its key `key` may sign at `now`, in seconds since 1970, and has made nothing before it was itself made.
    pub(crate) fn check(&self, key: &Fingerprint, made: u32, now: i64) -> Result<(), OpenPgpError> {
        use OpenPgpError::{NotBound, NotCertified, NotNow, Usage};
        match self.check_at(key, made, now) {
            Err(why @ (NotCertified { .. } | NotBound { .. } | Usage { .. })) if self.may_ever(key, made) => {
                Err(NotNow { why: Box::new(why) })
            }
            other => other,
        }
    }

    /// Whether [`Certificate::check_at`] succeeds at any time since its owner last said something: what is said has been
    /// made, whatever the clock of the node says.
    fn may_ever(&self, key: &Fingerprint, made: u32) -> bool {
        let bindings = self.subkeys.iter().flat_map(SubKey::bindings);
        let last = self.own().chain(bindings).filter_map(SelfSignature::created).max().unwrap_or(0);
        let times: BTreeSet<u64> = self.boundaries().filter(|time| *time >= last.into()).collect();
        times.len() > MAX_PARTS
            || times
                .into_iter()
                .any(|time| i64::try_from(time).is_ok_and(|time| self.check_at(key, made, time).is_ok()))
    }

    /// As [`Certificate::check`], as if there were no other time.
    fn check_at(&self, key: &Fingerprint, made: u32, now: i64) -> Result<(), OpenPgpError> {
        let primary = *self.fingerprint();
        if self.is_revoked() {
            return Err(OpenPgpError::Revoked { key: primary });
        }
        let attributes = self.attributes(now).ok_or_else(|| match is_later(self.own(), now) {
            true => OpenPgpError::NotYet { key: primary },
            false => OpenPgpError::NotCertified { key: primary },
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
    /// ID, in each point (gpg's `merge_selfsigs_main`; RFC 9580 section 5.2.3.10). `None` also where the newest of either is
    /// not read.
    fn attributes(&self, now: i64) -> Option<Attributes> {
        let (direct, certified) =
            (newest(self.direct.iter(), now).ok()?, newest(self.certified(), now).ok()?);
        let either = direct.or(certified)?;
        Some(Attributes {
            key_lifetime: either.key_lifetime.or_else(|| certified?.key_lifetime),
            may_sign: either.may_sign.or_else(|| certified?.may_sign),
        })
    }

    /// Self-signatures over user IDs that are not revoked.
    fn certified(&self) -> impl Iterator<Item = &SelfSignature> + Clone {
        self.users.values().flat_map(UserId::valid)
    }

    /// Self-signatures about the primary key.
    fn own(&self) -> impl Iterator<Item = &SelfSignature> + Clone {
        self.direct.iter().chain(self.certified())
    }

    /// When something about its keys begins or ends, in seconds since 1970.
    pub(crate) fn boundaries(&self) -> impl Iterator<Item = u64> {
        let own = self.own().map(|it| (it, self.primary.created()));
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
        let mut entries = vec![entry(self.fingerprint(), self.is_revoked(), &mut own)];
        // Kept apart: what is said about the key alone comes first.
        entries.push(entry(self.fingerprint(), self.is_revoked(), &mut self.certified()));
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
        self.revoked_by_owner |= other.revoked_by_owner;
        self.revoked_by_other |= other.revoked_by_other;
        self.has_revoker |= other.has_revoker;
        let new: Vec<_> = other.direct.into_iter().filter(|it| !self.direct.contains(it)).collect();
        self.direct.extend(new);
        for (name, user) in other.users {
            self.add_user(name, user);
        }
        for subkey in other.subkeys {
            match self.subkeys.iter_mut().find(|known| known.key.fingerprint() == subkey.key.fingerprint()) {
                Some(known) => known.merge(&subkey),
                None => self.subkeys.push(subkey),
            }
        }
    }

    /// Adds a user ID, or what another copy of it has.
    fn add_user(&mut self, name: Vec<u8>, user: UserId) {
        self.users.entry(name).or_default().merge(user);
    }
}
