//! A named entry of the policy that signatures are verified with, of one of several kinds.

use super::{Identities, Key, KeySet, PublicKey, SignerSet, TrustError};

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
}

impl Authenticator {
    /// An authenticator of keys.
    ///
    /// # Errors
    /// As [`KeySet::new`].
    pub fn new(name: String, keys: Vec<Key>) -> Result<Self, TrustError> {
        KeySet::new(name.clone(), keys).map(|keys| Self { name, signers: Signers::Keys(keys) })
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
        }
    }

    /// Revokes the keys for which `reason` returns one.
    #[must_use]
    pub fn without(mut self, reason: &dyn Fn(&PublicKey) -> Option<String>) -> Self {
        match &mut self.signers {
            Signers::Keys(keys) => keys.revoke(reason),
        }
        self
    }

    /// The keys that are not revoked, in the order of the policy; empty for other kinds.
    pub fn keys(&self) -> &[Key] {
        match &self.signers {
            Signers::Keys(keys) => keys.keys(),
        }
    }

    /// The revoked keys, each with the reason.
    pub fn revoked(&self) -> &[(Key, String)] {
        match &self.signers {
            Signers::Keys(keys) => keys.revoked(),
        }
    }

    /// The identities whose signatures count.
    pub fn identities(&self) -> Identities<'_> {
        self.set().identities()
    }
}
