//! A named entry of the policy that signatures are verified with, of one of several kinds.

use std::collections::BTreeMap;

use super::{
    AttestorSet, GpgSet, Identities, Key, KeySet, KeylessSet, NotationSet, PkiSet, PublicKey, SignerSet,
    TrustError, TrustedRoot,
};

/// An authenticator: a name in the policy, and whose signatures count for it.
#[derive(Clone, Debug)]
pub struct Authenticator {
    name: String,
    signers: Signers,
}

/// Whose signatures count: a variant for each `type` of the policy. `signature::verify` has an arm for each, too.
#[derive(Clone, Debug)]
pub enum Signers {
    /// The holders of private keys.
    Keys(KeySet),
    /// Identities that an OpenID provider knows.
    Keyless(KeylessSet),
    /// Those who have a certificate of a CA of the Notary Project.
    Notation(Box<NotationSet>),
    /// The holders of OpenPGP keys.
    Gpg(Box<GpgSet>),
    /// Those who have a certificate of a private PKI.
    Pki(Box<PkiSet>),
    /// The holders of the keys of an attestor of Binary Authorization.
    Attestor(Box<AttestorSet>),
}

impl Authenticator {
    /// An authenticator of keys.
    ///
    /// # Errors
    /// As [`KeySet::new`].
    pub fn new(name: String, keys: Vec<Key>) -> Result<Self, TrustError> {
        KeySet::new(name.clone(), keys).map(|keys| Self { name, signers: Signers::Keys(keys) })
    }

    /// An authenticator of other signers.
    pub fn of(name: String, signers: Signers) -> Self {
        Self { name, signers }
    }

    /// The same under a name with this prefix.
    #[must_use]
    pub(crate) fn prefixed(self, prefix: &str) -> Self {
        Self { name: format!("{prefix}{}", self.name), ..self }
    }

    /// The name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose signatures count.
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// What the policy needs to know of them, of whichever kind.
    pub fn set(&self) -> &dyn SignerSet {
        match &self.signers {
            Signers::Keys(keys) => keys,
            Signers::Keyless(set) => set,
            Signers::Notation(set) => set.as_ref(),
            Signers::Gpg(set) => set.as_ref(),
            Signers::Pki(set) => set.as_ref(),
            Signers::Attestor(set) => set.as_ref(),
        }
    }

    /// Revokes the keys for which `reason` returns one.
    #[must_use]
    pub fn without(mut self, reason: &dyn Fn(&PublicKey) -> Option<String>) -> Self {
        self.set_mut().revoke(reason);
        self
    }

    /// Revokes keys by fingerprint, each with the reason.
    #[must_use]
    pub fn denying(mut self, keys: &BTreeMap<String, String>) -> Self {
        self.set_mut().deny(keys);
        self
    }

    fn set_mut(&mut self) -> &mut dyn SignerSet {
        match &mut self.signers {
            Signers::Keys(keys) => keys,
            Signers::Keyless(set) => set,
            Signers::Notation(set) => set.as_mut(),
            Signers::Gpg(set) => set.as_mut(),
            Signers::Pki(set) => set.as_mut(),
            Signers::Attestor(set) => set.as_mut(),
        }
    }

    /// The keys that are not revoked, in the order of the policy; empty for other kinds.
    pub fn keys(&self) -> &[Key] {
        match &self.signers {
            Signers::Keys(keys) => keys.keys(),
            Signers::Attestor(set) => set.keys().map(KeySet::keys).unwrap_or_default(),
            Signers::Keyless(_) | Signers::Notation(_) | Signers::Gpg(_) | Signers::Pki(_) => &[],
        }
    }

    /// The revoked keys, each with the reason.
    pub fn revoked(&self) -> &[(Key, String)] {
        match &self.signers {
            Signers::Keys(keys) => keys.revoked(),
            Signers::Attestor(set) => set.keys().map(KeySet::revoked).unwrap_or_default(),
            Signers::Keyless(_) | Signers::Notation(_) | Signers::Gpg(_) | Signers::Pki(_) => &[],
        }
    }

    /// The OpenPGP keys; `None` for kinds without.
    pub fn openpgp(&self) -> Option<&GpgSet> {
        match &self.signers {
            Signers::Gpg(set) => Some(set),
            Signers::Attestor(set) => set.openpgp(),
            Signers::Keys(_) | Signers::Keyless(_) | Signers::Notation(_) | Signers::Pki(_) => None,
        }
    }

    /// The trusted roots; empty for kinds without.
    pub fn roots(&self) -> &[TrustedRoot] {
        match &self.signers {
            Signers::Keyless(set) => set.roots(),
            Signers::Keys(keys) => keys.log_roots(),
            Signers::Notation(_) | Signers::Gpg(_) | Signers::Pki(_) | Signers::Attestor(_) => &[],
        }
    }

    /// The identities whose signatures count.
    pub fn identities(&self) -> Identities<'_> {
        self.set().identities()
    }
}
