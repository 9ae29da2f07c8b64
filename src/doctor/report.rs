//! All findings together, and how they are shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Severity};
use pullgate_core::untrusted::sanitize;

/// The longest line that node-problem-detector shows (`max_output_length` of its custom plug-ins, by default), in bytes.
const NPD_LINE_BYTES: usize = 80;

/// The width of the first column of the text.
const LABEL: usize = 9;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Enforcing,
    NotEnforcing,
    /// Nothing speaks against it, but not everything could be determined.
    Undetermined,
}

/// What was found, the worst first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When, in RFC 3339.
    pub at: String,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

impl Report {
    #[must_use]
    pub fn new(now: Timestamp, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let verdict = match findings.first().map(|worst| worst.severity) {
            Some(Severity::Error) => Verdict::NotEnforcing,
            Some(Severity::Unknown) => Verdict::Undetermined,
            _ => Verdict::Enforcing,
        };
        Self { at: now.to_string(), verdict, findings }
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
    pub fn summary(&self) -> String {
        let answer = match self.verdict {
            Verdict::Enforcing => "this node enforces its policy",
            Verdict::NotEnforcing => "this node does NOT enforce its policy",
            Verdict::Undetermined => "whether this node enforces its policy cannot be determined",
        };
        let counted =
            [(Severity::Error, "error"), (Severity::Unknown, "unknown"), (Severity::Warning, "warning")]
                .into_iter()
                .filter_map(|(severity, noun)| match (self.count(severity), noun) {
                    (0, _) => None,
                    (count, "unknown") => Some(format!("{count} unknown")),
                    (1, _) => Some(format!("1 {noun}")),
                    (count, _) => Some(format!("{count} {noun}s")),
                });
        let counted: Vec<_> = counted.collect();
        if counted.is_empty() { answer.to_owned() } else { format!("{answer}: {}", counted.join(", ")) }
    }

    /// The text for a person: a block for each finding.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![self.summary()];
        for finding in &self.findings {
            let Finding { id, severity, meaning, evidence, advice } = finding;
            let name = match severity {
                Severity::Error => "ERROR",
                other => other.name(),
            };
            let mut row = |label: &str, text: &str| {
                lines.push(format!("{label:<LABEL$}{}", sanitize(text)).trim_end().to_owned());
            };
            if *severity == Severity::Ok {
                row(name, &format!("{id}: {evidence}"));
                continue;
            }
            row("", "");
            row(name, id);
            row("", meaning);
            row("  found", evidence);
            row("  do", advice);
        }
        lines.join("\n")
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

    fn report(diagnoses: &[Diagnosis]) -> Report {
        let findings = diagnoses.iter().map(|it| Finding::new(*it, "evidence\u{1b}[2J"));
        Report::new(Timestamp::UNIX_EPOCH, findings.collect())
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
    fn the_text_has_a_block_for_each_finding() {
        let text = report(&[Diagnosis::CanaryOk, Diagnosis::ReloadFailed, Diagnosis::DaemonDown]).text();
        let expected = "\
this node does NOT enforce its policy: 1 error, 1 warning

ERROR    daemon-down
         the daemon does not answer
  found  evidence\\u{1b}[2J
  do     run `systemctl enable --now pullgate`, and read `journalctl --unit=pullgate`

warning  reload-failed
         the last reload of the policy failed: the previous policy stays in force
  found  evidence\\u{1b}[2J
  do     run `pullgate policy check`, fix what it reports, then `systemctl reload pullgate`
ok       canary: evidence\\u{1b}[2J";
        assert_eq!(text, expected);
    }
}
