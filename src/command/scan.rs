//! `pullgate scan`: checks everything on this node against the policy.
//!
//! The running daemon is queried first, because it has the evidence for what it admitted. If it does not answer, this
//! process scans, with the evidence in the daemon's ledger on disk.

use std::path::Path;
use std::time::Duration;

use super::daemon::Daemon;
use super::local_gate::LocalGate;
use crate::config;
use crate::node;
use crate::node::control::{AskError, ControlReply, ControlRequest};
use crate::node::scan::{self, Finding, Report, Verdict};
use crate::telemetry::log;
use pullgate_cli::LoginArgs;
use pullgate_cli::terminal::{Page, Progress, ReportOptions, Span};
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::error_chain;

/// Timeout of the daemon. While a registry is down, each image without evidence takes until its timeout.
const TIMEOUT: Duration = Duration::from_secs(16 * 60);

/// Arguments of `pullgate scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    #[command(flatten)]
    output: ReportOptions,
    #[command(flatten)]
    daemon: Daemon,
    #[command(flatten)]
    login: LoginArgs,
}

impl Scan {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::ERROR);
        match self.scan(root) {
            Ok(report) => {
                self.output.show(&report, page);
                outcome(&report)
            }
            Err(outcome) => outcome,
        }
    }

    fn scan(&self, root: &Path) -> Result<Report, Outcome> {
        let config = config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(|problems| {
            output::note(&problems.to_string());
            Outcome::Usage
        })?;
        let credentials = self.login.credentials().map_err(|error| {
            output::error(&error);
            Outcome::Usage
        })?;
        // Credentials are not sent to the daemon: a scan with credentials runs in this process.
        if !self.login.is_given() {
            let mut failure = None;
            let note = |error: &AskError| failure = Some(format!("daemon: {}", error_chain(error)));
            let progress = Progress::start("scanning");
            let reply = self.daemon.ask(&config.control.socket, &ControlRequest::Scan, TIMEOUT, note);
            drop(progress);
            failure.iter().for_each(|failure| output::note(failure));
            match reply {
                Ok(Some(ControlReply::Scan(report))) => return Ok(report),
                Ok(Some(ControlReply::Failed(why))) => {
                    output::note(&format!("error: {why}"));
                    return Err(Outcome::Undetermined);
                }
                Ok(Some(_)) => {
                    output::note("error: unexpected reply type from the daemon");
                    return Err(Outcome::Undetermined);
                }
                Ok(None) => {}
                Err(error) => {
                    output::error(&error);
                    return Err(Outcome::Undetermined);
                }
            }
        }
        let local = LocalGate::open_with_evidence(root).map_err(|error| {
            output::error(&error);
            error.outcome()
        })?;
        let upstream = node::upstream(&config);
        let progress = Progress::start("scanning");
        let report = local.runtime.block_on(scan::scan(&upstream, &local.gate, &credentials));
        drop(progress);
        report.map_err(|error| {
            output::error(&error);
            Outcome::Undetermined
        })
    }
}

fn outcome(report: &Report) -> Outcome {
    if report.count(Verdict::Refused) > 0 {
        Outcome::Refused
    } else if report.count(Verdict::Unknown) > 0 {
        Outcome::Undetermined
    } else {
        Outcome::Success
    }
}

fn page(report: &Report) -> Page {
    let row = |kind: &str, finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Admitted => Span::good("admitted"),
            Verdict::Refused => Span::bad("REFUSED"),
            Verdict::Unknown => Span::warning("unknown"),
        };
        let pod = finding.pod.as_deref().unwrap_or("-");
        let (reason, name) = (Span::plain(&finding.reason), Span::plain(&finding.name));
        vec![verdict, reason, kind.into(), Span::id(&finding.id), pod.into(), name]
    };
    let images = report.images.iter().map(|finding| row("image", finding));
    let rows = images.chain(report.containers.iter().map(|finding| row("container", finding)));
    let mut page = Page::new();
    page.table(&["VERDICT", "REASON", "KIND", "ID", "POD", "NAME"], rows);
    let [admitted, refused, unknown] =
        [Verdict::Admitted, Verdict::Refused, Verdict::Unknown].map(|verdict| report.count(verdict));
    page.line([format!("{admitted} admitted, {refused} refused, {unknown} unknown").into()]);
    page
}
