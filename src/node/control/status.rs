//! The status of the daemon.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::image_service_client::ImageServiceClient;
use crate::api::runtime_service_client::RuntimeServiceClient;
use crate::api::{ImageFsInfoRequest, VersionRequest};
use crate::config::{BreakGlassFile, DaemonConfig};
use crate::cri::{Proxy, SandboxImage};
use crate::doctor::{self, Severity};
use crate::follow::FollowReport;
use crate::node::ledger_usage::LedgerUsage;
use crate::node::state::{PolicyState, Scanned, State};
use crate::node::trust_roots::{self, RootStatus, roots};
use crate::policy::{ExceptionTarget, Policy};
use pullgate_core::untrusted::sanitize_to;
use pullgate_daemon::connections::ConnectionCounts;

/// Timeout for the runtime's version.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum length of an error text of the image service, in bytes.
const MAX_PROBLEM_BYTES: usize = 512;

/// The content of `pullgate status`. Times are in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub started: String,
    /// The socket for kubelet.
    #[serde(default)]
    pub socket: Option<String>,
    /// The processes that have a connection to it on which they made an image call.
    #[serde(default)]
    pub image_callers: Vec<u32>,
    pub policy: PolicyState,
    /// The runtime that calls are forwarded to.
    pub runtime: Runtime,
    /// The image service, if `image-socket` names another socket for it.
    #[serde(default)]
    pub image_service: Option<ImageService>,
    /// Which checks are enabled.
    pub gates: Gates,
    /// The ledger.
    pub ledger: Ledger,
    /// Calls, pulls and refusals since the start.
    pub counters: Counts,
    /// The connections of callers.
    pub connections: ConnectionCounts,
    /// The image of pod sandboxes; `None` until it was checked.
    pub sandbox_image: Option<SandboxImage>,
    /// The last scan, by the daemon or requested through it.
    pub last_scan: Option<Scanned>,
    /// The exceptions that are in effect now.
    pub break_glass: BreakGlass,
    /// What is followed in a registry.
    #[serde(default)]
    pub followed: Vec<FollowReport>,
    /// The trusted roots of the policy.
    #[serde(default)]
    pub trust_roots: Vec<RootStatus>,
    /// Settings in `pullgate.toml` that have no effect, or another than it seems, and trusted roots that will soon end.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The last findings of `pullgate doctor`. Until it runs, those of the daemon itself, which sees less: `examined` says
    /// which.
    #[serde(default)]
    pub doctor: Option<doctor::Report>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    pub socket: String,
    /// Name and version; `None` when it does not answer.
    pub version: Option<String>,
    /// Why it does not answer.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageService {
    pub socket: String,
    /// Why it does not answer.
    pub problem: Option<String>,
}

/// Which checks are enabled besides those of pulls and containers, which always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Images on the node are checked by ImageStatus.
    pub image_status: bool,
    /// Restoring containers and pods from checkpoints is refused.
    pub checkpoints: bool,
    /// Methods that are not known are refused where they may bring or run an image.
    pub unknown_methods: bool,
    /// The image name that a guest pulls is pinned to a digest.
    pub pin_user_specified_image: bool,
}

/// The ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The configured directory.
    pub directory: String,
    /// Whether evidence is on disk; evidence in memory is lost when the daemon stops.
    pub on_disk: bool,
    /// Number of entries on disk, if they were counted in time.
    pub entries: Option<u64>,
    /// Their total size, if they were counted in time.
    pub bytes: Option<u64>,
    /// Maximum number of entries.
    pub max_entries: u64,
    /// Maximum total size in bytes.
    pub max_bytes: u64,
    /// Number of entries in memory that the disk did not accept.
    pub in_memory: u64,
    /// The last error of the disk, or why it is not used.
    pub problem: Option<String>,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls that were forwarded unchanged.
    pub passed: u64,
    /// Calls outside `runtime.v1`, answered with UNIMPLEMENTED.
    pub unimplemented: u64,
    /// Calls of `runtime.v1` methods that are not known, answered with UNIMPLEMENTED.
    pub unknown_methods: u64,
    /// Pulls that were admitted, once they have ended.
    pub admitted: u64,
    pub refused: u64,
    /// Images on the node that were answered as absent, or refused.
    pub withheld: u64,
    /// Containers that were refused, including checkpoints.
    pub containers_refused: u64,
}

