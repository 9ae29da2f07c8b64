//! The deny list: images that every rule refuses, and keys that are revoked.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::trust::PublicKey;

/// Maximum number of denied digests, and of denied keys.
pub const MAX_DENIED: usize = 10_000;

/// Digests and keys, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    digests: BTreeMap<Digest, String>,
    keys: BTreeMap<String, String>,
}

impl DenyList {
    /// Denies an image or index. If it is denied already, the first reason is kept.
    pub fn deny_digest(&mut self, digest: Digest, reason: String) {
        self.digests.entry(digest).or_insert(reason);
    }

    /// Denies a key by a fingerprint, `sha256:` over its DER SPKI in any encoding. If it is denied already, the first reason is kept.
    pub fn deny_key(&mut self, fingerprint: String, reason: String) {
        self.keys.entry(fingerprint).or_insert(reason);
    }

    /// Both lists. What is in both keeps the reason of this one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.digests.into_iter().for_each(|(digest, reason)| self.deny_digest(digest, reason));
        other.keys.into_iter().for_each(|(key, reason)| self.deny_key(key, reason));
        self
    }

    /// The reason for which an image is denied, if it is.
    #[must_use]
    pub fn of_digest(&self, digest: &Digest) -> Option<&str> {
        self.digests.get(digest).map(String::as_str)
    }

    /// The reason for which a key is denied, if it is: by the fingerprint of any of its encodings.
    #[must_use]
    pub fn of_key(&self, key: &PublicKey) -> Option<&str> {
        key.all_fingerprints().find_map(|fingerprint| self.keys.get(fingerprint)).map(String::as_str)
    }

    /// Whether any image is denied: then a tag must be resolved also where no signature is required.
    #[must_use]
    pub fn has_digests(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Each denied digest with its reason.
    pub fn digests(&self) -> impl ExactSizeIterator<Item = (&Digest, &str)> {
        self.digests.iter().map(|(digest, reason)| (digest, reason.as_str()))
    }

    /// The reasons by the fingerprints of the denied keys.
    pub(super) fn key_reasons(&self) -> &BTreeMap<String, String> {
        &self.keys
    }

    /// Each denied key with its reason.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.keys.iter().map(|(key, reason)| (key.as_str(), reason.as_str()))
    }
}
