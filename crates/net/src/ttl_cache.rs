//! A bounded cache of verified results, each with an expiry. Negative results do not belong here.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Minimum time between two removals of expired entries: while the cache is full of entries that have not expired, not
/// every insertion may scan all of them.
const SWEEP: Duration = Duration::from_secs(60);

/// Thirty years: longer than any process runs, and short enough for every clock.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The expiry of an entry: on the monotonic clock, so that a change of the wall clock cannot keep an entry, and on the
/// wall clock if the value itself expires, for example a key.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    pub monotonic: Instant,
    pub wall: Option<jiff::Timestamp>,
}

impl Expiry {
    /// After `time`, from now.
    pub fn after(time: Duration) -> Self {
        Self { monotonic: Instant::now() + time, wall: None }
    }

    /// Not before the entry is removed to make room.
    pub fn never() -> Self {
        Self::after(NEVER)
    }

    /// The earlier of the two, on each clock.
    pub fn or_sooner(self, other: Self) -> Self {
        let wall = self.wall.into_iter().chain(other.wall).min();
        Self { monotonic: self.monotonic.min(other.monotonic), wall }
    }

    /// Whether it is later than now on the monotonic clock, and than `now` on the wall clock.
    pub fn is_ahead(&self, now: jiff::Timestamp) -> bool {
        self.monotonic > Instant::now() && self.wall.is_none_or(|wall| now < wall)
    }
}

/// Values by key, limited by their number and their total size. The caller passes the size of each.
#[derive(Debug)]
pub struct TtlCache<K, V> {
    state: Mutex<State<K, V>>,
    max_entries: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until: Expiry,
    bytes: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> TtlCache<K, V> {
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        let state = Mutex::new(State { entries: HashMap::new(), bytes: 0, swept: None });
        Self { state, max_entries, max_bytes }
    }

    /// A cache that is limited only by the number of its values, whose sizes have limits of their own.
    pub fn of_entries(max_entries: usize) -> Self {
        Self::new(max_entries, usize::MAX)
    }

