//! Notation authenticators: whom an authenticator trusts to make Notary Project signatures.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::x509::{FetchedCrls, Revocation, RevocationCheck, Store, Subjects};
use super::{Identities, PublicKey, SignerSet, TrustKind};

/// The signers of a Notation authenticator: what a statement of notation's trust policy says.
#[derive(Clone, Debug)]
pub struct NotationSet {
    /// Anchors of signatures under the scheme `notary.x509`.
    pub ca: Store,
    /// Anchors of signatures under the scheme `notary.x509.signingAuthority`: these CAs are trusted to state the time of
    /// signing too.
    pub signing_authority: Store,
    /// Roots of timestamp authorities. Without them timestamps are not looked at.
    pub tsa: Store,
    /// The accepted subjects of leaves.
    pub subjects: Subjects,
    /// When a timestamp is required.
    pub timestamps: TimestampCheck,
    /// What is enforced.
    pub level: VerificationLevel,
    /// Revoked keys by fingerprint, each with the reason.
    pub revoked: BTreeMap<String, String>,
    /// How it is found out which certificates are revoked.
    pub revocation: Revocation,
}

impl NotationSet {
    /// Trusts every subject below `ca`, without timestamps and lists of revoked certificates.
    #[must_use]
    pub fn below(ca: Store) -> Self {
        Self {
            ca,
            signing_authority: Store::default(),
            tsa: Store::default(),
            subjects: Subjects::Any,
            timestamps: TimestampCheck::Always,
            level: VerificationLevel::Strict,
            revoked: BTreeMap::new(),
            revocation: Revocation::default(),
        }
    }

    /// What is known of revoked certificates.
    pub(crate) fn revocation<'a>(&'a self, fetched: &'a FetchedCrls, now: Timestamp) -> RevocationCheck<'a> {
        RevocationCheck { denied: &self.revoked, revocation: &self.revocation, fetched, now }
    }
}

/// When a signature under `notary.x509` must have a timestamp, if roots of timestamp authorities are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampCheck {
    /// Always.
    #[default]
    Always,
    /// When a certificate of the chain has expired.
    AfterExpiry,
}

impl TimestampCheck {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Always, Self::AfterExpiry];

    /// The word in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::AfterExpiry => "after-expiry",
        }
    }
}

/// How much is enforced. Integrity, trust, identity and the digest always are; notation's levels `audit` and `skip` are
/// modes of a rule here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerificationLevel {
    /// Everything.
    #[default]
    Strict,
    /// Not the expiry of the signature, and not the time at which the certificates must be valid.
    Permissive,
}

impl VerificationLevel {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Strict, Self::Permissive];

    /// The word in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Permissive => "permissive",
        }
    }
}

impl SignerSet for NotationSet {
    fn kind(&self) -> &'static str {
        "notation"
    }

    /// An identity is the subject of a leaf, of which an anchor can certify any number.
    fn identities(&self) -> Identities<'_> {
        Identities::Any
    }

    /// Every verdict has its own end: the certificates that it rests on come with the signature.
    fn first_end(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn ending(&self, now: Timestamp, _: SignedDuration) -> Vec<String> {
        self.revocation.ended(now)
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        let stores = [&self.ca, &self.signing_authority, &self.tsa];
        stores.into_iter().flat_map(Store::ends).map(|end| (TrustKind::Certificate, end)).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        let stores = [("ca", &self.ca), ("signing-authority", &self.signing_authority), ("tsa", &self.tsa)];
        let anchors = stores.into_iter().flat_map(|(name, store)| store.entries(name));
        let subjects = self.subjects.entries().into_iter().map(|subject| vec!["subject".to_owned(), subject]);
        let options = [
            vec!["timestamps".to_owned(), self.timestamps.name().to_owned()],
            vec!["level".to_owned(), self.level.name().to_owned()],
        ];
        anchors.chain(subjects).chain(options).chain(self.revocation.entries()).collect()
    }

    /// The keys that sign are not known before there is a signature; see [`SignerSet::deny`].
    fn revoke(&mut self, _: &dyn Fn(&PublicKey) -> Option<String>) {}

    fn deny(&mut self, keys: &BTreeMap<String, String>) {
        self.revoked.clone_from(keys);
    }
}
