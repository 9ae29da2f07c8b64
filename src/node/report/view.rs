//! The report: rows of the record, in the order in which an operator wants to see them.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{DecisionTable, Lost, Row};
use crate::telemetry::decisions::{Call, DecisionKey, Verdict};
use crate::telemetry::{Reason, whole_second};

/// Maximum size of the rows of a report, in bytes, as far as it is counted here: less than the control socket sends.
const MAX_REPORT_BYTES: usize = 24 << 20;

/// The names of the fields in a row, its numbers and its digest, in bytes.
const FIELDS_BYTES: usize = 512;

/// Which rows a report has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReportFilter {
    /// Seconds since 1970. Its hour, or its day before yesterday, counts as a whole.
    pub since: Option<i64>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// A part of the rule's name.
    pub rule: Option<String>,
    /// All, if it is empty.
    pub verdicts: Vec<Verdict>,
}

/// The rows that match a filter. Times are in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DecisionReport {
    /// From when on decisions are in the report: as requested, or since the record began.
    pub since: String,
    /// Up to when.
    pub until: String,
    /// Whether decisions in this time are missing.
    pub incomplete: bool,
    /// Whether the record begins later than requested.
    pub begins_later: bool,
    /// Whether this is from the file. What the daemon has decided since it wrote the file is missing.
    pub from_file: bool,
    /// How many decisions, the last of them in this time, were removed from the record because it was full.
    pub evicted: u64,
    /// When the last of these was made.
    pub last_evicted: Option<String>,
    /// How many decisions, the last of them in this time, were never in the record, because there were too many different
    /// ones at a time.
    pub dropped: u64,
    pub last_dropped: Option<String>,
    /// Whether no row of the record, whatever its time, is by a rule with the text of the filter in its name.
    pub unknown_rule: bool,
    /// Whether no row of the record is for pods of the filter's namespace.
    pub unknown_namespace: bool,
    /// How many rows at the end were left out, because the report would have been too large.
    pub rows_left_out: usize,
    pub rows: Vec<ReportRow>,
}

/// Decisions that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportRow {
    pub verdict: Verdict,
    /// The reason code.
    pub reason: Option<String>,
    pub call: Call,
    pub count: u64,
    pub first: String,
    pub last: String,
    /// The pod's namespace; empty if it is not known.
    pub namespace: String,
    pub image: String,
    /// The digest in the last decision that had one.
    pub digest: Option<String>,
    /// The rule, with file and line; empty if none is known.
    pub rule: String,
}

impl ReportFilter {
    fn matches(&self, key: &DecisionKey) -> bool {
        let Self { since: _, namespace, rule, verdicts } = self;
        (verdicts.is_empty() || verdicts.contains(&key.verdict))
            && namespace.as_deref().is_none_or(|wanted| *key.namespace == *wanted)
            && rule.as_deref().is_none_or(|wanted| key.rule.contains(wanted))
    }
}

