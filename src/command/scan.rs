//! `pullgate scan`: everything on this node, against the policy.

use std::path::Path;

use super::decider::Decider;
use super::login::Login;
use super::{Outcome, output};
use crate::containerd::Upstream;
use crate::node::scan::{self, Finding, Report, Verdict};
use crate::telemetry::log;

/// Arguments of `pullgate scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    /// How to show what was found; json is one object
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    login: Login,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Scan {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::ERROR);
        let decider = match Decider::open(root) {
            Ok(decider) => decider,
            Err(error) => {
                output::error(&error);
                return error.outcome();
            }
        };
        let credentials = match self.login.credentials() {
            Ok(credentials) => credentials,
            Err(error) => {
                output::error(&error);
                return Outcome::Usage;
            }
        };
        let upstream = Upstream::new(&decider.config.runtime.socket);
        match decider.runtime.block_on(scan::scan(&upstream, &decider.gate, &credentials)) {
            Ok(report) => {
                match self.output {
                    Format::Table => output::line(&table(&report)),
                    Format::Json => output::line(&serde_json::to_string(&report).unwrap_or_default()),
                }
                outcome(&report)
            }
            Err(error) => {
                output::error(&error);
                Outcome::Unknown
            }
        }
    }
}

fn outcome(report: &Report) -> Outcome {
    if report.count(Verdict::Refused) > 0 {
        Outcome::Refused
    } else if report.count(Verdict::Unknown) > 0 {
        Outcome::Unknown
    } else {
        Outcome::Fine
    }
}

fn table(report: &Report) -> String {
    let row = |kind: &str, finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Admitted => "admitted",
            Verdict::Refused => "REFUSED",
            Verdict::Unknown => "unknown",
        };
        let id = finding.id.strip_prefix("sha256:").unwrap_or(&finding.id);
        let id: String = id.chars().take(12).collect();
        // Names come from outside: none of them may move the cursor of a terminal.
        let name: String = finding.name.chars().flat_map(char::escape_debug).collect();
        let pod: String =
            finding.pod.as_deref().unwrap_or("-").chars().flat_map(char::escape_debug).collect();
        format!("{verdict:<9} {:<22} {kind:<9} {id:<12} {pod:<24} {name}", finding.reason)
    };
    let mut lines =
        vec![format!("{:<9} {:<22} {:<9} {:<12} {:<24} NAME", "VERDICT", "REASON", "KIND", "ID", "POD")];
    lines.extend(report.images.iter().map(|finding| row("image", finding)));
    lines.extend(report.containers.iter().map(|finding| row("container", finding)));
    let [admitted, refused, unknown] =
        [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
    lines.push(format!("{admitted} admitted, {refused} refused, {unknown} unknown"));
    lines.join("\n")
}
