//! `pullgate doctor`: whether this node enforces its policy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::daemon;
use crate::doctor::{Report, Verdict};
use crate::node::control::ControlRequest;
use crate::node::doctor::Examined;
use crate::node_install::{Host, Ran, RealHost};
use crate::telemetry::log;
use pullgate_cli::terminal::{Progress, ReportOptions};
use pullgate_cli::{Outcome, output};

/// How long the daemon may take to record the result.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Arguments of `pullgate doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Asks, through kubelet's socket, for an image that does not exist and that the policy must refuse; \
                  nothing is pulled. docs/doctor.md describes each finding.

Exit codes: 0 the node enforces its policy, \
                  perhaps with warnings, 1 the node does not enforce its policy, 2 usage, configuration or output error, 3 \
                  undetermined. With --npd: 0 the node enforces its policy, 1 the node does not, 2 undetermined."
)]
pub(super) struct Doctor {
    #[command(flatten)]
    output: ReportOptions,
    /// Print one line for node-problem-detector, and exit with the codes of its custom plugins
    #[arg(long, conflicts_with_all = ["format", "wide"])]
    npd: bool,
    /// Directory where the root of the node is mounted, in a pod with the processes and the network of the node
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
}

impl Doctor {
    pub(super) fn run(self, config: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::ERROR);
        let report = match self.examine(config) {
            Ok(report) => report,
            Err(outcome) => {
                if self.npd {
                    output::line("undetermined: pullgate doctor failed");
                    return Outcome::Usage;
                }
                return outcome;
            }
        };
        if self.npd {
            output::line(&report.npd_line());
        } else {
            self.output.show(&report, Report::page);
        }
        match (report.verdict, self.npd) {
            (Verdict::Enforcing, _) => Outcome::Success,
            (Verdict::NotEnforcing, _) => Outcome::Refused,
            (Verdict::Undetermined, false) => Outcome::Undetermined,
            // Anything but 0 and 1 is unknown (node-problem-detector pkg/custompluginmonitor/plugin/plugin.go).
            (Verdict::Undetermined, true) => Outcome::Usage,
        }
    }

    fn examine(&self, config: &Path) -> Result<Report, Outcome> {
        if !nix::unistd::geteuid().is_root() {
            output::note(
                "error: only root can see the processes and sockets of the node: run `pullgate doctor` as root",
            );
            return Err(Outcome::Undetermined);
        }
        if let Some(root) = self.root.as_ref().filter(|root| !root.is_dir()) {
            output::note(&format!("error: {} is not a directory", root.display()));
            return Err(Outcome::Usage);
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                output::error(&error);
                Outcome::Undetermined
            })?;
        let host = Limited(RealHost { enter: self.root.is_some() });
        let node = Examined {
            host: &host,
            root: self.root.clone().unwrap_or_else(|| PathBuf::from("/")),
            proc: PathBuf::from("/proc"),
            config: std::path::absolute(config).unwrap_or_else(|_| config.to_owned()),
        };
        let progress = Progress::start("examining this node");
        let examined = runtime.block_on(node.examine());
        drop(progress);
        let (report, settings) = examined.map_err(|problems| {
            output::note(&problems.to_string());
            Outcome::Usage
        })?;
        if self.root.is_none() {
            // Without a daemon, the report says so.
            let request = ControlRequest::Doctor(report.clone());
            let _ = daemon::ask(&settings.control.socket, &request, RECORD_TIMEOUT);
        }
        Ok(report)
    }
}

/// Programs that end after some seconds, whatever they wait for.
struct Limited(RealHost);

impl Host for Limited {
    fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Ran> {
        let words: Vec<&str> =
            ["-k", "1", "5", program].into_iter().chain(arguments.iter().copied()).collect();
        self.0.run("timeout", &words)
    }
}