impl DecisionReport {
    /// The rows of `table` that `filter` selects.
    #[must_use]
    pub fn of(table: &DecisionTable, filter: &ReportFilter, now: Timestamp) -> Self {
        let asked = filter.since.and_then(|since| Timestamp::from_second(since).ok());
        let since = asked.unwrap_or(table.begun).max(table.begun);
        let mut found: Vec<(u64, &DecisionKey, &Row)> = table
            .rows
            .iter()
            .filter(|(key, row)| filter.matches(key) && row.last >= since)
            .map(|(key, row)| {
                (asked.map_or_else(|| row.counts.sum(), |it| row.counts.since(it, now)), key, row)
            })
            .filter(|(count, ..)| *count > 0)
            .collect();
        found.sort_by_key(|(count, key, row)| (rank(key), Reverse((*count, row.last)), *key));
        let selected = found.len();
        let mut room = MAX_REPORT_BYTES;
        let rows: Vec<ReportRow> = found
            .into_iter()
            .map_while(|(count, key, row)| {
                // Quotes are escaped in JSON.
                room = room.checked_sub(FIELDS_BYTES + 2 * key.text_bytes())?;
                Some(ReportRow::new(count, key, row))
            })
            .collect();
        let rows_left_out = selected - rows.len();
        let missing = |lost: Lost| Some(lost).filter(|lost| lost.last.is_some_and(|last| last >= since));
        let [evicted, dropped] = [table.evicted, table.dropped].map(|lost| missing(lost).unwrap_or_default());
        let shown = |lost: Lost| lost.last.map(|last| last.to_string());
        let begins_later = asked.is_some_and(|asked| asked < table.begun);
        Self {
            since: whole_second(since).to_string(),
            until: whole_second(now).to_string(),
            incomplete: begins_later || rows_left_out > 0 || evicted.last.or(dropped.last).is_some(),
            begins_later,
            from_file: false,
            evicted: evicted.decisions,
            last_evicted: shown(evicted),
            dropped: dropped.decisions,
            last_dropped: shown(dropped),
            unknown_rule: filter
                .rule
                .as_deref()
                .is_some_and(|it| table.rows.keys().all(|key| !key.rule.contains(it))),
            // Without a pod there is no name that could be misspelt.
            unknown_namespace: filter
                .namespace
                .as_deref()
                .is_some_and(|it| !it.is_empty() && table.rows.keys().all(|key| *key.namespace != *it)),
            rows_left_out,
            rows,
        }
    }

    /// Whether there are calls of which nothing was found out, because the caller did not wait.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Undecided && row.reason.is_none())
    }

    /// How many decisions had this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        let rows = self.rows.iter().filter(|row| row.verdict == verdict);
        rows.fold(0, |sum, row| sum.saturating_add(row.count))
    }
}

impl ReportRow {
    fn new(count: u64, key: &DecisionKey, row: &Row) -> Self {
        Self {
            verdict: key.verdict,
            reason: key.reason.map(|reason| reason.code().to_owned()),
            call: key.call,
            count,
            first: row.first.to_string(),
            last: row.last.to_string(),
            namespace: key.namespace.to_string(),
            image: key.image.to_string(),
            digest: row.digest.as_deref().map(ToOwned::to_owned),
            rule: key.rule.to_string(),
        }
    }
}

/// The order of rows: by verdict, and of those that were admitted, what has no valid signatures first.
fn rank(key: &DecisionKey) -> (Verdict, bool) {
    (key.verdict, key.reason == Some(Reason::Verified))
}

#[cfg(test)]
mod tests {
    use super::super::table::TableLimits;
    use super::super::table::tests::{key, limits, made, time};
    use super::*;
    use crate::telemetry::decisions::Pending;

    const NOW: &str = "2026-06-30T12:00:00Z";

    fn report(table: &DecisionTable, filter: ReportFilter) -> DecisionReport {
        DecisionReport::of(table, &filter, time(NOW))
    }

    fn since(text: &str) -> ReportFilter {
        ReportFilter { since: Some(time(text).as_second()), ..ReportFilter::default() }
    }

    fn shown(report: &DecisionReport) -> Vec<String> {
        report.rows.iter().map(|row| format!("{} {} {}", row.verdict.name(), row.image, row.count)).collect()
    }

