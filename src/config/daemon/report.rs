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
        /// Maximum number of rows in the record: one for each combination of image, pod's namespace, rule and verdict. Above
        /// this number, the daemon removes the rows with the oldest last decision, those of admitted images first, and the
        /// report says so.
        max_rows: usize = "max-rows", count(10_000, 16, 20_000);
        /// How long a decision is kept.
        keep: Duration = "keep", time(30 * DAY, DAY, 366 * DAY);
        /// How often the daemon writes the record to disk. If the daemon is killed, the decisions since the last write are
        /// lost.
        interval: Duration = "interval", time(MINUTE, SECOND, 60 * MINUTE);
    }
}
