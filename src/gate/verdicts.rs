//! Positive verdicts, remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::policy::{Policy, Rule};
use crate::reference::Repository;

/// How long a verdict is believed without looking at the signatures again.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How many verdicts are kept; at about 300 bytes each.
const CAPACITY: usize = 4096;

/// What was verified: everything that the outcome depends on. A changed policy has another hash, so that its first
/// pull is judged anew; so has one with a revoked or added key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    pub(super) policy: String,
    /// The rule that was met: another one may ask for more, though it is of the same policy.
    pub(super) rule: Digest,
}

impl Subject {
    pub(super) fn new(policy: &Policy, rule: &Rule, repository: &Repository, digest: &Digest) -> Self {
        Self {
            rule: rule.identity(),
            repository: repository.clone(),
            digest: digest.clone(),
            policy: policy.hash().to_owned(),
        }
    }
}

/// A bounded memory of images whose signatures held. Refusals are never remembered: a signature may appear any moment.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<HashMap<Subject, Until>>);

/// The moment a verdict ends: on the monotonic clock, so that a jump of the wall clock makes none immortal, and on the
/// wall clock where a key's own validity ends.
#[derive(Clone, Copy, Debug)]
struct Until {
    monotonic: Instant,
    wall: Option<jiff::Timestamp>,
}

impl Verdicts {
    /// Whether `subject` was found good and still is at `now`.
    pub(super) fn holds(&self, subject: &Subject, now: jiff::Timestamp) -> bool {
        let verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts
            .get(subject)
            .is_some_and(|until| until.monotonic > Instant::now() && until.wall.is_none_or(|wall| now < wall))
    }

    /// Remembers that `subject` is good, at the longest until `wall`, and until the first confirmation ends that it rests
    /// on.
    pub(super) fn remember(
        &self,
        subject: Subject,
        wall: Option<jiff::Timestamp>,
        confirmed: Option<Instant>,
    ) {
        let monotonic = Instant::now() + LIFETIME;
        let monotonic = confirmed.map_or(monotonic, |until| until.min(monotonic));
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= CAPACITY {
            let now = Instant::now();
            verdicts.retain(|_, until| until.monotonic > now);
        }
        if verdicts.len() >= CAPACITY {
            // Forgetting costs a verification, nothing else: any one will do.
            if let Some(any) = verdicts.keys().next().cloned() {
                verdicts.remove(&any);
            }
        }
        verdicts.insert(subject, Until { monotonic, wall });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(repository: &str, policy: &str) -> Subject {
        Subject {
            repository: Repository::parse(repository).unwrap(),
            digest: Digest::of(b"image"),
            policy: policy.to_owned(),
            rule: Digest::of(b"rule"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_holds_for_its_subject_and_time_only() {
        let verdicts = Verdicts::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let key_ends = now + jiff::SignedDuration::from_secs(60);
        verdicts.remember(subject("reg.example/a", "p1"), Some(key_ends), None);
        assert!(verdicts.holds(&subject("reg.example/a", "p1"), now));
        assert!(!verdicts.holds(&subject("reg.example/b", "p1"), now), "another repository");
        assert!(!verdicts.holds(&subject("reg.example/a", "p2"), now), "another policy");
        let other = Subject { rule: Digest::of(b"other"), ..subject("reg.example/a", "p1") };
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

    #[test]
    fn the_memory_is_bounded() {
        let verdicts = Verdicts::default();
        for number in 0..CAPACITY + 10 {
            verdicts.remember(subject("reg.example/a", &number.to_string()), None, None);
        }
        assert_eq!(verdicts.0.lock().unwrap().len(), CAPACITY);
    }
}
