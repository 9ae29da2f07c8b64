//! `pullgate status`: the status of the running daemon.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::daemon;
use crate::config;
use crate::cri::SandboxImage;
use crate::doctor::Extent;
use crate::node::control::{ControlReply, ControlRequest, Status as DaemonStatus};
use crate::telemetry::log;
use pullgate_cli::output::counted;
use pullgate_cli::terminal::{Page, Progress, ReportOptions, Span};
use pullgate_cli::{Outcome, output};
use pullgate_config::duration::show_duration;

/// Timeout of the daemon, which itself waits two seconds for the runtime and for the disk.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `pullgate status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 healthy, 1 something needs attention, 2 usage or configuration error, 3 the daemon does not answer.")]
pub(super) struct Status {
    #[command(flatten)]
    output: ReportOptions,
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
        let progress = Progress::start("waiting for the daemon");
        let reply = daemon::ask(&config.control.socket, &ControlRequest::Status, TIMEOUT);
        drop(progress);
        let status = match reply {
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
        self.output.show(&report, |report| page(report.status, report.attention));
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

fn page(status: &DaemonStatus, attention: &[String]) -> Page {
    let mut page = Page::new();
    let DaemonStatus { version, pid, started, policy, runtime, image_service, gates, ledger, .. } = status;
    page.line([Span::strong("pullgate"), format!(" {version}, process {pid}, since {started}").into()]);
    match &policy.hash {
        Some(hash) => {
            let loaded = policy.loaded.as_deref().unwrap_or("-");
            page.row("policy", [format!("generation {} ({hash}) since {loaded}", policy.generation).into()]);
        }
        None => page.row("policy", [Span::bad("MISSING"), ": every pull is refused".into()]),
    }
    if let Some(failure) = &policy.failure {
        page.row("", [Span::bad("LOADING FAILED"), format!(" at {}", failure.at).into()]);
        for line in failure.problems.iter().flat_map(|problem| problem.lines()) {
            page.row("", [format!("  {line}").into()]);
        }
    }
    add_followed(&mut page, status);
    match (&runtime.version, &runtime.problem) {
        (Some(version), _) => page.row("runtime", [format!("{version} at {}", runtime.socket).into()]),
        (None, problem) => {
            let problem = problem.as_deref().unwrap_or("no reason given");
            page.row("runtime", no_answer(&runtime.socket, problem));
        }
    }
    match image_service.as_ref().map(|service| (&service.socket, &service.problem)) {
        Some((socket, None)) => page.row("image service", [format!("at {socket}").into()]),
        Some((socket, Some(problem))) => page.row("image service", no_answer(socket, problem)),
        None => {}
    }
    let mut switch = |label: &str, is_safe: bool, [safe, open]: [&str; 2]| {
        page.row(label, [if is_safe { safe.into() } else { Span::warning(open) }]);
    };
    switch("image status", gates.image_status, ["on", "OFF"]);
    switch("checkpoints", gates.checkpoints, ["refused", "ALLOWED"]);
    switch("unknown methods", gates.unknown_methods, ["refused", "FORWARDED"]);
    let guest_pulls = if gates.pin_user_specified_image { "pinned" } else { "not pinned" };
    page.row("guest pulls", [guest_pulls.into()]);
    let count = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let [entries, bytes] = [count(ledger.entries), count(ledger.bytes)];
    let (most, space) = (counted(ledger.max_entries, "entry"), counted(ledger.max_bytes, "byte"));
    let used = format!("{entries} of {most}, {bytes} of {space} in {}", ledger.directory);
    page.row("ledger", [used.into()]);
    if let Some(problem) = &ledger.problem {
        let what = format!(" ({}): {problem}", counted(ledger.in_memory, "entry"));
        page.row("", [Span::bad("IN MEMORY ONLY"), what.into()]);
    }
    add_counters(&mut page, status);
    add_checks(&mut page, status);
    for exception in &status.break_glass.exceptions {
        let what = format!("{} until {}: {}", exception.what, exception.until, exception.reason);
        page.row("BREAK-GLASS", [Span::warning(&what)]);
    }
    for problem in &status.break_glass.problems {
        let mut lines = problem.lines();
        let first = lines.next().unwrap_or_default();
        page.row("break-glass", [Span::bad("invalid"), format!(": {first}").into()]);
        lines.for_each(|line| page.row("", [line.into()]));
    }
    for found in attention {
        page.row("attention", [Span::bad(found)]);
    }
    page
}

/// What is followed: the version in force, and how old that knowledge is.
fn add_followed(page: &mut Page, status: &DaemonStatus) {
    for followed in &status.followed {
        let refreshed = match (&followed.refreshed, followed.age(jiff::Timestamp::now())) {
            (Some(at), Some(age)) => {
                format!("refreshed {} ago ({at})", show_duration(Duration::from_secs(age)))
            }
            _ => "never refreshed".to_owned(),
        };
        let version = match (followed.version, &followed.digest) {
            (Some(version), Some(digest)) => format!("version {version} ({digest})").into(),
            _ => Span::bad("MISSING"),
        };
        let of = format!(" of {}, {refreshed}", followed.reference);
        let label = if followed.kind == "policy" { "followed" } else { "deny list" };
        page.row(label, [version, of.into()]);
        if let Some(why) = &followed.frozen {
            page.row("", [Span::bad("FROZEN"), format!(": {why}").into()]);
        }
        if let Some(failure) = &followed.failure {
            let what = format!("  the last refresh failed at {}: {}", failure.at, failure.problem);
            page.row("", [Span::warning(&what)]);
        }
    }
}

fn no_answer(socket: &str, problem: &str) -> [Span; 2] {
    [Span::bad("NO ANSWER"), format!(" at {socket}: {problem}").into()]
}

/// What the daemon has counted since its start.
fn add_counters(page: &mut Page, DaemonStatus { counters, connections, .. }: &DaemonStatus) {
    page.row(
        "calls",
        [format!(
            "{} forwarded, {} refused because they are not CRI calls, {} refused",
            counters.passed,
            counters.unimplemented,
            counted(counters.unknown_methods, "unknown method")
        )
        .into()],
    );
    page.row("pulls", [format!("{} admitted, {} refused", counters.admitted, counters.refused).into()]);
    page.row("present images", [format!("{} withheld", counters.withheld).into()]);
    page.row("containers", [format!("{} refused", counters.containers_refused).into()]);
    page.row(
        "connections",
        [format!(
            "{} of {} open, {} closed while idle, {} refused",
            connections.open, connections.limit, connections.closed_idle, connections.refused
        )
        .into()],
    );
}

/// What the daemon checks by itself.
fn add_checks(page: &mut Page, status: &DaemonStatus) {
    match &status.sandbox_image {
        Some(SandboxImage::Admitted { name }) => {
            page.row("sandbox image", [format!("{name} is admitted").into()]);
        }
        Some(SandboxImage::Refused { name, line, .. }) => {
            let spans = [format!("{name} ").into(), Span::bad("IS NOT ADMITTED"), format!(": {line}").into()];
            page.row("sandbox image", spans);
        }
        Some(SandboxImage::NotReported) => page.row("sandbox image", ["not known".into()]),
        None => page.row("sandbox image", ["not checked yet".into()]),
    }
    match &status.last_scan {
        Some(scan) => {
            let counts =
                format!("{} admitted, {} refused, {} unknown", scan.admitted, scan.refused, scan.unknown);
            page.row("last scan", [format!("{counts} at {}", scan.at).into()]);
        }
        None => page.row("last scan", ["never".into()]),
    }
    if let Some(report) = &status.doctor {
        page.row("doctor", [report.summary(), format!(", at {}", report.at).into()]);
        if report.examined == Extent::Daemon {
            page.row(
                "",
                ["only what the daemon sees; `pullgate doctor`, as root, examines the whole node".into()],
            );
        }
    }
    for root in &status.trust_roots {
        let names = root.authenticators.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let until = match (&root.end, &root.what) {
            (Some(end), Some(what)) => format!("until {end}, when its last {what} expires"),
            _ => "without a known end".to_owned(),
        };
        page.row("trust root", [format!("{} of {names}: covers signatures {until}", root.file).into()]);
        if let Some(refresh) = &root.refresh {
            let succeeded = refresh.succeeded.as_deref().unwrap_or("never");
            let mut spans = vec![format!("  last successful refresh: {succeeded}").into()];
            if let Some(why) = &refresh.problem {
                spans.push(Span::warning(&format!("; the last attempt failed: {why}")));
            }
            page.row("", spans);
        }
    }
}
