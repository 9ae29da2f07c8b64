//! Attestors: the keys whose attestations of Binary Authorization and kritis count.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{GpgSet, Identities, KeySet, PublicKey, SignerSet, TrustKind};

/// The signers of an attestor, which may have keys of both kinds, as in the `publicKeys` of an attestor of Binary
/// Authorization. A signature by any one of them counts.
#[derive(Clone, Debug)]
pub struct AttestorSet {
    keys: Option<KeySet>,
    openpgp: Option<GpgSet>,
}

impl AttestorSet {
    /// Keys of PKIX, OpenPGP keys, or both; `None` if there is neither.
    #[must_use]
    pub fn new(keys: Option<KeySet>, openpgp: Option<GpgSet>) -> Option<Self> {
        (keys.is_some() || openpgp.is_some()).then_some(Self { keys, openpgp })
    }

    /// The keys of PKIX, each with its algorithm.
    pub fn keys(&self) -> Option<&KeySet> {
        self.keys.as_ref()
    }

    /// The OpenPGP keys.
    pub fn openpgp(&self) -> Option<&GpgSet> {
        self.openpgp.as_ref()
    }

    fn sets(&self) -> impl Iterator<Item = &dyn SignerSet> {
        let keys = self.keys.iter().map(|set| -> &dyn SignerSet { set });
        keys.chain(self.openpgp.iter().map(|set| -> &dyn SignerSet { set }))
    }
}

impl SignerSet for AttestorSet {
    fn kind(&self) -> &'static str {
        "attestor"
    }

    fn identities(&self) -> Identities<'_> {
        let named = self.sets().map(|set| match set.identities() {
            Identities::Named(named) => Some(named),
            Identities::Any => None,
        });
        named.collect::<Option<Vec<_>>>().map_or(Identities::Any, |all| Identities::Named(all.concat()))
    }

    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        self.sets().filter_map(|set| set.first_end(after)).min()
    }

    fn ending(&self, now: Timestamp, notice: SignedDuration) -> Vec<String> {
        self.sets().flat_map(|set| set.ending(now, notice)).collect()
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        self.sets().flat_map(SignerSet::ends).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        self.sets().flat_map(SignerSet::entries).collect()
    }

    fn revoke(&mut self, reason: &dyn Fn(&PublicKey) -> Option<String>) {
        if let Some(keys) = &mut self.keys {
            keys.revoke(reason);
        }
    }

    fn deny(&mut self, keys: &BTreeMap<String, String>) {
        if let Some(openpgp) = &mut self.openpgp {
            openpgp.deny(keys);
        }
    }
}