/// The break-glass file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// The exceptions in effect.
    pub exceptions: Vec<Exception>,
    /// Problems in the file; if there are any, no exception is in effect.
    pub problems: Vec<String>,
}

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// A digest, or a scope.
    pub what: String,
    /// The operator's reason.
    pub reason: String,
    /// When it expires.
    pub until: String,
}

impl Status {
    pub(super) async fn gather(
        proxy: &Proxy,
        state: &State,
        config: &DaemonConfig,
        break_glass: &BreakGlassFile,
        ledger: &LedgerUsage,
    ) -> Self {
        let (counters, policy) = (proxy.counters(), proxy.gate().policy());
        let (runtime, image_service, ledger) = tokio::join!(
            Runtime::ask(proxy),
            ImageService::ask(proxy),
            Ledger::measure(proxy, config, ledger)
        );
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: state.started().to_string(),
            socket: state.socket().map(|socket| socket.display().to_string()),
            image_callers: proxy.image_callers(),
            policy: state.policy(),
            runtime,
            image_service,
            gates: Gates {
                image_status: config.gate.image_status,
                checkpoints: !config.gate.checkpoint_restore,
                unknown_methods: !config.gate.unknown_methods,
                pin_user_specified_image: config.gate.pin_user_specified_image,
            },
            ledger,
            counters: Counts {
                passed: counters.passed.get(),
                unimplemented: counters.unimplemented.get(),
                unknown_methods: counters.unknown_methods.get(),
                admitted: counters.pulls.admitted(),
                refused: counters.pulls.refused(),
                withheld: counters.withheld.sum(),
                containers_refused: counters.containers_refused.sum(),
            },
            connections: proxy.connections(),
            sandbox_image: state.sandbox(),
            last_scan: state.scanned(),
            break_glass: BreakGlass::read(break_glass, Timestamp::now()),
            followed: state.followed(&config.follow),
            trust_roots: policy.as_deref().map(|policy| roots(policy, &config.trust)).unwrap_or_default(),
            warnings: warnings(policy.as_deref(), config, Timestamp::now()),
            doctor: state.doctor(),
        }
    }

    /// Conditions that need attention; empty if there are none.
    #[must_use]
    pub fn attention(&self) -> Vec<String> {
        let mut found = Vec::new();
        match (&self.policy.hash, &self.policy.failure) {
            (None, _) => found.push("no usable policy: every pull is refused".to_owned()),
            (Some(_), Some(failure)) => {
                found
                    .push(format!("the reload at {} failed: the previous policy stays in force", failure.at));
            }
            (Some(_), None) => {}
        }
        if let Some(problem) = &self.runtime.problem {
            found.push(format!("the runtime does not answer: {problem}"));
        }
        if let Some(problem) = self.image_service.as_ref().and_then(|service| service.problem.as_ref()) {
            found.push(format!("the image service does not answer: {problem}"));
        }
        if let Some(problem) = &self.ledger.problem {
            found.push(format!("pullgate keeps evidence in memory only: {problem}"));
        }
        match &self.sandbox_image {
            Some(SandboxImage::Refused { name, .. }) => {
                found.push(format!("the sandbox image {name} is not admitted"));
            }
            Some(SandboxImage::NotReported) => {
                found.push(
                    "neither the runtime nor containerd's configuration names the sandbox image; set `sandbox-image` in [gate]"
                        .to_owned(),
                );
            }
            Some(SandboxImage::Admitted { .. }) | None => {}
        }
        if let Some(scan) = self.last_scan.as_ref().filter(|scan| scan.refused > 0) {
            found.push(format!("{} images or containers on this node are not admitted", scan.refused));
        }
        for exception in &self.break_glass.exceptions {
            found
                .push(format!("a break-glass exception admits {} until {}", exception.what, exception.until));
        }
        if !self.break_glass.problems.is_empty() {
            found.push("the break-glass file is invalid: no exception is in effect".to_owned());
        }
        found.extend(self.followed.iter().flat_map(FollowReport::attention));
        found.extend(self.warnings.iter().cloned());
        let errors = self.doctor.iter().flat_map(|report| &report.findings);
        let errors = errors.filter(|finding| finding.severity == Severity::Error);
        found.extend(errors.map(|finding| format!("doctor: {} ({})", finding.meaning, finding.id)));
        found
    }
}

