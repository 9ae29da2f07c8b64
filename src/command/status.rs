//! `pullgate status`: the status of the running daemon.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::daemon;
use crate::config;
use crate::cri::SandboxImage;
use crate::node::control::{ControlReply, ControlRequest, Status as DaemonStatus};
use crate::telemetry::log;
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;

/// Timeout of the daemon, which itself waits two seconds for the runtime and for the disk.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `pullgate status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 healthy, 1 something needs attention, 2 usage or configuration error, 3 the daemon does not answer.")]
pub(super) struct Status {
    #[command(flatten)]
    output: OutputOption,
}

impl Status {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        let config = match config::load_daemon(&root.join(config::DAEMON_FILE)) {
            Ok(config) => config,
            Err(problems) => {
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        let status = match daemon::ask(&config.control.socket, &ControlRequest::Status, TIMEOUT) {
            Ok(ControlReply::Status(status)) => status,
            Ok(_) => {
                output::note("error: unexpected reply type from the daemon");
                return Outcome::Undetermined;
            }
            Err(error) => {
                output::error(&error);
                return Outcome::Undetermined;
            }
        };
        let attention = status.attention();
        let outcome = if attention.is_empty() { Outcome::Success } else { Outcome::Refused };
        let report = Report { attention: &attention, status: &status };
        self.output.show(&report, |report| text(report.status, report.attention));
        outcome
    }
}

#[derive(Serialize)]
struct Report<'a> {
    /// Conditions that need attention.
    attention: &'a [String],
    #[serde(flatten)]
    status: &'a DaemonStatus,
}

fn text(status: &DaemonStatus, attention: &[String]) -> String {
    let mut lines = Vec::new();
    // Much of this comes from files and other programs and must not reach the terminal as control sequences.
    let mut row = |label: &str, text: String| lines.push(format!("{label:<14} {}", sanitize(&text)));
    let DaemonStatus {
        version,
        pid,
        started,
        policy,
        runtime,
        image_service,
        gates,
        ledger,
        counters,
        connections,
        ..
    } = status;
    row("pullgate", format!("{version}, process {pid}, since {started}"));
    match &policy.hash {
        Some(hash) => {
            let loaded = policy.loaded.as_deref().unwrap_or("-");
            row("policy", format!("generation {} ({hash}) since {loaded}", policy.generation));
        }
        None => row("policy", "MISSING: every pull is refused".to_owned()),
    }
    if let Some(failure) = &policy.failure {
        row("", format!("LOADING FAILED at {}", failure.at));
        for problem in &failure.problems {
            row("", format!("  {problem}"));
        }
    }
    match (&runtime.version, &runtime.problem) {
        (Some(version), _) => row("runtime", format!("{version} at {}", runtime.socket)),
        (None, problem) => {
            let problem = problem.as_deref().unwrap_or("no reason given");
            row("runtime", format!("NO ANSWER at {}: {problem}", runtime.socket));
        }
    }
    match image_service.as_ref().map(|service| (&service.socket, &service.problem)) {
        Some((socket, None)) => row("image service", format!("at {socket}")),
        Some((socket, Some(problem))) => row("image service", format!("NO ANSWER at {socket}: {problem}")),
        None => {}
    }
    let switch = |on: bool| if on { "on" } else { "OFF" };
    row("image status", switch(gates.image_status).to_owned());
    row("checkpoints", if gates.checkpoints { "refused" } else { "ALLOWED" }.to_owned());
    row("unknown methods", if gates.unknown_methods { "refused" } else { "FORWARDED" }.to_owned());
    row("guest pulls", if gates.pin_user_specified_image { "pinned" } else { "not pinned" }.to_owned());
    let count = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    row(
        "ledger",
        format!(
            "{} of {} entries, {} of {} bytes in {}",
            count(ledger.entries),
            ledger.max_entries,
            count(ledger.bytes),
            ledger.max_bytes,
            ledger.directory
        ),
    );
    if let Some(problem) = &ledger.problem {
        row("", format!("IN MEMORY ONLY ({} entries): {problem}", ledger.in_memory));
    }
    row(
        "calls",
        format!(
            "{} forwarded, {} pulls admitted, {} pulls refused, {} images withheld, {} containers refused, {} calls outside the CRI refused, {} unknown methods refused",
            counters.passed,
            counters.admitted,
            counters.refused,
            counters.withheld,
            counters.containers_refused,
            counters.unimplemented,
            counters.unknown_methods
        ),
    );
    row(
        "connections",
        format!(
            "{} of {} open, {} closed while idle, {} refused",
            connections.open, connections.limit, connections.closed_idle, connections.refused
        ),
    );
    match &status.sandbox_image {
        Some(SandboxImage::Admitted { name }) => row("sandbox image", format!("{name} is admitted")),
        Some(SandboxImage::Refused { name, line, .. }) => {
            row("sandbox image", format!("{name} IS NOT ADMITTED: {line}"));
        }
        Some(SandboxImage::NotReported) => row("sandbox image", "not reported by the runtime".to_owned()),
        None => row("sandbox image", "not checked yet".to_owned()),
    }
    match &status.last_scan {
        Some(scan) => {
            let counts =
                format!("{} admitted, {} refused, {} unknown", scan.admitted, scan.refused, scan.unknown);
            row("last scan", format!("{counts} at {}", scan.at));
        }
        None => row("last scan", "never".to_owned()),
    }
    if let Some(report) = &status.doctor {
        row("doctor", format!("{}, at {}", report.summary(), report.at));
    }
    for root in &status.trust_roots {
        let names = root.authenticators.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let until = match (&root.end, &root.what) {
            (Some(end), Some(what)) => format!("until {end}, when its last {what} expires"),
            _ => "without a known end".to_owned(),
        };
        row("trust root", format!("{} of {names}: covers signatures {until}", root.file));
        if let Some(refresh) = &root.refresh {
            let succeeded = refresh.succeeded.as_deref().unwrap_or("never");
            let problem = refresh.problem.as_deref().map(|why| format!("; the last attempt failed: {why}"));
            row("", format!("  last successful refresh: {succeeded}{}", problem.unwrap_or_default()));
        }
    }
    for exception in &status.break_glass.exceptions {
        row("BREAK-GLASS", format!("{} until {}: {}", exception.what, exception.until, exception.reason));
    }
    for problem in &status.break_glass.problems {
        row("break-glass", format!("invalid: {problem}"));
    }
    for found in attention {
        row("attention", found.clone());
    }
    lines.join("\n")
}
