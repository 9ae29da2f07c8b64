//! Sub-keys, and what binds them to their primary key.

use super::error::{KeyringError, OpenPgpError};
use super::instant;
use super::key::PublicKey;
use super::limits::MAX_PARTS;
use super::self_signature::{SelfSignature, is_later, newest};
use super::signature::{Signature, kind};

/// A sub-key.
#[derive(Clone, Debug)]
pub(super) struct SubKey {
    pub(super) key: PublicKey,
    /// Bindings by the primary key. Those for signing have a back-signature: without it, somebody could claim the
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

    /// Adds a binding by `primary`, as it says. One for signing without a back-signature is not read: gpg, too, takes the
    /// newest binding and then refuses it (`check_backsigs` in `g10/getkey.c`). Nor is one with SHA-1.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn bind(&mut self, primary: &PublicKey, signature: &Signature) -> Result<(), KeyringError> {
        let (above, own) = (primary.hashed(), self.key.hashed());
        let Some(binding) = SelfSignature::of(signature, primary, &[&above, &own]) else { return Ok(()) };
        let binding = match binding.may_sign() {
            _ if !binding.is_strong() => binding.as_unreadable(),
            Some(true) => match self.back_signature(&[&above, &own], signature) {
                Some(back) => binding.within(&back),
                None => binding.as_unreadable(),
            },
            _ => binding,
        };
        self.add(binding, primary)
    }

    /// Adds a binding that is not read.
    pub(super) fn add(&mut self, binding: SelfSignature, primary: &PublicKey) -> Result<(), KeyringError> {
        if self.bindings.len() >= MAX_PARTS {
            return Err(KeyringError::TooManyParts { key: *primary.fingerprint() });
        }
        self.bindings.push(binding);
        Ok(())
    }

    /// The back-signature in a binding: by the sub-key, over both.
    fn back_signature(&self, parts: &[&[u8]], binding: &Signature) -> Option<SelfSignature> {
        binding.subpackets.embedded.iter().find_map(|body| {
            let signature = Signature::read(body).ok().filter(|it| it.kind == kind::BACK_SIGNATURE)?;
            SelfSignature::of(&signature, &self.key, parts).filter(SelfSignature::is_strong)
        })
    }

    /// Whether it may sign at `now` (in seconds since 1970).
    pub(super) fn check(&self, primary: &PublicKey, now: i64) -> Result<(), OpenPgpError> {
        let (key, subkey) = (*primary.fingerprint(), *self.key.fingerprint());
        if self.is_revoked {
            return Err(OpenPgpError::SubKeyRevoked { subkey, key });
        }
        let bound = newest(self.bindings.iter(), now).ok().flatten().ok_or_else(|| {
            match is_later(self.bindings.iter(), now) {
                true => OpenPgpError::NotYet { key: subkey },
                false => OpenPgpError::NotBound { subkey, key },
            }
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
