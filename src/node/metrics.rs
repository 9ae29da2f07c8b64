//! The metrics of the daemon: what `pullgate status` reports, in numbers.
//!
//! No label has text from outside: a name of an image would make a new series for each image that somebody invents.

mod serve;
mod textfile;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use pullgate_daemon::metrics::{Family, Page};

use super::control::{BreakGlass, Ledger};
use super::ledger_usage::LedgerUsage;
use super::state::State;
use crate::config::{BreakGlassFile, DaemonConfig};
use crate::cri::{Proxy, SandboxImage};
use crate::doctor::Severity;
use crate::telemetry::counters::{ByReason, Pulls};
use crate::telemetry::{Kind, Reason};
use crate::trust::TrustKind;
use crate::tuf_client;
pub(super) use serve::MetricsThread;

pullgate_daemon::families! {
    /// Always 1; the label is the version of pullgate.
    BUILD = Gauge "pullgate_build_info" ["version"];
    /// When the daemon started.
    STARTED = Gauge "process_start_time_seconds";
    /// Calls that pullgate did not decide about, by outcome: `forwarded` to the runtime; `not-cri` and `unknown-method` were
    /// refused.
    CALLS = Counter "pullgate_calls_total" ["outcome"];
    /// Pulls that have ended, by verdict and reason code. Verdicts: `admitted` and pulled; `failed` in the runtime after
    /// pullgate admitted the image; `cancelled` by the caller; `refused`. Reasons that are not in docs/reasons.md:
    /// `undecided`, for a pull that was cancelled before the decision, and `unreadable-request`.
    PULLS = Counter "pullgate_pulls_total" ["verdict", "reason"];
    /// Pulls that a rule in audit mode would have refused, by reason code. A pull counts once for each such rule.
    AUDITED = Counter "pullgate_audited_pulls_total" ["reason"];
    /// Duration of each step of a pull. The log names the same steps.
    STEPS = Histogram "pullgate_pull_step_seconds" ["step"];
    /// How often pullgate replaced the runtime's answer about an image on the node, because the policy does not admit the
    /// image, by reason code. Every query of kubelet counts.
    WITHHELD = Counter "pullgate_images_withheld_total" ["reason"];
    /// Containers and checkpoints that were refused, by reason code.
    CONTAINERS = Counter "pullgate_containers_refused_total" ["reason"];
    /// Verifications of signatures for pulls. A signature counts once for each authenticator that pullgate verifies it with.
    CHECKS = Counter "pullgate_signature_checks_total";
    /// Requests to registries, by outcome: `ok`; `not-found`; `unauthorized`; `unanswered` (no connection, no answer in
    /// time, or an error of the server); `limit` (the answer exceeds a limit of pullgate); `refused` (the answer is
    /// malformed, or does not match its digest).
    REQUESTS = Counter "pullgate_registry_requests_total" ["outcome"];
    /// Always 1; the label is the hash of the policy in force. Without a policy, there is no sample.
    POLICY = Gauge "pullgate_policy_info" ["hash"];
    /// Number of policies that were loaded since the start. 0: there is no policy, and every pull is refused.
    GENERATION = Gauge "pullgate_policy_generation";
    /// When the policy in force was loaded.
    LOADED = Gauge "pullgate_policy_loaded_timestamp_seconds";
    /// Attempts to load a policy that failed.
    FAILURES = Counter "pullgate_policy_load_failures_total";
    /// 1 if the last attempt to load a policy failed.
    FAILED = Gauge "pullgate_policy_load_failed";
    /// The version in force of what is followed, by kind: `policy`, `deny-list`. Without a document, there is no sample.
    FOLLOWED = Gauge "pullgate_follow_version" ["kind"];
    /// Always 1; the label is the digest of the artifact in force.
    FOLLOWED_INFO = Gauge "pullgate_follow_info" ["kind", "digest"];
    /// When the registry was last seen to have nothing newer than what is in force.
    REFRESHED = Gauge "pullgate_follow_refreshed_timestamp_seconds" ["kind"];
    /// Refreshes that failed since the start.
    REFRESH_FAILURES = Counter "pullgate_follow_refresh_failures_total" ["kind"];
    /// 1 if the last refresh found something that was refused: of another signer, older, or not for this node.
    FOLLOW_REFUSED = Gauge "pullgate_follow_refused" ["kind"];
    /// 1 if what is followed counts as frozen: it was not refreshed for `frozen-after`, or has expired.
    FROZEN = Gauge "pullgate_follow_frozen" ["kind"];
    /// 1 if this check is enabled in pullgate.toml: `image-status`, `checkpoints`, `unknown-methods`. Pulls and containers
    /// are always checked.
    ENABLED = Gauge "pullgate_check_enabled" ["check"];
    /// Entries of the ledger on disk. There is no sample while they are being counted.
    ENTRIES = Gauge "pullgate_ledger_entries";
    /// Size of the entries of the ledger on disk. There is no sample while they are being counted.
    BYTES = Gauge "pullgate_ledger_bytes";
    /// Maximum number of entries of the ledger: `max-entries` in [ledger].
    MAX_ENTRIES = Gauge "pullgate_ledger_max_entries";
    /// Maximum size of the entries of the ledger: `max-bytes` in [ledger].
    MAX_BYTES = Gauge "pullgate_ledger_max_bytes";
    /// Entries of the ledger in memory that are not on disk.
    UNWRITTEN = Gauge "pullgate_ledger_unwritten_entries";
    /// 1 if pullgate keeps evidence in memory only, because it cannot use the disk. The evidence is lost when the daemon
    /// stops.
    MEMORY_ONLY = Gauge "pullgate_ledger_in_memory_only";
    /// Number of break-glass exceptions in force. A pull that an exception admitted has the reason `break-glass` in
    /// `pullgate_pulls_total`.
    EXCEPTIONS = Gauge "pullgate_break_glass_exceptions";
    /// 1 if the break-glass file is invalid, so that no exception is in force.
    INVALID = Gauge "pullgate_break_glass_invalid";
    /// Images and containers in the last scan of the node, by verdict. Without a scan, there is no sample.
    SCANNED = Gauge "pullgate_scan_images" ["verdict"];
    /// When the last scan of the node ended.
    SCAN_TIME = Gauge "pullgate_scan_timestamp_seconds";
    /// 1 for the present state of the image of pod sandboxes: `admitted`, `refused`, `not-reported` by the runtime, or
    /// `unchecked`.
    SANDBOX = Gauge "pullgate_sandbox_image" ["state"];
    /// Findings about this node, by severity, from the last `pullgate doctor` or from the daemon's own check after its
    /// start. An `error` means that the node does not enforce its policy.
    DOCTOR = Gauge "pullgate_doctor_findings" ["severity"];
    /// When the node was last examined for these findings.
    DOCTOR_TIME = Gauge "pullgate_doctor_timestamp_seconds";
    /// Open connections to the CRI socket.
    OPEN = Gauge "pullgate_connections";
    /// Maximum number of open connections to the CRI socket: `connections` in [limits].
    MAX_OPEN = Gauge "pullgate_connections_max";
    /// Connections without calls that were closed to make room for another connection.
    CLOSED = Counter "pullgate_connections_closed_idle_total";
    /// Connections that were refused, because the limit was reached and no other connection could be closed.
    TURNED_AWAY = Counter "pullgate_connections_refused_total";
    /// Time at which the next key, certificate or root of the policy expires, by kind: `key`; `certificate` of an
    /// authority; `root`, a trusted root, which then covers only older signatures; `repository`, the root of a TUF
    /// repository. If nothing of a kind expires in the future, there is no sample for that kind.
    EXPIRY = Gauge "pullgate_trust_expiry_timestamp_seconds" ["kind"];
    /// Number of keys, certificates and roots of the policy that have expired, by kind.
    EXPIRED = Gauge "pullgate_trust_expired" ["kind"];
}

