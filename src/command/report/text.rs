//! A report for a person.

use crate::node::report::{DecisionReport, ReportRow};
use crate::telemetry::decisions::Verdict;
use pullgate_cli::output::counted;
use pullgate_cli::terminal::{Page, Span};

const HEADINGS: [&str; 9] =
    ["COUNT", "REASON", "CALL", "NAMESPACE", "FIRST", "LAST", "DIGEST", "IMAGE", "RULE"];

/// The report; with the times of the first decisions, if `wide`.
pub(super) fn page(report: &DecisionReport, wide: bool) -> Page {
    let mut page = Page::new();
    page.line([format!("decisions on this node from {} to {}", report.since, report.until).into()]);
    let headings: Vec<_> = HEADINGS.into_iter().filter(|heading| wide || *heading != "FIRST").collect();
    for verdict in Verdict::ALL {
        let mut rows = report.rows.iter().filter(|row| row.verdict == verdict).peekable();
        if rows.peek().is_none() {
            continue;
        }
        page.line([]);
        page.line([name(verdict), format!(": {}", meaning(verdict)).into()]);
        page.table(&headings, rows.map(|row| cells(row, wide)));
    }
    page.line([]);
    let counts = Verdict::ALL.map(|verdict| (report.count(verdict), verdict.name()));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    page.line([if counts.is_empty() { "no decisions".into() } else { counts.join(", ").into() }]);
    for note in notes(report) {
        page.line([Span::warning(MISSING), format!(": {note}").into()]);
    }
    page
}

/// How each note begins.
pub(super) const MISSING: &str = "missing";

/// What is missing in the report.
pub(super) fn notes(report: &DecisionReport) -> Vec<String> {
    let DecisionReport { evicted, last_evicted, dropped, last_dropped, rows_left_out, .. } = report;
    let decisions = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "decision");
    let mut notes = Vec::new();
    if report.from_file {
        notes.push(
            "what was decided after the daemon wrote the file; start the daemon, or read the report while it runs"
                .to_owned(),
        );
    }
    if report.begins_later {
        notes.push(format!("what was decided before {}, when the record began", report.since));
    }
    if let Some(last) = last_evicted {
        notes.push(format!(
            "{} up to {last}, because the record was full; set a larger `max-rows` in [report]",
            decisions(*evicted)
        ));
    }
    if let Some(last) = last_dropped {
        notes.push(format!(
            "{} up to {last}, because there were too many different ones at a time",
            decisions(*dropped)
        ));
    }
    if *rows_left_out > 0 {
        let rows = counted(*rows_left_out, "row");
        notes.push(format!(
            "{rows} at the end, because the report is too large; select fewer with the options"
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

fn name(verdict: Verdict) -> Span {
    match verdict {
        Verdict::Refused => Span::bad(verdict.name()),
        Verdict::Admitted => Span::good(verdict.name()),
        Verdict::WouldRefuse | Verdict::WouldWithhold | Verdict::Withheld | Verdict::Undecided => {
            Span::warning(verdict.name())
        }
    }
}

fn cells(row: &ReportRow, wide: bool) -> Vec<Span> {
    let text = |text: &str| Span::plain(if text.is_empty() { "-" } else { text });
    let reason = text(row.reason.as_deref().unwrap_or_default());
    let before = [Span::number(row.count), reason, text(row.call.name()), text(&row.namespace)];
    let first = wide.then(|| text(&row.first));
    let digest = row.digest.as_deref().map_or_else(|| text(""), Span::id);
    let after = [text(&row.last), digest, text(&row.image), text(&row.rule)];
    before.into_iter().chain(first).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::decisions::Call;
    use pullgate_cli::terminal::Look;

    fn report() -> DecisionReport {
        let digest = format!("sha256:{}", "5b3c0c6e2f1a7d90".repeat(4));
        let row = |verdict, reason: &str, count, image: &str| ReportRow {
            verdict,
            reason: Some(reason.to_owned()),
            call: Call::Pull,
            count,
            first: "2026-11-24T08:00:00Z".to_owned(),
            last: "2026-11-30T19:58:01Z".to_owned(),
            namespace: "shop".to_owned(),
            image: format!("registry.example.com/{image}"),
            digest: Some(digest.clone()),
            rule: "namespace \"registry.example.com/shop\" (policy.toml:9)".to_owned(),
        };
        let unknown = ReportRow {
            reason: None,
            digest: None,
            rule: String::new(),
            namespace: String::new(),
            ..row(Verdict::Undecided, "", 1, "a\u{1b}[2Jb")
        };
        let rows = vec![
            row(Verdict::WouldRefuse, "no-signature", 12, "shop/web:1.4"),
            row(Verdict::WouldRefuse, "no-signature", 3, "shop/api:2.0"),
            unknown,
            row(Verdict::Admitted, "verified", 31, "shop/db:7"),
        ];
        DecisionReport {
            since: "2026-11-23T20:10:00Z".to_owned(),
            until: "2026-11-30T20:10:00Z".to_owned(),
            incomplete: true,
            begins_later: true,
            from_file: false,
            evicted: 1,
            last_evicted: Some("2026-11-25T00:00:00Z".to_owned()),
            dropped: 0,
            last_dropped: None,
            unknown_rule: false,
            unknown_namespace: false,
            rows_left_out: 0,
            rows,
        }
    }

    #[test]
    fn the_text_fits_the_terminal_unless_somebody_wants_everything() {
        let narrow = Look { width: Some(80), ..Look::default() };
        insta::assert_snapshot!("columns_80", page(&report(), false).text(narrow));
        insta::assert_snapshot!(
            "columns_120",
            page(&report(), false).text(Look { width: Some(120), ..narrow })
        );
        insta::assert_snapshot!("wide", page(&report(), true).text(Look { wide: true, ..Look::default() }));
    }
}
