//! What the owner of a key says about it: until when it is valid, and what it may do.
//!
//! The newest of several self-signatures rules. gpg skips one that it cannot verify or does not understand, and an older one
//! rules, which perhaps allows more (`merge_selfsigs_main` and `fixup_uidnode` in `g10/getkey.c`). pullgate reads fewer than
//! gpg does, so here one that is not read makes unusable what it is about, from its time on and until a newer one that is
//! read. One with SHA-2 that does not verify is a forgery or damaged: it is skipped, as in gpg. In gpg one with SHA-1 rules
//! like every other one; here it can only take away from an older one with SHA-2.

use super::hash::Hash;
use super::key::PublicKey;
use super::signature::Signature;

/// A self-signature, a binding, or a back-signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SelfSignature {
    /// `None` where it does not say once: it is newer than all others then.
    created: Option<u32>,
    lifetime: Option<u32>,
    key_lifetime: Option<u32>,
    may_sign: Option<bool>,
    grade: Grade,
}

/// How far a self-signature is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    /// Verified, with SHA-2.
    Strong,
    /// Verified, with SHA-1.
    Weak,
    /// Perhaps the owner's. What it says is not known, but that it is newer than others.
    Unreadable,
}

/// What holds for a key at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Seconds after its creation; `None` without end.
    pub(super) key_lifetime: Option<u32>,
    pub(super) may_sign: Option<bool>,
}

/// The newest signature is one that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl SelfSignature {
    /// A signature over `parts` that names `key` as its issuer, or nobody. `None` where it is not by this key.
    pub(super) fn of(signature: &Signature, key: &PublicKey, parts: &[&[u8]]) -> Option<Self> {
        let is_verified = signature.is_by(key, parts);
        let subpackets = &signature.subpackets;
        let grade = match signature.hash {
            Hash::Strong(_) if !is_verified => return None,
            Hash::Strong(_) if signature.is_readable() => Grade::Strong,
            Hash::Sha1 if is_verified && signature.is_readable() => Grade::Weak,
            _ => return Some(Self::unreadable(subpackets.created.filter(|_| !subpackets.is_ambiguous))),
        };
        Some(Self {
            created: subpackets.created,
            lifetime: subpackets.lifetime.filter(|seconds| *seconds != 0),
            key_lifetime: subpackets.key_lifetime,
            may_sign: subpackets.may_sign,
            grade,
        })
    }

    /// One that may say anything.
    pub(super) fn unreadable(created: Option<u32>) -> Self {
        let grade = Grade::Unreadable;
        Self { created, lifetime: None, key_lifetime: None, may_sign: None, grade }
    }

    /// The same, without what it says.
    pub(super) fn as_unreadable(&self) -> Self {
        Self::unreadable(self.created)
    }

    pub(super) fn is_strong(&self) -> bool {
        self.grade == Grade::Strong
    }

    /// Whether it is known what it says.
    pub(super) fn is_readable(&self) -> bool {
        self.grade != Grade::Unreadable
    }

    pub(super) fn may_sign(&self) -> Option<bool> {
        self.may_sign
    }

    pub(super) fn created(&self) -> Option<u32> {
        self.created
    }

    /// Whether it is newer than something that was made at this second.
    pub(super) fn is_newer_than(&self, other: u32) -> bool {
        self.created.is_none_or(|created| created > other)
    }

    /// No longer valid than `other`, which it rests on.
    pub(super) fn within(mut self, other: &Self) -> Self {
        let end = |it: &Self| Some(it.created?.saturating_add(it.lifetime?));
        let first = [end(&self), end(other)].into_iter().flatten().min();
        self.lifetime = first.map(|end| end.saturating_sub(self.created.unwrap_or(0)).max(1));
        self
    }

    fn is_made(&self, now: i64) -> bool {
        self.created.is_none_or(|created| i64::from(created) <= now)
    }

    fn is_over(&self, now: i64) -> bool {
        let end = |seconds: u32| i64::from(self.created.unwrap_or(0)) + i64::from(seconds);
        self.lifetime.is_some_and(|seconds| now >= end(seconds))
    }

    /// Which of several comes last; of two of the same second the one with less validity.
    fn order(&self) -> (u32, u32) {
        let end = self.key_lifetime.filter(|seconds| *seconds != 0).unwrap_or(u32::MAX);
        (self.created.unwrap_or(u32::MAX), u32::MAX - end)
    }

    fn attributes(&self) -> Attributes {
        Attributes { key_lifetime: self.key_lifetime, may_sign: self.may_sign }
    }

    /// The moments at which it begins or ends to count, or the key ends, in seconds since 1970.
    pub(super) fn boundaries(&self, key_created: u32) -> impl Iterator<Item = u64> {
        let sum = |from: u32, seconds: u32| u64::from(from) + u64::from(seconds);
        let ends = self.created.zip(self.lifetime).map(|(created, seconds)| sum(created, seconds));
        let key_ends = self.key_lifetime.map(|seconds| sum(key_created, seconds));
        [self.created.map(u64::from), ends, key_ends].into_iter().flatten()
    }

    /// All that it says, for the hash of a policy.
    pub(super) fn entry(&self) -> String {
        let Self { created, lifetime, key_lifetime, may_sign, grade } = self;
        format!("{created:?} {lifetime:?} {key_lifetime:?} {may_sign:?} {grade:?}")
    }
}

