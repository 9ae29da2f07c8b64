//! The deny list: images that are refused under every rule, and keys that no longer count.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// How many digests, and how many keys, may be denied.
pub const MAX_DENIED: usize = 10_000;

/// Digests and keys, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    digests: BTreeMap<Digest, String>,
    keys: BTreeMap<String, String>,
}

impl DenyList {
    /// Denies an image or index. Of two reasons the first is kept.
    pub fn deny_digest(&mut self, digest: Digest, reason: String) {
        self.digests.entry(digest).or_insert(reason);
    }

    /// Denies a key by its fingerprint, `sha256:` over its DER SPKI. Of two reasons the first is kept.
    pub fn deny_key(&mut self, fingerprint: String, reason: String) {
        self.keys.entry(fingerprint).or_insert(reason);
    }

    /// Why an image is denied, if it is.
    #[must_use]
    pub fn of_digest(&self, digest: &Digest) -> Option<&str> {
        self.digests.get(digest).map(String::as_str)
    }

    /// Why a key is denied, if it is.
    #[must_use]
    pub fn of_key(&self, fingerprint: &str) -> Option<&str> {
        self.keys.get(fingerprint).map(String::as_str)
    }

    /// Whether some image is denied, so that what is behind a tag must be known even where nothing is required of it.
    #[must_use]
    pub fn has_digests(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Each denied digest with its reason.
    pub fn digests(&self) -> impl ExactSizeIterator<Item = (&Digest, &str)> {
        self.digests.iter().map(|(digest, reason)| (digest, reason.as_str()))
    }

    /// Each denied key with its reason.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.keys.iter().map(|(key, reason)| (key.as_str(), reason.as_str()))
    }
}
