//! What the policy needs to know of a kind of authenticator; how it verifies is the matter of `signature`.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Identities, PublicKey};

/// What ends, of what an authenticator trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrustKind {
    /// A key, or the last key of an OpenPGP certificate that may sign.
    Key,
    /// A trusted root of Sigstore, when it does not cover new signatures any more.
    Root,
    /// A certificate of an authority.
    Certificate,
}

impl TrustKind {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Key, Self::Root, Self::Certificate];

    /// The word for it in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Root => "root",
            Self::Certificate => "certificate",
        }
    }
}

/// The signers of one authenticator.
pub trait SignerSet: fmt::Debug + Send + Sync {
    /// The word of `type` in the policy.
    fn kind(&self) -> &'static str;

    /// The identities whose signatures count: a requirement that needs more than there are does not load.
    fn identities(&self) -> Identities<'_>;

    /// When the first thing ends that is trusted here, of those that end after `after`. A verdict does not outlive it.
    fn first_end(&self, after: Timestamp) -> Option<Timestamp>;

    /// What has ended or will soon that is trusted here, and that the operator must renew, in one line each.
    fn ending(&self, _: Timestamp, _: SignedDuration) -> Vec<String> {
        Vec::new()
    }

    /// When each thing ends that is trusted here and that the operator must renew, also of those that have ended.
    fn ends(&self) -> Vec<(TrustKind, Timestamp)>;

    /// Everything that can change a verdict, in entries whose order does not matter, for the hash of the policy.
    fn entries(&self) -> Vec<Vec<String>>;

    /// Revokes the keys for which `reason` returns one.
    fn revoke(&mut self, reason: &dyn Fn(&PublicKey) -> Option<String>);

    /// Revokes keys by fingerprint, each with the reason: for kinds whose keys come with a signature.
    fn deny(&mut self, _: &BTreeMap<String, String>) {}
}