fn warnings(policy: Option<&Policy>, config: &DaemonConfig, now: Timestamp) -> Vec<String> {
    let mut warnings = config.warnings();
    warnings.extend(trust_roots::warnings(policy, &config.trust, now));
    warnings
}

impl Runtime {
    async fn ask(proxy: &Proxy) -> Self {
        let upstream = proxy.upstream();
        let socket = upstream.runtime().socket().display().to_string();
        let mut client = RuntimeServiceClient::new(upstream.clone());
        let reply = tokio::time::timeout(TIMEOUT, client.version(VersionRequest::default())).await;
        match reply {
            Ok(Ok(answer)) => {
                let answer = answer.into_inner();
                let text: String = format!("{} {}", answer.runtime_name, answer.runtime_version);
                Self { socket, version: Some(sanitize_to(&text, 128)), problem: None }
            }
            Ok(Err(status)) => Self { socket, version: None, problem: Some(status.message().to_owned()) },
            Err(_) => Self { socket, version: None, problem: Some(format!("no answer within {TIMEOUT:?}")) },
        }
    }
}

impl ImageService {
    /// The service has no version to ask for, so it is asked for its file systems, which it asks the runtime for.
    async fn ask(proxy: &Proxy) -> Option<Self> {
        let upstream = proxy.upstream();
        if !upstream.has_image_service() {
            return None;
        }
        let mut client = ImageServiceClient::new(upstream.clone());
        let reply = tokio::time::timeout(TIMEOUT, client.image_fs_info(ImageFsInfoRequest::default())).await;
        let problem = match reply {
            Ok(Ok(_)) => None,
            Ok(Err(status)) => Some(sanitize_to(status.message(), MAX_PROBLEM_BYTES)),
            Err(_) => Some(format!("no answer within {TIMEOUT:?}")),
        };
        Some(Self { socket: upstream.images().socket().display().to_string(), problem })
    }
}

impl Ledger {
    pub(in crate::node) async fn measure(proxy: &Proxy, config: &DaemonConfig, usage: &LedgerUsage) -> Self {
        let ledger = proxy.gate().ledger();
        let (usage, health) = (usage.count(&ledger).await, ledger.health());
        Self {
            directory: config.ledger.directory.display().to_string(),
            on_disk: health.on_disk,
            entries: usage.map(|usage| usage.entries),
            bytes: usage.map(|usage| usage.bytes),
            max_entries: config.ledger.max_entries,
            max_bytes: config.ledger.max_bytes,
            in_memory: u64::try_from(health.in_memory).unwrap_or(u64::MAX),
            problem: health.problem,
        }
    }
}

impl BreakGlass {
    pub(in crate::node) fn read(file: &BreakGlassFile, now: Timestamp) -> Self {
        match file.read(now) {
            Ok(glass) => Self {
                exceptions: glass
                    .open(now)
                    .map(|exception| Exception {
                        what: match &exception.what {
                            ExceptionTarget::Digest(digest) => digest.to_string(),
                            ExceptionTarget::Scope(scope) => scope.to_string(),
                        },
                        reason: exception.reason.clone(),
                        until: exception.until.to_string(),
                    })
                    .collect(),
                problems: Vec::new(),
            },
            Err(problems) => {
                Self { exceptions: Vec::new(), problems: problems.iter().map(ToString::to_string).collect() }
            }
        }
    }
}