/// What metrics are made of.
#[derive(Debug)]
pub struct MetricsSource {
    proxy: Arc<Proxy>,
    state: Arc<State>,
    config: DaemonConfig,
    break_glass: BreakGlassFile,
    ledger: LedgerUsage,
}

impl MetricsSource {
    pub fn new(proxy: Arc<Proxy>, state: Arc<State>, config: DaemonConfig, root: &Path) -> Self {
        let (break_glass, ledger) = (BreakGlassFile::of(root), LedgerUsage::default());
        Self { proxy, state, config, break_glass, ledger }
    }

    /// The metrics now. Reads files, so it must not run on the thread that serves calls.
    pub async fn page(&self) -> Page {
        let mut page = Page::default();
        page.add(&BUILD, [env!("CARGO_PKG_VERSION")], 1_u64);
        page.set(&STARTED, seconds(self.state.started()));
        self.add_calls(&mut page);
        add_pulls(&mut page, &self.proxy.counters().pulls);
        self.add_policy(&mut page);
        self.add_ledger(&mut page).await;
        self.add_findings(&mut page);
        self.add_ends(&mut page, Timestamp::now());
        page
    }

    fn add_calls(&self, page: &mut Page) {
        let (counters, gate) = (self.proxy.counters(), self.proxy.gate());
        for (outcome, counter) in [
            ("forwarded", &counters.passed),
            ("not-cri", &counters.unimplemented),
            ("unknown-method", &counters.unknown_methods),
        ] {
            page.add(&CALLS, [outcome], counter.get());
        }
        add_refusals(page, &WITHHELD, &counters.withheld);
        add_refusals(page, &CONTAINERS, &counters.containers_refused);
        page.set(&CHECKS, gate.checks());
        for (outcome, count) in gate.request_counts().iter() {
            page.add(&REQUESTS, [outcome], count);
        }
        let connections = self.proxy.connections();
        page.set(&OPEN, connections.open);
        page.set(&MAX_OPEN, connections.limit);
        page.set(&CLOSED, connections.closed_idle);
        page.set(&TURNED_AWAY, connections.refused);
    }

