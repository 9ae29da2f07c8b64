//! A report as CSV (RFC 4180).

use crate::node::report::{DecisionReport, ReportRow};
use pullgate_core::untrusted::sanitize;

const HEADER: &str = "verdict,reason,call,count,first,last,namespace,image,digest,rule\r\n";

pub(super) fn csv(report: &DecisionReport) -> String {
    let rows = report.rows.iter().map(row);
    std::iter::once(HEADER.to_owned()).chain(rows).collect()
}

fn row(row: &ReportRow) -> String {
    let text = |text: Option<&str>| cell(text.unwrap_or_default());
    let cells = [
        row.verdict.name().to_owned(),
        text(row.reason.as_deref()),
        row.call.name().to_owned(),
        row.count.to_string(),
        cell(&row.first),
        cell(&row.last),
        cell(&row.namespace),
        cell(&row.image),
        text(row.digest.as_deref()),
        cell(&row.rule),
    ];
    cells.join(",") + "\r\n"
}

/// Text in a cell. A spreadsheet takes what begins with one of four characters for a formula, so an apostrophe comes before
/// it (<https://owasp.org/www-community/attacks/CSV_Injection>); the tab and the line breaks that it also names are escaped.
fn cell(text: &str) -> String {
    let text = sanitize(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\'', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_cell_or_is_a_formula() {
        for (text, expected) in [
            ("", ""),
            ("r.io/app:1", "r.io/app:1"),
            ("namespace \"r.io\" (policy.toml:1)", "\"namespace \"\"r.io\"\" (policy.toml:1)\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("=HYPERLINK(\"https://x\")", "\"'=HYPERLINK(\"\"https://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("a\r\n=1", "a\\r\\n=1"),
            ("\t=1", "\\t=1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
