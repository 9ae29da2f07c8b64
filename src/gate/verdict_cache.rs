//! Positive verdicts, remembered.

use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::policy::{Policy, Rule};
use crate::reference::Repository;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How long a verdict is believed without looking at the signatures again.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How many verdicts are kept; at about 300 bytes each.
const CAPACITY: usize = 4096;

/// What was verified: everything that the outcome depends on. A changed policy has another hash, so that its first
/// pull is judged anew; so has one with a revoked or added key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VerdictKey {
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    pub(super) policy: String,
    /// The rule that was met: another one may ask for more, though it is of the same policy.
    pub(super) rule: Digest,
}

impl VerdictKey {
    pub(super) fn new(policy: &Policy, rule: &Rule, repository: &Repository, digest: &Digest) -> Self {
        Self {
            rule: rule.identity(),
            repository: repository.clone(),
            digest: digest.clone(),
            policy: policy.hash().to_owned(),
        }
    }

    fn bytes(&self) -> usize {
        let texts = [self.digest.as_str(), &self.policy, self.rule.as_str()];
        size_of::<Self>() + self.repository.as_str().len() + texts.map(str::len).iter().sum::<usize>()
    }
}

/// A bounded memory of images whose signatures held. Refusals are never remembered: a signature may appear any moment.
#[derive(Debug)]
pub(super) struct VerdictCache(TtlCache<VerdictKey, ()>);

impl Default for VerdictCache {
    fn default() -> Self {
        // A policy's hash and two digests take about 300 bytes; a repository may take as many again.
        Self(TtlCache::new(CAPACITY, CAPACITY * 1024))
    }
}

impl VerdictCache {
    /// Whether `subject` was found good and still is at `now`.
    pub(super) fn holds(&self, subject: &VerdictKey, now: jiff::Timestamp) -> bool {
        self.until(subject, now).is_some()
    }

    /// Expiry when `subject`, which was found good and still is at `now`, is believed to be.
    pub(super) fn until(&self, subject: &VerdictKey, now: jiff::Timestamp) -> Option<Expiry> {
        Some(self.0.get(subject, now)?.1)
    }

    /// Remembers that `subject` is good, at the longest until `wall`, and until the first confirmation ends that it rests
    /// on. Gives until when.
    pub(super) fn remember(
        &self,
        subject: VerdictKey,
        wall: Option<jiff::Timestamp>,
        confirmed: Option<Instant>,
    ) -> Expiry {
        let until = lifetime(wall);
        let monotonic = confirmed.map_or(until.monotonic, |confirmed| confirmed.min(until.monotonic));
        let until = Expiry { monotonic, ..until };
        let bytes = subject.bytes();
        self.0.put(subject, (), bytes, until);
        until
    }
}

/// From now on for as long as anything is believed, at the longest until `wall`.
pub(super) fn lifetime(wall: Option<jiff::Timestamp>) -> Expiry {
    Expiry { monotonic: Instant::now() + LIFETIME, wall }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(repository: &str, policy: &str) -> VerdictKey {
        VerdictKey {
            repository: Repository::parse(repository).unwrap(),
            digest: Digest::of(b"image"),
            policy: policy.to_owned(),
            rule: Digest::of(b"rule"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_holds_for_its_subject_and_time_only() {
        let verdicts = VerdictCache::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let key_ends = now + jiff::SignedDuration::from_secs(60);
        verdicts.remember(subject("reg.example/a", "p1"), Some(key_ends), None);
        assert!(verdicts.holds(&subject("reg.example/a", "p1"), now));
        assert!(!verdicts.holds(&subject("reg.example/b", "p1"), now), "another repository");
        assert!(!verdicts.holds(&subject("reg.example/a", "p2"), now), "another policy");
        let other = VerdictKey { rule: Digest::of(b"other"), ..subject("reg.example/a", "p1") };
        assert!(!verdicts.holds(&other, now), "another rule, for other pods");
        assert!(!verdicts.holds(&subject("reg.example/a", "p1"), key_ends), "the key has ended");
        tokio::time::advance(LIFETIME).await;
        assert!(!verdicts.holds(&subject("reg.example/a", "p1"), now), "too old");
        let confirmed = Instant::now() + Duration::from_secs(1);
        verdicts.remember(subject("reg.example/a", "p1"), None, Some(confirmed));
        assert!(verdicts.holds(&subject("reg.example/a", "p1"), now));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!verdicts.holds(&subject("reg.example/a", "p1"), now), "the confirmation has ended");
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let verdicts = VerdictCache::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let subjects: Vec<_> =
            (0..CAPACITY + 10).map(|number| subject("reg.example/a", &number.to_string())).collect();
        for known in &subjects {
            verdicts.remember(known.clone(), None, None);
        }
        assert_eq!(subjects.iter().filter(|known| verdicts.holds(known, now)).count(), CAPACITY);
    }
}