    fn add_policy(&self, page: &mut Page) {
        let policy = self.state.policy();
        if let Some(hash) = policy.hash {
            page.add(&POLICY, [hash], 1_u64);
        }
        page.set(&GENERATION, policy.generation);
        if let Some(at) = time(policy.loaded.as_deref()) {
            page.set(&LOADED, seconds(at));
        }
        page.set(&FAILURES, policy.failures);
        page.set(&FAILED, policy.failure.is_some());
        self.add_followed(page);
        let gate = &self.config.gate;
        for (check, enabled) in [
            ("image-status", gate.image_status),
            ("checkpoints", !gate.checkpoint_restore),
            ("unknown-methods", !gate.unknown_methods),
        ] {
            page.add(&ENABLED, [check], enabled);
        }
    }

    fn add_followed(&self, page: &mut Page) {
        for followed in self.state.followed(&self.config.follow) {
            let kind = || followed.kind.clone();
            if let (Some(version), Some(digest)) = (followed.version, followed.digest.clone()) {
                page.add(&FOLLOWED, [kind()], version);
                page.add(&FOLLOWED_INFO, [kind(), digest], 1_u64);
            }
            if let Some(at) = time(followed.refreshed.as_deref()) {
                page.add(&REFRESHED, [kind()], seconds(at));
            }
            page.add(&REFRESH_FAILURES, [kind()], followed.failures);
            page.add(
                &FOLLOW_REFUSED,
                [kind()],
                followed.failure.as_ref().is_some_and(|failure| failure.refused),
            );
            page.add(&FROZEN, [kind()], followed.frozen.is_some());
        }
    }

    async fn add_ledger(&self, page: &mut Page) {
        let ledger = Ledger::measure(&self.proxy, &self.config, &self.ledger).await;
        for (family, count) in [(&ENTRIES, ledger.entries), (&BYTES, ledger.bytes)] {
            if let Some(count) = count {
                page.set(family, count);
            }
        }
        page.set(&MAX_ENTRIES, ledger.max_entries);
        page.set(&MAX_BYTES, ledger.max_bytes);
        page.set(&UNWRITTEN, ledger.in_memory);
        page.set(&MEMORY_ONLY, ledger.problem.is_some());
    }

