//! `pullgate report`: what was asked for on this node, by image, pod namespace, rule and verdict.
//!
//! The running daemon is queried first. If it does not answer, the record that it wrote is read.

mod csv;
mod text;

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;

use super::daemon::Daemon;
use crate::config::{self, DaemonConfig};
use crate::node::control::{AskError, ControlReply, ControlRequest};
use crate::node::report::{DecisionReport, ReportFilter, TableLimits, read_record};
use crate::policy::Rule;
use crate::telemetry::decisions::Verdict;
use crate::telemetry::log;
use pullgate_cli::terminal::{Look, Progress};
use pullgate_cli::{Outcome, output};
use pullgate_config::duration::parse_duration;
use pullgate_core::untrusted::{error_chain, quoted};

/// Timeout of the daemon.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Arguments of `pullgate report`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no image was or would have been refused, 1 an image was or would have been refused, 2 \
                  usage or configuration error, 3 undetermined: audit mode let images through that enforce mode would \
                  withhold, decisions are missing, or there is no record."
)]
pub(super) struct Report {
    /// Only decisions since this time: in RFC 3339, or a span before now, such as 30m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only decisions for pods in this Kubernetes namespace; an empty value selects decisions without a pod
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only decisions by rules with this text in their name, such as a scope or policy.toml:12
    #[arg(long, value_name = "TEXT")]
    rule: Option<String>,
    /// Only decisions with this verdict; may be repeated
    #[arg(long = "verdict", value_enum, value_name = "VERDICT")]
    verdicts: Vec<Verdict>,
    /// Output format
    #[arg(long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Show digests in full, lines of any length, and the time of the first decision of each row
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Csv,
}

impl Report {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::ERROR);
        let report = match self.read(root) {
            Ok(report) => report,
            Err(outcome) => return outcome,
        };
        if let Some(unknown) = self.unknown_name(root, &report) {
            output::note(&format!("error: {unknown}"));
            return Outcome::Usage;
        }
        match self.format {
            Format::Text => {
                output::line(&text::page(&report, self.wide).text(Look::of_stdout(self.wide)));
            }
            Format::Json => output::line(&serde_json::to_string(&report).unwrap_or_default()),
            Format::Csv => {
                output::text(&csv::csv(&report));
                // The rows have no place for it.
                for note in text::notes(&report) {
                    output::note(&format!("{}: {note}", text::MISSING));
                }
            }
        }
        outcome(&report)
    }

    fn read(&self, root: &Path) -> Result<DecisionReport, Outcome> {
        let config = config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(|problems| {
            output::note(&problems.to_string());
            Outcome::Usage
        })?;
        let request = ControlRequest::Report(self.filter());
        let mut failure = None;
        let note = |error: &AskError| failure = Some(format!("daemon: {}", error_chain(error)));
        let failed = |why: &str| {
            output::note(&format!("error: {why}"));
            Err(Outcome::Undetermined)
        };
        let progress = Progress::start("waiting for the daemon");
        let reply = self.daemon.ask(&config.control.socket, &request, TIMEOUT, note);
        drop(progress);
        failure.iter().for_each(|failure| output::note(failure));
        match reply {
            Ok(Some(ControlReply::Report(report))) => Ok(report),
            Ok(Some(ControlReply::Failed(why))) => failed(&why),
            Ok(Some(_)) => failed("unexpected reply type from the daemon"),
            Ok(None) => self.read_file(&config),
            Err(error) => {
                output::error(&error);
                Err(Outcome::Undetermined)
            }
        }
    }

    fn read_file(&self, config: &DaemonConfig) -> Result<DecisionReport, Outcome> {
        let limits = TableLimits::new(config.report.max_rows, config.report.keep);
        let (directory, now) = (&config.ledger.directory, Timestamp::now());
        match read_record(directory, limits) {
            Ok(Some(mut table)) => {
                table.forget_old(now);
                let report = DecisionReport::of(&table, &self.filter(), now);
                Ok(DecisionReport { incomplete: true, from_file: true, ..report })
            }
            Ok(None) => {
                let directory = directory.display();
                output::note(&format!(
                    "error: there is no record of decisions in {directory}; start the daemon"
                ));
                Err(Outcome::Undetermined)
            }
            Err(error) => {
                output::error(&error);
                Err(Outcome::Undetermined)
            }
        }
    }

    /// What is wrong with a name that is neither in the record nor in the policy.
    fn unknown_name(&self, root: &Path, report: &DecisionReport) -> Option<String> {
        let rule = self.rule.as_deref().filter(|_| report.unknown_rule);
        let namespace = self.namespace.as_deref().filter(|_| report.unknown_namespace);
        rule.or(namespace)?;
        let survey = config::survey(root, Timestamp::now()).and_then(|(_, survey)| survey.loaded);
        // Without a valid policy, nothing shows that the name is wrong.
        let policy = survey.ok()?.policy;
        let rules = || policy.all_rules();
        let unknown_rule = |text: &&str| !rules().any(|rule| rule.label().contains(text));
        let unknown_namespace = |name: &&str| !rules().filter_map(Rule::pods).any(|pods| pods.cover(name));
        let rule = rule.filter(unknown_rule).map(|text| {
            format!(
                "no rule with {} in its name is in the record or in the policy; the column RULE of `pullgate report` has \
                 the names",
                quoted(text)
            )
        });
        rule.or_else(|| {
            let name = quoted(namespace.filter(unknown_namespace)?);
            Some(format!(
                "no decision for pods of the namespace {name} is in the record, and no rule of the policy names it; the \
                 column NAMESPACE of `pullgate report` has the names"
            ))
        })
    }

    fn filter(&self) -> ReportFilter {
        ReportFilter {
            since: self.since.map(Timestamp::as_second),
            namespace: self.namespace.clone(),
            rule: self.rule.clone(),
            verdicts: self.verdicts.clone(),
        }
    }
}

fn outcome(report: &DecisionReport) -> Outcome {
    let any = |verdict| report.rows.iter().any(|row| row.verdict == verdict);
    if any(Verdict::WouldRefuse) || any(Verdict::Refused) {
        Outcome::Refused
    } else if any(Verdict::WouldWithhold) || report.incomplete || report.has_unknown() {
        Outcome::Undetermined
    } else {
        Outcome::Success
    }
}

/// A time, or how long ago it was.
fn since(text: &str) -> Result<Timestamp, String> {
    let hours = text.strip_suffix('h').and_then(|hours| hours.parse::<u64>().ok());
    let ago = match hours {
        Some(hours) => hours.checked_mul(60 * 60).map(Duration::from_secs),
        None => parse_duration(text),
    };
    let now = Timestamp::now();
    let time = match ago {
        Some(ago) => now.checked_sub(ago).ok(),
        None => text.parse().ok(),
    };
    match time {
        Some(time) if time <= now => Ok(time),
        Some(_) => Err("it is in the future".to_owned()),
        None => Err("write a time such as 2026-06-01T08:00:00Z, or 30m, 24h, 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_duration() {
        let now = Timestamp::now();
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            let ago = now.as_second() - since(text).unwrap().as_second();
            assert!((seconds - 60..=seconds).contains(&ago), "{text}: {ago}");
        }
        assert_eq!(since("2026-06-01T10:00:00+02:00"), Ok("2026-06-01T08:00:00Z".parse().unwrap()));
        for text in [
            "",
            "h",
            "yesterday",
            "24",
            "-1h",
            "18446744073709551615h",
            "9999999999d",
            "9000-01-01T00:00:00Z",
        ] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
