//! What the owner of a key says about it: until when it is valid, and what it may do.

use super::hash::Hash;
use super::signature::Signature;

/// A self-signature or a binding whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SelfSignature {
    pub(super) created: u32,
    lifetime: Option<u32>,
    key_lifetime: Option<u32>,
    may_sign: Option<bool>,
    /// Whether it is made with SHA-1.
    is_weak: bool,
}

/// What holds for a key at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Seconds after its creation; `None` without end.
    pub(super) key_lifetime: Option<u32>,
    pub(super) may_sign: Option<bool>,
}

impl SelfSignature {
    /// `None` where it cannot count whoever made it.
    pub(super) fn of(signature: &Signature) -> Option<Self> {
        if !signature.is_readable() || matches!(signature.hash, Hash::Other(_)) {
            return None;
        }
        let subpackets = &signature.subpackets;
        Some(Self {
            created: subpackets.created?,
            lifetime: subpackets.lifetime.filter(|seconds| *seconds != 0),
            key_lifetime: subpackets.key_lifetime,
            may_sign: subpackets.may_sign,
            is_weak: signature.hash == Hash::Sha1,
        })
    }

    pub(super) fn is_weak(&self) -> bool {
        self.is_weak
    }

    pub(super) fn may_sign(&self) -> Option<bool> {
        self.may_sign
    }

    /// No longer valid than `other`, which it rests on.
    pub(super) fn within(mut self, other: &Self) -> Self {
        let end = |it: &Self| it.lifetime.map(|seconds| it.created.saturating_add(seconds));
        let first = [end(&self), end(other)].into_iter().flatten().min();
        self.lifetime = first.map(|end| end.saturating_sub(self.created).max(1));
        self
    }

    fn is_over(&self, now: i64) -> bool {
        self.lifetime.is_some_and(|seconds| now >= i64::from(self.created) + i64::from(seconds))
    }

    fn attributes(&self) -> Attributes {
        Attributes { key_lifetime: self.key_lifetime, may_sign: self.may_sign }
    }

    /// The moments at which it begins or ends to count, or the key ends, in seconds since 1970.
    pub(super) fn boundaries(&self, key_created: u32) -> impl Iterator<Item = u64> {
        let sum = |from: u32, seconds: u32| u64::from(from) + u64::from(seconds);
        let ends = self.lifetime.map(|seconds| sum(self.created, seconds));
        let key_ends = self.key_lifetime.map(|seconds| sum(key_created, seconds));
        [Some(u64::from(self.created)), ends, key_ends].into_iter().flatten()
    }

    /// All that it says, for the hash of a policy.
    pub(super) fn entry(&self) -> String {
        let Self { created, lifetime, key_lifetime, may_sign, is_weak } = self;
        format!("{created} {lifetime:?} {key_lifetime:?} {may_sign:?} {is_weak}")
    }
}

/// What the newest of these signatures says at `now`; `None` where there is none, or it has expired. Those with SHA-1 count
/// only where there are no others.
pub(super) fn newest<'a>(
    signatures: impl Iterator<Item = &'a SelfSignature> + Clone,
    now: i64,
) -> Option<Attributes> {
    let made = signatures.filter(|signature| i64::from(signature.created) <= now);
    // Of two of the same second the one with less validity counts.
    let order = |signature: &&SelfSignature| {
        let end = signature.key_lifetime.filter(|seconds| *seconds != 0).unwrap_or(u32::MAX);
        (!signature.is_weak, signature.created, u32::MAX - end)
    };
    let newest = made.max_by_key(order)?;
    (!newest.is_over(now)).then(|| newest.attributes())
}

/// Whether there are signatures, and all of them are made later than `now`.
pub(super) fn is_later<'a>(
    mut signatures: impl Iterator<Item = &'a SelfSignature> + Clone,
    now: i64,
) -> bool {
    signatures.clone().next().is_some() && signatures.all(|signature| i64::from(signature.created) > now)
}

impl Attributes {
    /// When a key of that age ends, in seconds since 1970.
    pub(super) fn key_end(self, created: u32) -> Option<u64> {
        let seconds = self.key_lifetime.filter(|seconds| *seconds != 0)?;
        Some(u64::from(created) + u64::from(seconds))
    }
}
