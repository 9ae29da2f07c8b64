//! Sub-keys, and what binds them to their primary key.

use super::error::OpenPgpError;
use super::hash::Hash;
use super::instant;
use super::key::PublicKey;
use super::self_signature::{SelfSignature, is_later, newest};
use super::signature::{Signature, kind};

/// The most bindings of one sub-key.
const MAX_BINDINGS: usize = 64;

/// A sub-key.
#[derive(Clone, Debug)]
pub(super) struct SubKey {
    pub(super) key: PublicKey,
    /// Bindings by the primary key, with SHA-2. Those for signing have a back-signature: without it, somebody could claim the
    /// signing key of somebody else as his own (RFC 9580 section 5.2.1.9).
    bindings: Vec<SelfSignature>,
    is_revoked: bool,
}

impl SubKey {
    pub(super) fn new(key: PublicKey) -> Self {
        Self { key, bindings: Vec::new(), is_revoked: false }
    }

    pub(super) fn revoke(&mut self) {
        self.is_revoked = true;
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.is_revoked
    }

    /// Adds a binding that was verified to be by `primary`.
    pub(super) fn bind(&mut self, primary: &PublicKey, signature: &Signature) {
        let Some(binding) = SelfSignature::of(signature).filter(|it| !it.is_weak()) else { return };
        if self.bindings.len() >= MAX_BINDINGS {
            return;
        }
        if binding.may_sign() != Some(true) {
            self.bindings.push(binding);
            return;
        }
        if let Some(back) = self.back_signature(primary, signature) {
            self.bindings.push(binding.within(&back));
        }
    }

    /// The back-signature in a binding: by the sub-key, over both.
    fn back_signature(&self, primary: &PublicKey, binding: &Signature) -> Option<SelfSignature> {
        let (above, own) = (primary.hashed(), self.key.hashed());
        binding.subpackets.embedded.iter().find_map(|body| {
            let signature = Signature::read(body).ok()?;
            let is_one = signature.kind == kind::BACK_SIGNATURE && matches!(signature.hash, Hash::Strong(_));
            let back = SelfSignature::of(&signature).filter(|_| is_one)?;
            signature.is_by(&self.key, &[&above, &own]).then_some(back)
        })
    }

    /// Whether it may sign at `now` (in seconds since 1970).
    pub(super) fn check(&self, primary: &PublicKey, now: i64) -> Result<(), OpenPgpError> {
        let (key, subkey) = (*primary.fingerprint(), *self.key.fingerprint());
        if self.is_revoked {
            return Err(OpenPgpError::SubKeyRevoked { subkey, key });
        }
        let bound =
            newest(self.bindings.iter(), now).ok_or_else(|| match is_later(self.bindings.iter(), now) {
                true => OpenPgpError::NotYet { key: subkey },
                false => OpenPgpError::NotBound { subkey, key },
            })?;
        if let Some(end) = bound.key_end(self.key.created()).filter(|end| expired(*end, now)) {
            return Err(OpenPgpError::SubKeyExpired { subkey, key, at: instant(end) });
        }
        match bound.may_sign {
            Some(true) => Ok(()),
            _ => Err(OpenPgpError::Usage { key: subkey }),
        }
    }

    pub(super) fn bindings(&self) -> &[SelfSignature] {
        &self.bindings
    }

    /// Adds what another copy of it has.
    pub(super) fn merge(&mut self, other: &Self) {
        self.is_revoked |= other.is_revoked;
        let new = other.bindings.iter().filter(|binding| !self.bindings.contains(binding));
        let new: Vec<SelfSignature> = new.cloned().collect();
        self.bindings.extend(new);
    }
}

/// Whether an end in seconds since 1970 has come.
pub(super) fn expired(end: u64, now: i64) -> bool {
    i64::try_from(end).is_ok_and(|end| now >= end)
}