    /// What was found on the node.
    fn add_findings(&self, page: &mut Page) {
        let break_glass = BreakGlass::read(&self.break_glass, Timestamp::now());
        page.set(&EXCEPTIONS, break_glass.exceptions.len());
        page.set(&INVALID, !break_glass.problems.is_empty());
        if let Some(scanned) = self.state.scanned() {
            for (verdict, count) in
                [("admitted", scanned.admitted), ("refused", scanned.refused), ("unknown", scanned.unknown)]
            {
                page.add(&SCANNED, [verdict], count);
            }
            if let Some(at) = time(Some(&scanned.at)) {
                page.set(&SCAN_TIME, seconds(at));
            }
        }
        if let Some(report) = self.state.doctor() {
            for severity in [Severity::Error, Severity::Unknown, Severity::Warning] {
                page.add(&DOCTOR, [severity.name()], report.count(severity));
            }
            if let Some(at) = time(Some(&report.at)) {
                page.set(&DOCTOR_TIME, seconds(at));
            }
        }
        let found = match self.state.sandbox() {
            Some(SandboxImage::Admitted { .. }) => "admitted",
            Some(SandboxImage::Refused { .. }) => "refused",
            Some(SandboxImage::NotReported) => "not-reported",
            None => "unchecked",
        };
        for state in ["admitted", "refused", "not-reported", "unchecked"] {
            page.add(&SANDBOX, [state], state == found);
        }
    }

    fn add_ends(&self, page: &mut Page, now: Timestamp) {
        let policy = self.proxy.gate().policy();
        let mut ends: Vec<(&str, Timestamp)> =
            policy.iter().flat_map(|policy| policy.ends()).map(|(kind, end)| (kind.name(), end)).collect();
        let trust = &self.config.trust;
        for repository in &trust.repositories {
            let checked = tuf_client::State::of(&trust.directory, &repository.name).checked();
            let end = checked.and_then(|checked| time(checked.root_expires.as_deref()));
            ends.extend(end.map(|end| ("repository", end)));
        }
        for kind in TrustKind::ALL.into_iter().map(TrustKind::name).chain(["repository"]) {
            let of_kind = || ends.iter().filter(|(name, _)| *name == kind).map(|(_, end)| *end);
            if let Some(next) = of_kind().filter(|end| *end > now).min() {
                page.add(&EXPIRY, [kind], seconds(next));
            }
            page.add(&EXPIRED, [kind], of_kind().filter(|end| *end <= now).count());
        }
    }
}

/// Every series that can exist, also with 0: Prometheus sees no increase in a series that begins with 1.
fn add_pulls(page: &mut Page, pulls: &Pulls) {
    let ended = [("admitted", &pulls.pulled), ("failed", &pulls.failed), ("cancelled", &pulls.cancelled)];
    for (verdict, counts) in ended {
        for (reason, count) in counts.iter().filter(|(reason, _)| reason.admits()) {
            page.add(&PULLS, [verdict, reason.code()], count);
        }
    }
    page.add(&PULLS, ["cancelled", "undecided"], pulls.undecided.get());
    for (reason, count) in refusals(&pulls.refused) {
        page.add(&PULLS, ["refused", reason.code()], count);
    }
    page.add(&PULLS, ["refused", "unreadable-request"], pulls.unreadable.get());
    add_refusals(page, &AUDITED, &pulls.audited);
    for (step, histogram) in pulls.steps.iter() {
        page.add(&STEPS, [step.name()], histogram);
    }
}

fn add_refusals(page: &mut Page, family: &'static Family, counts: &ByReason) {
    for (reason, count) in refusals(counts) {
        page.add(family, [reason.code()], count);
    }
}

fn refusals(counts: &ByReason) -> impl Iterator<Item = (Reason, u64)> {
    counts.iter().filter(|(reason, _)| reason.kind() != Kind::Admitted)
}

/// A time in RFC 3339.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

/// Seconds since 1970, with milliseconds.
fn seconds(time: Timestamp) -> f64 {
    std::time::Duration::from_millis(u64::try_from(time.as_millisecond()).unwrap_or_default()).as_secs_f64()
}
