//! A report for a person.

use crate::node::report::{DecisionReport, ReportRow};
use crate::telemetry::decisions::Verdict;
use pullgate_cli::output::counted;
use pullgate_core::untrusted::sanitize;

/// How many digits of a digest are shown, as container tools do.
const SHORT_DIGEST: usize = 12;

pub(super) fn text(report: &DecisionReport, wide: bool) -> String {
    let mut lines = vec![format!("decisions on this node from {} to {}", report.since, report.until)];
    let rows: Vec<_> = report.rows.iter().map(|row| (row.verdict, cells(row, wide))).collect();
    let titles = titles(wide);
    let widths = widths(&titles, rows.iter().map(|(_, cells)| cells));
    for verdict in Verdict::ALL {
        let mut of_verdict = rows.iter().filter(|(it, _)| *it == verdict).peekable();
        if of_verdict.peek().is_none() {
            continue;
        }
        lines.push(String::new());
        lines.push(format!("{}: {}", verdict.name(), meaning(verdict)));
        lines.push(aligned(&titles, &widths));
        lines.extend(of_verdict.map(|(_, cells)| aligned(cells, &widths)));
    }
    lines.push(String::new());
    let counts = Verdict::ALL.map(|verdict| (report.count(verdict), verdict.name()));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    lines.push(if counts.is_empty() { "no decisions".to_owned() } else { counts.join(", ") });
    lines.extend(notes(report));
    lines.join("\n") + "\n"
}

/// What is missing in the report.
pub(super) fn notes(report: &DecisionReport) -> Vec<String> {
    let DecisionReport { evicted, last_evicted, dropped, last_dropped, rows_left_out, .. } = report;
    let decisions = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "decision");
    let mut notes = Vec::new();
    if report.from_file {
        notes.push(
            "missing: what was decided after the daemon wrote the file; start the daemon, or read the report while it runs"
                .to_owned(),
        );
    }
    if report.begins_later {
        notes.push(format!("missing: what was decided before {}, when the record began", report.since));
    }
    if let Some(last) = last_evicted {
        notes.push(format!(
            "missing: {} up to {last}, because the record was full; set a larger `max-rows` in [report]",
            decisions(*evicted)
        ));
    }
    if let Some(last) = last_dropped {
        notes.push(format!(
            "missing: {} up to {last}, because there were too many different ones at a time",
            decisions(*dropped)
        ));
    }
    if *rows_left_out > 0 {
        let rows = counted(*rows_left_out, "row");
        notes.push(format!(
            "missing: {rows} at the end, because the report is too large; select fewer with the options"
        ));
    }
    notes
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::WouldRefuse => "let through in audit mode; refused in enforce mode",
        Verdict::WouldWithhold => {
            "on the node and let through in audit mode; in enforce mode kubelet pulls it again, and the pull decides"
        }
        Verdict::Refused => "not pulled, or not started",
        Verdict::Withheld => "on the node but not admitted; kubelet pulled it again, and the pull decided",
        Verdict::Undecided => "the image does not exist, or the caller did not wait",
        Verdict::Admitted => "pulled or started; first what has no valid signatures",
    }
}

fn titles(wide: bool) -> Vec<String> {
    let titles = ["COUNT", "REASON", "CALL", "NAMESPACE", "FIRST", "LAST", "DIGEST", "IMAGE", "RULE"];
    titles.into_iter().filter(|title| wide || *title != "FIRST").map(ToOwned::to_owned).collect()
}

fn cells(row: &ReportRow, wide: bool) -> Vec<String> {
    let digest = row.digest.as_deref().unwrap_or("-");
    let digest = if wide { digest.to_owned() } else { shortened(digest) };
    let first = wide.then(|| row.first.clone());
    let before = [
        row.count.to_string(),
        row.reason.clone().unwrap_or_default(),
        row.call.name().to_owned(),
        row.namespace.clone(),
    ];
    let after = [row.last.clone(), digest, row.image.clone(), row.rule.clone()];
    let cells = before.into_iter().chain(first).chain(after);
    // Names are untrusted and must not reach the terminal as control sequences.
    cells.map(|text| if text.is_empty() { "-".to_owned() } else { sanitize(&text) }).collect()
}

fn shortened(digest: &str) -> String {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.chars().take(SHORT_DIGEST).collect()
}

fn widths<'a>(titles: &[String], rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for cells in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// The cells of a line; the first, a number, ends where its column does.
fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
        line += &if at == 0 { format!("{pad}{cell}") } else { format!("  {cell}{pad}") };
    }
    line.trim_end().to_owned()
}