    /// The value for `key` that has not expired at `now`, with its expiry.
    pub fn get<Q>(&self, key: &Q, now: jiff::Timestamp) -> Option<(V, Expiry)>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let state = self.state();
        let entry = state.entries.get(key).filter(|entry| entry.until.is_ahead(now))?;
        Some((entry.value.clone(), entry.until))
    }

    /// The value for `key`, where values expire only on the monotonic clock.
    pub fn live<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get(key, jiff::Timestamp::MAX).map(|(value, _)| value)
    }

    /// The value for `key`, or else a new one, which does not expire. Concurrent callers get the same value.
    pub fn live_or_new(&self, key: K, new: impl FnOnce() -> V) -> V {
        let mut state = self.state();
        if let Some(entry) =
            state.entries.get(&key).filter(|entry| entry.until.is_ahead(jiff::Timestamp::MAX))
        {
            return entry.value.clone();
        }
        let value = new();
        self.insert(&mut state, key, Entry { value: value.clone(), until: Expiry::never(), bytes: 0 });
        value
    }

    /// Lets the value for `key` expire at `until` instead; `false` if there is none.
    pub fn extend<Q>(&self, key: &Q, until: Expiry) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.state().entries.get_mut(key).map(|entry| entry.until = until).is_some()
    }

    /// Inserts `value`, of `bytes` bytes. A value larger than a sixteenth of the cache is not inserted.
    pub fn put(&self, key: K, value: V, bytes: usize, until: Expiry) {
        if bytes <= self.max_bytes / 16 {
            self.insert(&mut self.state(), key, Entry { value, until, bytes });
        }
    }

    fn insert(&self, state: &mut State<K, V>, key: K, entry: Entry<V>) {
        state.remove(&key);
        let now = Instant::now();
        if !self.has_room(state, entry.bytes) && state.swept.is_none_or(|swept| now >= swept + SWEEP) {
            state.swept = Some(now);
            state.retain(|other| other.until.monotonic > now);
        }
        while !self.has_room(state, entry.bytes) {
            // Eviction only costs another request or verification, so any entry may go.
            let Some(evicted) = state.entries.keys().next().cloned() else { return };
            state.remove(&evicted);
        }
        state.bytes += entry.bytes;
        state.entries.insert(key, entry);
    }

    /// Removes one entry.
    pub fn forget(&self, key: &K) {
        self.state().remove(key);
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.state().retain(|_| false);
    }

    fn has_room(&self, state: &State<K, V>, bytes: usize) -> bool {
        state.entries.len() < self.max_entries && state.bytes.saturating_add(bytes) <= self.max_bytes
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> State<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(removed) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(removed.bytes);
        }
    }

    fn retain(&mut self, keep: impl Fn(&Entry<V>) -> bool) {
        self.entries.retain(|_, entry| keep(entry));
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_minute() -> Expiry {
        Expiry { monotonic: Instant::now() + Duration::from_secs(60), wall: None }
    }

    #[tokio::test(start_paused = true)]
    async fn expires_at_the_earlier_of_both_clocks() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let end = now + jiff::SignedDuration::from_secs(30);
        let cache = TtlCache::new(8, 800);
        cache.put("plain", 1, 1, in_a_minute());
        cache.put("ends", 2, 1, in_a_minute().or_sooner(Expiry { wall: Some(end), ..in_a_minute() }));
        let get = |key, now| cache.get(&key, now).map(|(value, _)| value);
        assert_eq!((get("plain", now), get("ends", now), get("other", now)), (Some(1), Some(2), None));
        assert_eq!((get("plain", end), get("ends", end)), (Some(1), None));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(get("plain", now), None);
        cache.put("longer", 4, 1, in_a_minute());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(cache.extend("longer", in_a_minute()) && !cache.extend("other", in_a_minute()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!((get("longer", now), get("other", now)), (Some(4), None));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get("longer", now), None);
    }

    #[tokio::test]
    async fn is_bounded_by_number_and_by_bytes() {
        for (bytes, remaining) in [(1, 64), (40, 40), (100, 16), (101, 0)] {
            let cache = TtlCache::new(64, 1600);
            for number in 0..100 {
                cache.put(number, (), bytes, in_a_minute());
            }
            let state = cache.state();
            assert_eq!(
                (state.entries.len(), state.bytes),
                (remaining, remaining * bytes),
                "{bytes} bytes each"
            );
        }
    }

    #[tokio::test]
    async fn removed_entries_free_their_bytes() {
        let cache = TtlCache::new(8, 800);
        cache.put(1, "one", 10, in_a_minute());
        cache.put(1, "two", 20, in_a_minute());
        cache.put(2, "other", 10, in_a_minute());
        assert_eq!(cache.state().bytes, 30);
        cache.forget(&1);
        assert_eq!(cache.state().bytes, 10);
        cache.clear();
        let state = cache.state();
        assert_eq!((state.bytes, state.entries.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_that_never_ends_is_made_once_and_makes_room_for_others() {
        let cache = TtlCache::of_entries(2);
        assert_eq!((cache.live_or_new(1, || "one"), cache.live_or_new(1, || "again")), ("one", "one"));
        tokio::time::advance(Duration::from_secs(365 * 24 * 60 * 60)).await;
        assert_eq!(cache.live(&1), Some("one"));
        assert!((2..5).all(|key| cache.live_or_new(key, || "other") == "other"));
        assert_eq!((1..5).filter(|key| cache.live(key).is_some()).count(), 2);
        let ends = Expiry { wall: Some(jiff::Timestamp::MAX), ..Expiry::never() };
        cache.put(9, "ends", 0, ends);
        assert_eq!(cache.live(&9), None, "what a wall clock ends is not asked for without one");
    }
}
