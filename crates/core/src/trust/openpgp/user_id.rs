//! User IDs and user attributes, as far as they are about the primary key.

use super::self_signature::SelfSignature;

/// What the owner of a key says with a user ID.
#[derive(Clone, Debug, Default)]
pub(super) struct UserId {
    pub(super) certified: Vec<SelfSignature>,
    /// When it was revoked last.
    revoked: Option<u32>,
}

impl UserId {
    /// Revokes it at this second, or for all times.
    pub(super) fn revoke(&mut self, at: Option<u32>) {
        self.revoked = self.revoked.max(Some(at.unwrap_or(u32::MAX)));
    }

    /// The self-signatures than which no revocation is newer.
    pub(super) fn valid(&self) -> impl Iterator<Item = &SelfSignature> + Clone {
        let revoked = self.revoked;
        self.certified.iter().filter(move |it| revoked.is_none_or(|revoked| it.is_newer_than(revoked)))
    }

    /// Adds what another copy of it has.
    pub(super) fn merge(&mut self, other: Self) {
        self.revoked = self.revoked.max(other.revoked);
        let new: Vec<_> = other.certified.into_iter().filter(|it| !self.certified.contains(it)).collect();
        self.certified.extend(new);
    }
}