    #[test]
    fn what_would_have_been_refused_comes_first_and_the_most_frequent_of_it() {
        let mut table = DecisionTable::new(limits(100), time("2026-06-01T00:00:00Z"));
        let allowed =
            DecisionKey { reason: Some(Reason::UnsignedAllowed), ..key(Verdict::Admitted, "allowed") };
        for (key, count, at) in [
            (key(Verdict::Admitted, "verified"), 100, NOW),
            (allowed, 1, NOW),
            (key(Verdict::Refused, "refused"), 50, NOW),
            (key(Verdict::Withheld, "withheld"), 50, NOW),
            (key(Verdict::WouldWithhold, "held"), 50, NOW),
            (key(Verdict::WouldRefuse, "rare"), 1, "2026-06-20T12:00:00Z"),
            (key(Verdict::WouldRefuse, "frequent"), 2, "2026-06-10T12:00:00Z"),
            (key(Verdict::WouldRefuse, "frequent"), 1, NOW),
            (key(Verdict::WouldRefuse, "recent"), 1, NOW),
        ] {
            table.add(made(key, count, at), time(NOW));
        }
        let all = [
            "would-refuse frequent 3",
            "would-refuse recent 1",
            "would-refuse rare 1",
            "would-withhold held 50",
            "refused refused 50",
            "withheld withheld 50",
            "admitted allowed 1",
            "admitted verified 100",
        ];
        let whole = report(&table, ReportFilter::default());
        assert_eq!(shown(&whole), all);
        assert_eq!((&*whole.since, &*whole.until, whole.incomplete), ("2026-06-01T00:00:00Z", NOW, false));
        assert_eq!((&*whole.rows[0].first, &*whole.rows[0].last), ("2026-06-10T12:00:00Z", NOW));
        assert_eq!(
            shown(&report(&table, since("2026-06-25T00:00:00Z")))[..2],
            ["would-refuse frequent 1", "would-refuse recent 1"]
        );
        assert!(report(&table, since("2026-06-30T12:00:01Z")).rows.is_empty());
        let known = [false, false];
        for (filter, rows, unknown) in [
            (ReportFilter { namespace: Some("shop".to_owned()), ..ReportFilter::default() }, 8, known),
            (ReportFilter { namespace: Some("sho".to_owned()), ..ReportFilter::default() }, 0, [false, true]),
            (ReportFilter { namespace: Some(String::new()), ..ReportFilter::default() }, 0, known),
            (ReportFilter { rule: Some("r.io".to_owned()), ..since("2026-06-30T12:00:01Z") }, 0, known),
            (ReportFilter { rule: Some("r.io".to_owned()), ..ReportFilter::default() }, 8, known),
            (
                ReportFilter { rule: Some("policy.toml:2".to_owned()), ..ReportFilter::default() },
                0,
                [true, false],
            ),
            (
                ReportFilter {
                    verdicts: vec![Verdict::Refused, Verdict::Withheld],
                    ..ReportFilter::default()
                },
                2,
                known,
            ),
        ] {
            let found = report(&table, filter.clone());
            assert_eq!(found.rows.len(), rows, "{filter:?}");
            assert_eq!([found.unknown_rule, found.unknown_namespace], unknown, "{filter:?}");
        }
    }

    #[test]
    fn a_report_says_whether_decisions_of_its_time_are_missing() {
        let mut table = DecisionTable::new(limits(100), time("2026-06-01T00:00:00Z"));
        table.add(Pending { dropped: 7, ..Pending::default() }, time("2026-06-10T00:00:00Z"));
        let whole = report(&table, ReportFilter::default());
        assert_eq!((whole.incomplete, whole.dropped), (true, 7));
        let later = report(&table, since("2026-06-10T00:00:01Z"));
        assert_eq!((later.incomplete, later.dropped), (false, 0));
        assert_eq!(report(&table, since("2020-01-01T00:00:00Z")).since, "2026-06-01T00:00:00Z");
    }

    #[test]
    fn a_report_that_is_too_large_says_what_was_left_out() {
        let mut table =
            DecisionTable::new(TableLimits { max_bytes: usize::MAX, ..limits(30_000) }, time(NOW));
        for number in 0..20_000 {
            let image = format!("{}{number:05}", "x".repeat(507));
            table.add(made(key(Verdict::Refused, &image), 1, NOW), time(NOW));
        }
        table.add(made(key(Verdict::WouldRefuse, "first"), 1, NOW), time(NOW));
        let report = report(&table, ReportFilter::default());
        assert!(report.incomplete && report.rows_left_out > 0, "{}", report.rows.len());
        assert_eq!(report.rows.len() + report.rows_left_out, 20_001);
        assert_eq!(report.rows[0].image, "first");
        assert!(serde_json::to_vec(&report).unwrap().len() < 32 << 20);
    }
}
