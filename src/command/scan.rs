//! `pullgate scan`: everything on this node, against the policy.
//!
//! The daemon that runs is asked, because it has evidence for what it admitted. Where it does not answer this program looks
//! by itself, with the evidence that the daemon has left on the disk.

use std::path::Path;
use std::time::Duration;

use super::daemon::Daemon;
use super::decider::Decider;
use super::login::Login;
use super::{Outcome, output};
use crate::config;
use crate::containerd::Upstream;
use crate::node::control::{Answer, AskError, Question};
use crate::node::scan::{self, Finding, Report, Verdict};
use crate::telemetry::chain;
use crate::telemetry::log;

/// How long the daemon may take: where registries are gone, each image without evidence takes a while.
const PATIENCE: Duration = Duration::from_secs(16 * 60);

/// Arguments of `pullgate scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    /// How to show what was found; json is one object
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    daemon: Daemon,
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
        match self.look(root) {
            Ok(report) => {
                match self.output {
                    Format::Table => output::line(&table(&report)),
                    Format::Json => output::line(&serde_json::to_string(&report).unwrap_or_default()),
                }
                outcome(&report)
            }
            Err(outcome) => outcome,
        }
    }

    fn look(&self, root: &Path) -> Result<Report, Outcome> {
        let config = config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(|problems| {
            output::note(&problems.to_string());
            Outcome::Usage
        })?;
        let credentials = self.login.credentials().map_err(|error| {
            output::error(&error);
            Outcome::Usage
        })?;
        // The daemon is told no credentials: who brings some is served here.
        if !self.login.is_given() {
            let note = |error: &AskError| output::note(&format!("daemon: {}", chain(error)));
            match self.daemon.ask(&config.control.socket, &Question::Scan, PATIENCE, note) {
                Ok(Some(Answer::Scan(report))) => return Ok(report),
                Ok(Some(Answer::Failed(why))) => {
                    output::note(&format!("error: {why}"));
                    return Err(Outcome::Unknown);
                }
                Ok(Some(_)) => {
                    output::note("error: the daemon answers another question");
                    return Err(Outcome::Unknown);
                }
                Ok(None) => {}
                Err(error) => {
                    output::error(&error);
                    return Err(Outcome::Unknown);
                }
            }
        }
        let decider = Decider::open_with_evidence(root).map_err(|error| {
            output::error(&error);
            error.outcome()
        })?;
        let upstream = Upstream::new(&config.runtime.socket);
        decider.runtime.block_on(scan::scan(&upstream, &decider.gate, &credentials)).map_err(|error| {
            output::error(&error);
            Outcome::Unknown
        })
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
