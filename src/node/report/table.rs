//! The rows of the record, within bounds.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::days::DayCounts;
use crate::telemetry::decisions::{DecisionKey, Pending, Tally, Verdict};
use crate::telemetry::{Reason, whole_second};

/// Maximum size of all rows in memory, in bytes, as far as it is counted here.
const MAX_TABLE_BYTES: usize = 16 << 20;

/// What a row takes besides its texts, and a count in it, in bytes.
const ROW_BYTES: usize = 256;
const COUNT_BYTES: usize = 24;

/// Bounds of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableLimits {
    pub max_rows: usize,
    pub max_bytes: usize,
    /// How long a decision is kept.
    pub keep: SignedDuration,
}

impl TableLimits {
    /// With at most `max_rows` rows, of decisions not older than `keep`.
    #[must_use]
    pub fn new(max_rows: usize, keep: Duration) -> Self {
        let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
        Self { max_rows, max_bytes: MAX_TABLE_BYTES, keep }
    }
}

/// Decisions that are not in the record any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    pub decisions: u64,
    /// When the last of them was made.
    pub last: Option<Timestamp>,
}

impl Lost {
    pub(super) fn add(&mut self, decisions: u64, last: Timestamp) {
        self.decisions = self.decisions.saturating_add(decisions);
        self.last = self.last.max(Some(last));
    }
}

/// One row without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) counts: DayCounts,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// The digest in the last decision that had one.
    pub(super) digest: Option<Box<str>>,
}

impl Row {
    fn bytes(&self, key: &DecisionKey) -> usize {
        let texts = key.text_bytes() + self.digest.as_deref().map_or(0, str::len);
        ROW_BYTES + texts + COUNT_BYTES * self.counts.len()
    }
}

/// The record in memory.
#[derive(Clone, Debug)]
pub struct DecisionTable {
    limits: TableLimits,
    /// When the record began.
    pub(super) begun: Timestamp,
    pub(super) rows: HashMap<DecisionKey, Row>,
    bytes: usize,
    /// Removed because there were too many rows.
    pub(super) evicted: Lost,
    /// Dropped because there were too many at a time.
    pub(super) dropped: Lost,
    /// Whether the file is older than the table.
    pub(super) unsaved: bool,
}

