//! The cache of verdicts: which digests met which rule.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::policy::{Policy, Requirement, Rule, Satisfied};
use crate::reference::Repository;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How long a verdict is cached; after that, the signatures are verified again.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How many verdicts are kept; at about 300 bytes each.
const CAPACITY: usize = 4096;

/// Everything that a verdict depends on. A changed policy has another hash, also one with a revoked or added key, so its
/// first pull is verified again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VerdictKey {
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    pub(super) policy: String,
    /// The rule that was met: another rule of the same policy may require more.
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

/// Caches the proofs that requirements are met. Refusals are not cached: a signature may appear at any moment.
#[derive(Debug)]
pub(super) struct VerdictCache(TtlCache<VerdictKey, Arc<Satisfied>>);

impl Default for VerdictCache {
    fn default() -> Self {
        // A policy's hash and two digests take about 300 bytes; a repository may take as many again.
        Self(TtlCache::new(CAPACITY, CAPACITY * 1024))
    }
}

impl VerdictCache {
    /// The proof that the requirement was met, and until when it counts, if it still does at `now`.
    pub(super) fn get(&self, key: &VerdictKey, now: jiff::Timestamp) -> Option<(Arc<Satisfied>, Expiry)> {
        self.0.get(key, now)
    }

    /// Caches the proof that a requirement is met: until `wall` at the latest, or until the first confirmation expires that
    /// it rests on. Returns the expiry.
    pub(super) fn remember(
        &self,
        key: VerdictKey,
        satisfied: Arc<Satisfied>,
        wall: Option<jiff::Timestamp>,
        confirmed: Option<Instant>,
    ) -> Expiry {
        let until = lifetime(wall);
        let monotonic = confirmed.map_or(until.monotonic, |confirmed| confirmed.min(until.monotonic));
        let until = Expiry { monotonic, ..until };
        let bytes = key.bytes() + satisfied.by().map(|(name, key)| name.len() + key.len()).sum::<usize>();
        self.0.put(key, satisfied, bytes, until);
        until
    }
}

/// When the first key or root expires that a verdict of a check at `checked` may rest on: the verdict must not outlive
/// it. The end may have passed meanwhile, while a key service was asked.
pub(super) fn earliest_end(
    policy: &Policy,
    requirement: &Requirement,
    checked: jiff::Timestamp,
) -> Option<jiff::Timestamp> {
    policy
        .authenticators_of(requirement)
        .filter_map(|authenticator| authenticator.set().first_end(checked))
        .min()
}

/// The expiry of an entry that is made now: `wall` at the latest.
pub(super) fn lifetime(wall: Option<jiff::Timestamp>) -> Expiry {
    Expiry { monotonic: Instant::now() + LIFETIME, wall }
}

#[cfg(test)]
mod tests {
    use pkcs8::EncodePublicKey;

    use super::*;
    use crate::policy::{Action, Scope};
    use crate::trust::{Algorithm, Authenticator, Key, PssSalt, PublicKey};

    fn satisfied() -> Arc<Satisfied> {
        let requirement = Requirement::any(vec!["release".to_owned()]).unwrap();
        Arc::new(requirement.judge([("release", "sha256:0").into()]).unwrap())
    }

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
        verdicts.remember(subject("reg.example/a", "p1"), satisfied(), Some(key_ends), None);
        assert!(verdicts.get(&subject("reg.example/a", "p1"), now).is_some());
        assert!(verdicts.get(&subject("reg.example/b", "p1"), now).is_none(), "another repository");
        assert!(verdicts.get(&subject("reg.example/a", "p2"), now).is_none(), "another policy");
        let other = VerdictKey { rule: Digest::of(b"other"), ..subject("reg.example/a", "p1") };
        assert!(verdicts.get(&other, now).is_none(), "another rule, for other pods");
        assert!(verdicts.get(&subject("reg.example/a", "p1"), key_ends).is_none(), "the key has ended");
        tokio::time::advance(LIFETIME).await;
        assert!(verdicts.get(&subject("reg.example/a", "p1"), now).is_none(), "too old");
        let confirmed = Instant::now() + Duration::from_secs(1);
        verdicts.remember(subject("reg.example/a", "p1"), satisfied(), None, Some(confirmed));
        assert!(verdicts.get(&subject("reg.example/a", "p1"), now).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(verdicts.get(&subject("reg.example/a", "p1"), now).is_none(), "the confirmation has ended");
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let verdicts = VerdictCache::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let subjects: Vec<_> =
            (0..CAPACITY + 10).map(|number| subject("reg.example/a", &number.to_string())).collect();
        for known in &subjects {
            verdicts.remember(known.clone(), satisfied(), None, None);
        }
        assert_eq!(subjects.iter().filter(|known| verdicts.get(known, now).is_some()).count(), CAPACITY);
    }

    /// A key that is different for each number, and ends so many seconds after `now`.
    fn key(number: u8, now: jiff::Timestamp, ends: Option<i64>) -> Key {
        let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
        let pem = secret.public_key().to_public_key_pem(pkcs8::LineEnding::LF).unwrap();
        let public = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let not_after = ends.map(|seconds| now + jiff::SignedDuration::from_secs(seconds));
        Key { public, not_before: None, not_after, origin: format!("{number}.pem"), remote: None }
    }

    #[test]
    fn b12_what_rests_on_keys_ends_with_the_first_key_that_ends_after_the_check() {
        let now = jiff::Timestamp::now();
        for (ends, checked, expected) in [
            (vec![None], 0, None),
            (vec![None, Some(500)], 0, Some(500)),
            (vec![Some(900), Some(500)], 0, Some(500)),
            // A key that had expired at the check does not count, and does not shorten the entry.
            (vec![Some(-5), Some(900)], 0, Some(900)),
            (vec![Some(-5)], 0, None),
            // One that expired since then counted.
            (vec![Some(-5), Some(900)], -10, Some(-5)),
            (vec![Some(-5), Some(-20)], -10, Some(-5)),
        ] {
            let keys: Vec<_> = (1..).zip(&ends).map(|(number, ends)| key(number, now, *ends)).collect();
            let after = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
            let requirement = Requirement::all(vec!["release".to_owned()]).unwrap();
            let action = Action::Require(requirement.clone());
            let policy = Policy::new(
                Rule::new(String::new(), Scope::parse("**").unwrap(), action),
                Vec::new(),
                vec![
                    Authenticator::new("release".to_owned(), keys).unwrap(),
                    // No lookup for this one.
                    Authenticator::new("other".to_owned(), vec![key(99, now, Some(60))]).unwrap(),
                ],
            );
            let policy = policy.unwrap();
            let end = earliest_end(&policy, &requirement, after(checked));
            assert_eq!(end, expected.map(after), "{ends:?} {checked}");
            // A verdict whose key has ended is not cached.
            let verdicts = VerdictCache::default();
            verdicts.remember(subject("reg.example/a", "p"), satisfied(), end, None);
            let ended = expected.is_some_and(|expected| expected <= 0);
            assert_eq!(
                verdicts.get(&subject("reg.example/a", "p"), now).is_none(),
                ended,
                "{ends:?} {checked}"
            );
        }
    }
}
