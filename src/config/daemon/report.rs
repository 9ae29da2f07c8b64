//! `[report]`: the record of decisions that `pullgate report` shows.

use std::time::Duration;

use pullgate_config::bound::{DAY, MINUTE, SECOND};
use pullgate_config::kind::{Flag, count, time};

pullgate_config::options! {
    /// `[report]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Report {
        /// Whether decisions are recorded. The record is the file `report.json` in the `directory` of `[ledger]`.
        enabled: bool = "enabled", Flag(true);
        /// Maximum number of rows: different images, pod namespaces, rules and verdicts. When there are more, the rows whose
        /// last decision is oldest are removed, admitted images first, and the report says so.
        max_rows: usize = "max-rows", count(10_000, 16, 20_000);
        /// How long a decision is kept.
        keep: Duration = "keep", time(30 * DAY, DAY, 366 * DAY);
        /// How often the record is written. If the daemon is killed, what was decided since the last time is lost.
        interval: Duration = "interval", time(MINUTE, SECOND, 60 * MINUTE);
    }
}
