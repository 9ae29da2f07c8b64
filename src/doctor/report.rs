//! All findings together, and how they are shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Severity};
use crate::telemetry::whole_second;
use pullgate_cli::output::counted;
use pullgate_cli::terminal::{Page, Span};

/// The longest line that node-problem-detector shows (`max_output_length` of its custom plug-ins, by default), in bytes.
const NPD_LINE_BYTES: usize = 80;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Enforcing,
    NotEnforcing,
    /// Nothing speaks against it, but not everything could be determined.
    Undetermined,
}

/// What was examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// The whole node, by `pullgate doctor`.
    Node,
    /// What the daemon sees from within its sandbox, once after its start.
    Daemon,
}

/// What was found, the worst first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When, in RFC 3339.
    pub at: String,
    pub examined: Extent,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

impl Report {
    #[must_use]
    pub fn new(now: Timestamp, examined: Extent, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let verdict = match findings.first().map(|worst| worst.severity) {
            Some(Severity::Error) => Verdict::NotEnforcing,
            Some(Severity::Unknown) => Verdict::Undetermined,
            _ => Verdict::Enforcing,
        };
        Self { at: whole_second(now).to_string(), examined, verdict, findings }
    }

    /// The number of findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The codes of the findings of a severity.
    pub fn codes(&self, severity: Severity) -> impl Iterator<Item = &str> {
        self.findings.iter().filter(move |it| it.severity == severity).map(|finding| finding.id.as_str())
    }

    /// The first line of the text.
    #[must_use]
    pub fn summary(&self) -> Span {
        let text = self.summary_text();
        match self.verdict {
            Verdict::Enforcing => Span::good(&text),
            Verdict::NotEnforcing => Span::bad(&text),
            Verdict::Undetermined => Span::warning(&text),
        }
    }

    fn summary_text(&self) -> String {
        let answer = match self.verdict {
            Verdict::Enforcing => "this node enforces its policy",
            Verdict::NotEnforcing => "this node does NOT enforce its policy",
            Verdict::Undetermined => "whether this node enforces its policy cannot be determined",
        };
        let [errors, unknown, warnings] =
            [Severity::Error, Severity::Unknown, Severity::Warning].map(|severity| self.count(severity));
        let counts = [
            (errors, counted(errors, "error")),
            (unknown, format!("{unknown} unknown")),
            (warnings, counted(warnings, "warning")),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(_, text)| text).collect();
        if counts.is_empty() { answer.to_owned() } else { format!("{answer}: {}", counts.join(", ")) }
    }

    /// The text for a person: a block for each finding, and a row for each that is as it should be.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        page.line([self.summary()]);
        let (good, others): (Vec<_>, Vec<_>) =
            self.findings.iter().partition(|it| it.severity == Severity::Ok);
        for Finding { id, severity, meaning, evidence, advice } in others {
            let name = match severity {
                Severity::Error => Span::bad("ERROR"),
                Severity::Unknown | Severity::Warning => Span::warning(severity.name()),
                Severity::Note | Severity::Ok => Span::plain(severity.name()),
            };
            page.line([]);
            page.line([name, " ".into(), Span::strong(id), format!(": {meaning}").into()]);
            page.row("found", [evidence.as_str().into()]);
            page.row("do", [advice.as_str().into()]);
        }
        if !good.is_empty() {
            page.line([]);
            page.line([Span::good("ok")]);
        }
        for Finding { id, evidence, .. } in good {
            page.row(id, [evidence.as_str().into()]);
        }
        page
    }

    /// One line for node-problem-detector, which cuts it where a character may be.
    #[must_use]
    pub fn npd_line(&self) -> String {
        let (answer, severity) = match self.verdict {
            Verdict::Enforcing => return "enforcing".to_owned(),
            Verdict::NotEnforcing => ("not enforcing", Severity::Error),
            Verdict::Undetermined => ("undetermined", Severity::Unknown),
        };
        let mut line = answer.to_owned();
        for (code, separator) in
            self.codes(severity).zip(std::iter::once(": ").chain(std::iter::repeat(", ")))
        {
            if line.len() + separator.len() + code.len() > NPD_LINE_BYTES {
                break;
            }
            line.push_str(separator);
            line.push_str(code);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Diagnosis;
    use pullgate_cli::terminal::Look;

    fn report(diagnoses: &[Diagnosis]) -> Report {
        let findings = diagnoses.iter().map(|it| Finding::new(*it, "evidence\u{1b}[2J\n  more of it\n"));
        Report::new(Timestamp::UNIX_EPOCH, Extent::Node, findings.collect())
    }

    #[test]
    fn the_worst_finding_decides() {
        use Diagnosis as D;
        for (diagnoses, verdict, line) in [
            (&[][..], Verdict::Enforcing, "enforcing"),
            (&[D::KubeletOk, D::CrictlAround, D::AuditRules], Verdict::Enforcing, "enforcing"),
            (&[D::KubeletUnknown, D::AuditRules], Verdict::Undetermined, "undetermined: kubelet-unknown"),
            (
                &[D::KubeletUnknown, D::CanaryAdmitted, D::DaemonDown],
                Verdict::NotEnforcing,
                "not enforcing: canary-admitted, daemon-down",
            ),
        ] {
            let report = report(diagnoses);
            assert_eq!((report.verdict, report.npd_line().as_str()), (verdict, line), "{diagnoses:?}");
        }
        let all = report(Diagnosis::ALL);
        let line = all.npd_line();
        assert!(
            line.len() <= NPD_LINE_BYTES && line.starts_with("not enforcing: image-endpoint, "),
            "{line}"
        );
        let order: Vec<_> = all.findings.iter().map(|finding| finding.severity).collect();
        assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
    }

    #[test]
    fn the_text_has_a_block_for_each_finding_and_fits_the_terminal() {
        let report = report(&[Diagnosis::CanaryOk, Diagnosis::ReloadFailed, Diagnosis::DaemonDown]);
        let look = Look { width: Some(80), ..Look::default() };
        insta::assert_snapshot!("columns_80", report.page().text(look));
        insta::assert_snapshot!("wide", report.page().text(Look { wide: true, ..Look::default() }));
    }

    #[test]
    fn digests_are_short_unless_somebody_wants_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let report = Report::new(
            Timestamp::UNIX_EPOCH,
            Extent::Node,
            vec![Finding::new(Diagnosis::NotReloaded, &digest)],
        );
        let text = |wide| report.page().text(Look { wide, ..Look::default() });
        assert!(text(false).contains("found  sha256:000000000000…\n"), "{}", text(false));
        assert!(text(true).contains(&format!("found  {digest}\n")), "{}", text(true));
    }
}