impl DecisionTable {
    /// A record that begins now.
    #[must_use]
    pub fn new(limits: TableLimits, now: Timestamp) -> Self {
        Self {
            limits,
            begun: whole_second(now),
            rows: HashMap::new(),
            bytes: 0,
            evicted: Lost::default(),
            dropped: Lost::default(),
            unsaved: true,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds decisions.
    pub fn add(&mut self, pending: Pending, now: Timestamp) {
        self.unsaved |= !pending.tallies.is_empty() || pending.dropped > 0;
        for (key, tally) in pending.tallies {
            let Tally { count, first, last, digest } = tally;
            let (first, last) = (whole_second(first), whole_second(last));
            let mut counts = DayCounts::default();
            counts.add(last, count);
            self.add_row(key, Row { counts, first, last, digest });
        }
        if pending.dropped > 0 {
            self.dropped.add(pending.dropped, whole_second(now));
        }
        self.make_room();
    }

    /// Adds a row, or adds to the one with this key.
    pub(super) fn add_row(&mut self, key: DecisionKey, more: Row) {
        let Some(row) = self.rows.get_mut(&key) else {
            self.bytes += more.bytes(&key);
            self.rows.insert(key, more);
            return;
        };
        let before = row.bytes(&key);
        row.counts = row.counts.iter().chain(more.counts.iter()).collect();
        row.first = row.first.min(more.first);
        row.last = row.last.max(more.last);
        row.digest = more.digest.or(row.digest.take());
        self.bytes = self.bytes.saturating_sub(before) + row.bytes(&key);
    }

    /// Forgets what is too old.
    pub fn forget_old(&mut self, now: Timestamp) {
        let oldest = now.checked_sub(self.limits.keep).unwrap_or(Timestamp::MIN);
        // The clock was in the future when the record began: what has happened since must not look older than the record.
        self.begun = self.begun.min(now);
        self.rows.retain(|_, row| row.last >= oldest);
        self.bytes = 0;
        for (key, row) in &mut self.rows {
            row.counts.compact(now, oldest);
            self.bytes += row.bytes(key);
        }
        for lost in [&mut self.evicted, &mut self.dropped] {
            if lost.last.is_some_and(|last| last < oldest) {
                *lost = Lost::default();
            }
        }
        self.begun = self.begun.max(oldest);
    }

    /// Removes rows while there are too many: the least important first, and of these the oldest. A few more than is
    /// necessary, so that it is not for each new row.
    pub(super) fn make_room(&mut self) {
        let TableLimits { max_rows, max_bytes, .. } = self.limits;
        if self.rows.len() <= max_rows && self.bytes <= max_bytes {
            return;
        }
        let (max_rows, max_bytes) = (max_rows - max_rows / 64, max_bytes - max_bytes / 64);
        let mut order: Vec<_> =
            self.rows.iter().map(|(key, row)| ((importance(key), row.last), key.clone())).collect();
        order.sort_unstable();
        for (_, key) in order {
            if self.rows.len() <= max_rows && self.bytes <= max_bytes {
                return;
            }
            if let Some(row) = self.rows.remove(&key) {
                self.bytes = self.bytes.saturating_sub(row.bytes(&key));
                self.evicted.add(row.counts.sum(), row.last);
            }
        }
    }
}

/// The order in which rows are removed. What would have been refused is removed last: it is what the report is for.
fn importance(key: &DecisionKey) -> u8 {
    match key.verdict {
        Verdict::Admitted if key.reason == Some(Reason::Verified) => 0,
        Verdict::Admitted => 1,
        Verdict::Withheld | Verdict::Undecided => 2,
        Verdict::Refused => 3,
        Verdict::WouldWithhold => 4,
        Verdict::WouldRefuse => 5,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::telemetry::decisions::Call;

    pub(in crate::node::report) fn limits(max_rows: usize) -> TableLimits {
        TableLimits::new(max_rows, Duration::from_secs(30 * 24 * 60 * 60))
    }

    pub(in crate::node::report) fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(in crate::node::report) fn key(verdict: Verdict, image: &str) -> DecisionKey {
        DecisionKey {
            verdict,
            call: Call::Pull,
            reason: Some(if verdict == Verdict::Admitted { Reason::Verified } else { Reason::NoSignature }),
            image: image.into(),
            namespace: "shop".into(),
            rule: "namespace \"r.io\" (policy.toml:1)".into(),
        }
    }

    /// A decision that was made `count` times at `at`.
    pub(in crate::node::report) fn made(key: DecisionKey, count: u64, at: &str) -> Pending {
        let tally = Tally { count, first: time(at), last: time(at), digest: None };
        Pending { tallies: HashMap::from([(key, tally)]), dropped: 0 }
    }

    fn images(table: &DecisionTable) -> Vec<&str> {
        let mut images: Vec<_> = table.rows.keys().map(|key| &*key.image).collect();
        images.sort_unstable();
        images
    }

    const NOW: &str = "2026-06-30T12:00:00Z";

    #[test]
    fn the_least_important_and_oldest_rows_go_first_and_are_counted() {
        let mut table = DecisionTable::new(limits(4), time(NOW));
        for (verdict, image, at) in [
            (Verdict::WouldRefuse, "audited", "2026-06-01T00:00:00Z"),
            (Verdict::Refused, "refused", "2026-06-02T00:00:00Z"),
            (Verdict::Admitted, "old", "2026-06-03T00:00:00Z"),
            (Verdict::Admitted, "new", "2026-06-04T00:00:00Z"),
        ] {
            table.add(made(key(verdict, image), 2, at), time(NOW));
        }
        assert_eq!((table.len(), table.evicted), (4, Lost::default()));
        for (image, left, lost, last) in [
            ("a", vec!["a", "audited", "new", "refused"], 2, "2026-06-03T00:00:00Z"),
            ("b", vec!["a", "audited", "b", "refused"], 4, "2026-06-04T00:00:00Z"),
            ("c", vec!["a", "audited", "b", "c"], 6, "2026-06-04T00:00:00Z"),
        ] {
            table.add(made(key(Verdict::WouldRefuse, image), 1, NOW), time(NOW));
            assert_eq!(images(&table), left, "{image}");
            assert_eq!(table.evicted, Lost { decisions: lost, last: Some(time(last)) }, "{image}");
        }
        table.add(made(key(Verdict::WouldRefuse, "d"), 1, NOW), time(NOW));
        assert_eq!(images(&table), ["a", "b", "c", "d"], "the oldest of those that would have been refused");
    }

    #[test]
    fn bytes_are_bounded_and_counted_exactly() {
        let max_bytes = 20_000;
        let mut table = DecisionTable::new(TableLimits { max_bytes, ..limits(1000) }, time(NOW));
        let counted =
            |table: &DecisionTable| table.rows.iter().map(|(key, row)| row.bytes(key)).sum::<usize>();
        for number in 0..200 {
            let image = "x".repeat(number) + &number.to_string();
            let at = format!("2026-06-{:02}T{:02}:00:00Z", number % 28 + 1, number % 24);
            table.add(made(key(Verdict::Refused, &image), 1, &at), time(NOW));
            table.add(made(key(Verdict::Refused, "the same"), 1, &at), time(NOW));
            assert_eq!(table.bytes, counted(&table), "{number}");
            assert!(table.bytes <= max_bytes, "{number}");
        }
        assert!(table.len() < 100 && table.evicted.decisions > 100, "{}", table.len());
        table.forget_old(time("2026-07-20T00:00:00Z"));
        assert_eq!(table.bytes, counted(&table));
    }

    #[test]
    fn a_record_that_began_in_the_future_begins_now() {
        let mut table = DecisionTable::new(limits(10), time("2030-06-01T00:00:00Z"));
        let now = time("2026-06-01T00:00:00Z");
        table.forget_old(now);
        table.add(made(key(Verdict::Refused, "a"), 1, "2026-06-01T00:00:01Z"), time("2026-06-01T00:00:02Z"));
        table.forget_old(time("2026-06-01T00:00:02Z"));
        assert_eq!(images(&table), ["a"]);
        assert_eq!(table.begun, now);
    }

    #[test]
    fn what_is_too_old_is_forgotten_also_what_is_missing() {
        let mut table = DecisionTable::new(limits(2), time("2026-06-01T00:00:00Z"));
        table.add(made(key(Verdict::Refused, "old"), 1, "2026-06-01T10:00:00Z"), time(NOW));
        table.add(made(key(Verdict::Refused, "both"), 1, "2026-06-01T10:00:00Z"), time(NOW));
        table.add(made(key(Verdict::Refused, "both"), 1, NOW), time(NOW));
        let dropped = Pending { dropped: 3, ..Pending::default() };
        table.add(dropped, time("2026-06-01T11:00:00Z"));
        assert_eq!(table.dropped, Lost { decisions: 3, last: Some(time("2026-06-01T11:00:00Z")) });
        let sum = |table: &DecisionTable| table.rows[&key(Verdict::Refused, "both")].counts.sum();
        table.forget_old(time("2026-07-01T09:00:00Z"));
        assert_eq!((images(&table), sum(&table), table.dropped.decisions), (vec!["both", "old"], 2, 3));
        table.forget_old(time("2026-07-02T11:00:01Z"));
        assert_eq!((images(&table), sum(&table), table.dropped), (vec!["both"], 1, Lost::default()));
        assert_eq!(table.begun, time("2026-06-02T11:00:01Z"), "the record reaches back so far");
    }
}
