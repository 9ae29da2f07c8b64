//! The record of decisions that `pullgate report` shows: counts by image, pod namespace, rule and verdict, bounded, and in a
//! file, so that it survives a restart.
//!
//! It decides nothing. If it cannot be written, pulls are decided as without it.

mod days;
mod file;
mod recorder;
mod table;
mod view;

pub use file::{RecordError, read_record};
pub use recorder::DecisionRecord;
pub(super) use recorder::Recorder;
pub use table::{DecisionTable, Lost, TableLimits};
pub use view::{DecisionReport, ReportFilter, ReportRow};