/// What the newest of these signatures says at `now`; `None` if there is no such signature, or if it has expired. Those
/// with SHA-1 count alone only where there are no others.
///
/// # Errors
/// When one that is not read is as new.
pub(super) fn newest<'a>(
    signatures: impl Iterator<Item = &'a SelfSignature> + Clone,
    now: i64,
) -> Result<Option<Attributes>, Unreadable> {
    let last = |grade: Grade| {
        let made = signatures.clone().filter(|it| it.grade == grade && it.is_made(now));
        made.max_by_key(|it| it.order())
    };
    let (strong, weak) = (last(Grade::Strong), last(Grade::Weak));
    let base = strong.or(weak);
    let is_newer = |it: &&SelfSignature| base.is_none_or(|base| it.order().0 >= base.order().0);
    if last(Grade::Unreadable).is_some_and(|it| is_newer(&it)) {
        return Err(Unreadable);
    }
    let Some(base) = base else { return Ok(None) };
    let more = weak.filter(is_newer).unwrap_or(base);
    let is_over = base.is_over(now) || more.is_over(now);
    Ok((!is_over).then(|| base.attributes().and(more.attributes())))
}

/// Whether there are signatures, and all of them are made later than `now`.
pub(super) fn is_later<'a>(
    mut signatures: impl Iterator<Item = &'a SelfSignature> + Clone,
    now: i64,
) -> bool {
    signatures.clone().next().is_some() && signatures.all(|signature| !signature.is_made(now))
}

impl Attributes {
    /// What both allow.
    fn and(self, other: Self) -> Self {
        let end = |it: Self| it.key_lifetime.filter(|seconds| *seconds != 0);
        let may_sign = match (self.may_sign, other.may_sign) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (own, other) => own.or(other),
        };
        let key_lifetime = [end(self), end(other)].into_iter().flatten().min();
        Self { key_lifetime: key_lifetime.or(self.key_lifetime), may_sign }
    }

    /// When a key of that age ends, in seconds since 1970.
    pub(super) fn key_end(self, created: u32) -> Option<u64> {
        let seconds = self.key_lifetime.filter(|seconds| *seconds != 0)?;
        Some(u64::from(created) + u64::from(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_with_sha_1_only_takes_away_from_an_older_one_with_sha_2() {
        let said = |grade, created, key_lifetime, may_sign| SelfSignature {
            created: Some(created),
            lifetime: None,
            key_lifetime,
            may_sign,
            grade,
        };
        let strong = said(Grade::Strong, 10, Some(100), Some(true));
        let ended = SelfSignature { lifetime: Some(5), ..said(Grade::Weak, 11, None, None) };
        for (name, weak, expected) in [
            ("shorter", said(Grade::Weak, 11, Some(50), Some(true)), Some((Some(50), Some(true)))),
            ("longer", said(Grade::Weak, 11, Some(200), Some(true)), Some((Some(100), Some(true)))),
            ("without end", said(Grade::Weak, 11, None, None), Some((Some(100), Some(true)))),
            ("without end, as 0", said(Grade::Weak, 11, Some(0), None), Some((Some(100), Some(true)))),
            ("not for signing", said(Grade::Weak, 11, None, Some(false)), Some((Some(100), Some(false)))),
            ("at the same time", said(Grade::Weak, 10, Some(50), None), Some((Some(50), Some(true)))),
            ("older", said(Grade::Weak, 9, Some(50), Some(false)), Some((Some(100), Some(true)))),
            ("later", said(Grade::Weak, 99, Some(50), Some(false)), Some((Some(100), Some(true)))),
            ("ended", ended, None),
        ] {
            let newest = newest([&strong, &weak].into_iter(), 20).unwrap();
            assert_eq!(newest.map(|it| (it.key_lifetime, it.may_sign)), expected, "{name}");
        }
        let alone = said(Grade::Weak, 9, Some(50), Some(true));
        assert!(newest([&alone].into_iter(), 20).is_ok_and(|said| said.is_some()));
        // It does not take the place of one that is not read.
        let unread = SelfSignature::unreadable(Some(15));
        let weak = said(Grade::Weak, 16, None, None);
        assert_eq!(newest([&strong, &unread, &weak].into_iter(), 20), Err(Unreadable));
        assert!(newest([&alone, &unread, &weak].into_iter(), 20).is_ok());
    }
}
