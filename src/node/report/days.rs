//! Counts over time: by hour today and yesterday, by day before. Days are those of UTC.

use std::collections::BTreeMap;

use jiff::Timestamp;

const HOUR: i64 = 60 * 60;
const HOURS_OF_A_DAY: u32 = 24;

/// Counts by the hour in which they begin, since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DayCounts(BTreeMap<u32, u64>);

impl DayCounts {
    /// At most this many numbers once [`DayCounts::compact`] was called, if nothing older than `days` is kept.
    #[cfg(test)]
    pub(super) const fn most(days: usize) -> usize {
        days + 2 * HOURS_OF_A_DAY as usize
    }

    pub(super) fn add(&mut self, at: Timestamp, count: u64) {
        self.add_hour(hour(at), count);
    }

    fn add_hour(&mut self, hour: u32, count: u64) {
        let sum = self.0.entry(hour).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Forgets what is older than `oldest`, and makes days of the hours before yesterday.
    pub(super) fn compact(&mut self, now: Timestamp, oldest: Timestamp) {
        let (recent, oldest) = (Self::first_recent(now), hour(oldest));
        let later = self.0.split_off(&recent);
        for (hour, count) in std::mem::replace(&mut self.0, later) {
            let day = hour - hour % HOURS_OF_A_DAY;
            if day + HOURS_OF_A_DAY > oldest {
                self.add_hour(day, count);
            }
        }
    }

    /// The first hour that is counted by itself: yesterday's.
    fn first_recent(now: Timestamp) -> u32 {
        let now = hour(now);
        (now - now % HOURS_OF_A_DAY).saturating_sub(HOURS_OF_A_DAY)
    }

    /// The sum since `since`, whose hour, or day before yesterday, counts as a whole.
    pub(super) fn since(&self, since: Timestamp, now: Timestamp) -> u64 {
        let (recent, since) = (Self::first_recent(now), hour(since));
        let since = if since < recent { since - since % HOURS_OF_A_DAY } else { since };
        self.0.range(since..).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The hours with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().map(|(hour, count)| (*hour, *count))
    }
}

impl FromIterator<(u32, u64)> for DayCounts {
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(counts: I) -> Self {
        let mut all = Self::default();
        for (hour, count) in counts {
            all.add_hour(hour, count);
        }
        all
    }
}

fn hour(at: Timestamp) -> u32 {
    // The latest timestamp is in the year 9999.
    u32::try_from(at.as_second() / HOUR).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_become_days_and_a_part_of_one_counts_whole() {
        let now = time("2026-06-10T15:30:00Z");
        let mut counts = DayCounts::default();
        for (at, count) in [
            ("2026-06-10T15:10:00Z", 1),
            ("2026-06-10T14:59:59Z", 10),
            ("2026-06-09T16:00:00Z", 100),
            ("2026-06-09T00:00:00Z", 1_000),
            ("2026-06-08T23:59:59Z", 10_000),
            ("2026-06-08T01:00:00Z", 100_000),
            ("2026-06-01T12:00:00Z", 1_000_000),
        ] {
            counts.add(time(at), count);
        }
        let before = counts.clone();
        for compacted in [false, true] {
            if compacted {
                counts.compact(now, time("2026-06-01T23:59:59Z"));
            }
            for (since, expected) in [
                ("2026-06-10T15:30:00Z", 1),
                ("2026-06-10T15:00:00Z", 1),
                ("2026-06-10T14:00:00Z", 11),
                ("2026-06-09T16:30:00Z", 111),
                ("2026-06-09T00:00:00Z", 1_111),
                ("2026-06-08T12:00:00Z", 111_111),
                ("2026-06-02T00:00:00Z", 111_111),
                ("2026-06-01T18:00:00Z", 1_111_111),
                ("1970-01-01T00:00:00Z", 1_111_111),
                ("2026-06-10T16:00:00Z", 0),
            ] {
                assert_eq!(counts.since(time(since), now), expected, "{since}, compacted: {compacted}");
            }
        }
        assert_eq!((before.len(), counts.len(), counts.sum()), (7, 6, 1_111_111));
        counts.compact(now, time("2026-06-02T00:00:00Z"));
        assert_eq!(counts.sum(), 111_111, "the first is too old");
    }

    #[test]
    fn their_number_is_bounded() {
        let now = time("2026-06-30T23:59:59Z");
        let mut counts = DayCounts::default();
        for hour in 0..30 * 24 {
            counts.add(now - jiff::SignedDuration::from_hours(hour), u64::MAX);
        }
        counts.compact(now, now - jiff::SignedDuration::from_hours(30 * 24));
        assert!(counts.len() <= DayCounts::most(30), "{}", counts.len());
        assert_eq!(counts.sum(), u64::MAX, "no overflow");
    }

    /// The clock was wrong for a while.
    #[test]
    fn counts_of_the_future_stay() {
        let mut counts = DayCounts::default();
        counts.add(time("2030-01-01T05:00:00Z"), 1);
        counts.compact(time("2026-01-01T00:00:00Z"), time("2025-12-01T00:00:00Z"));
        assert_eq!(counts.iter().count(), 1);
        counts.compact(Timestamp::UNIX_EPOCH, Timestamp::MIN);
        assert_eq!(counts.sum(), 1);
    }
}
