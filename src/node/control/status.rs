//! How the daemon is: what an operator asks first.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::VersionRequest;
use crate::api::runtime_service_client::RuntimeServiceClient;
use crate::config::{BreakGlassFile, DaemonConfig};
use crate::cri::{self, Proxy};
use crate::node::state::State;
use crate::policy::ExceptionTarget;
use pullgate_core::untrusted::sanitize_to;

/// How long the runtime may take to say its version, and the disk how much of the ledger there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that `pullgate status` tells. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// The policy.
    pub policy: Policy,
    /// The runtime behind it.
    pub runtime: Runtime,
    /// What is held, and what is not.
    pub gates: Gates,
    /// The evidence.
    pub ledger: Ledger,
    /// What crossed and what did not.
    pub counters: Counts,
    /// The image of pod sandboxes; nothing until the runtime was asked.
    pub sandbox_image: Option<SandboxImage>,
    /// The last scan, by the daemon or through it.
    pub last_scan: Option<Admitted>,
    /// What the break-glass file opens at this moment.
    pub break_glass: BreakGlass,
    /// What `pullgate.toml` says that does nothing, or not what it seems to.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often one was put in force since the start; 0: there is none.
    pub generation: u64,
    /// Its hash.
    pub hash: Option<String>,
    /// When it was put in force.
    pub loaded: Option<String>,
    /// The last attempt to load one, if that failed.
    pub failure: Option<PolicyFailure>,
}

/// A policy that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFailure {
    /// When it was tried.
    pub at: String,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// The runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Its socket.
    pub socket: String,
    /// Its name and version; nothing when it does not answer.
    pub version: Option<String>,
    /// Why it does not answer.
    pub problem: Option<String>,
}

/// Which gates are on, beyond those of pulls and containers that always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Images that are on the node, by ImageStatus.
    pub image_status: bool,
    /// Containers and pods restored from checkpoints are refused.
    pub checkpoints: bool,
    /// The name that a guest pulls by is pinned.
    pub pin_user_specified_image: bool,
}

/// The evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Where it should be.
    pub directory: String,
    /// Whether it is on disk. In memory it does not outlive the daemon.
    pub on_disk: bool,
    /// How many entries there are on disk, if that could be counted in time.
    pub entries: Option<u64>,
    /// How many bytes they have.
    pub bytes: Option<u64>,
    /// How many entries there may be.
    pub max_entries: u64,
    /// How many bytes they may have.
    pub max_bytes: u64,
    /// How many entries are in memory, because the disk did not take them.
    pub in_memory: u64,
    /// Why the disk did not take the last one, or is not used at all.
    pub problem: Option<String>,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls handed on untouched.
    pub passed: u64,
    /// Calls that do not cross.
    pub unimplemented: u64,
    /// Pulls admitted.
    pub admitted: u64,
    /// Pulls refused.
    pub refused: u64,
    /// Images that are present and were withheld.
    pub withheld: u64,
    /// Containers refused, and checkpoints.
    pub containers_refused: u64,
}

/// The image of pod sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SandboxImage {
    /// It is on the node and admitted.
    Admitted {
        /// Its name.
        name: String,
    },
    /// It is not admitted.
    Refused {
        /// Its name.
        name: String,
        /// Why.
        line: String,
        /// Whether the runtime has it, and may use it all the same.
        present: bool,
    },
    /// The runtime does not tell it, and it is not configured.
    NotTold,
}

/// What a scan came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// When it ended.
    pub at: String,
    /// How many images and containers are admitted.
    pub admitted: usize,
    /// How many are refused.
    pub refused: usize,
    /// Of how many it could not be told.
    pub unknown: usize,
}

/// The break-glass file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// What it opens now.
    pub exceptions: Vec<Exception>,
    /// What is wrong with it; then it opens nothing.
    pub problems: Vec<String>,
}

/// One opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// A digest, or a scope.
    pub what: String,
    /// Why it was made.
    pub reason: String,
    /// When it ends.
    pub until: String,
}

impl Status {
    pub(super) async fn gather(
        proxy: &Proxy,
        state: &State,
        config: &DaemonConfig,
        break_glass: &BreakGlassFile,
    ) -> Self {
        let counters = proxy.counters();
        let (runtime, ledger) = tokio::join!(Runtime::ask(proxy), Ledger::look(proxy, config));
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: state.started().to_string(),
            policy: Policy::of(state),
            runtime,
            gates: Gates {
                image_status: config.gate.image_status,
                checkpoints: !config.gate.checkpoint_restore,
                pin_user_specified_image: config.gate.pin_user_specified_image,
            },
            ledger,
            counters: Counts {
                passed: counters.passed.get(),
                unimplemented: counters.unimplemented.get(),
                admitted: counters.admitted.get(),
                refused: counters.refused.get(),
                withheld: counters.withheld.get(),
                containers_refused: counters.containers_refused.get(),
            },
            sandbox_image: state.sandbox().map(SandboxImage::from),
            last_scan: state.scanned().map(|scanned| Admitted {
                at: scanned.at.to_string(),
                admitted: scanned.admitted,
                refused: scanned.refused,
                unknown: scanned.unknown,
            }),
            break_glass: BreakGlass::read(break_glass, Timestamp::now()),
            warnings: config.warnings(),
        }
    }

    /// What somebody should look at; nothing when all is well.
    #[must_use]
    pub fn attention(&self) -> Vec<String> {
        let mut found = Vec::new();
        match (&self.policy.hash, &self.policy.failure) {
            (None, _) => found.push("no usable policy: every pull is refused".to_owned()),
            (Some(_), Some(failure)) => {
                found.push(format!("the reload at {} failed: the old policy stays in force", failure.at));
            }
            (Some(_), None) => {}
        }
        if let Some(problem) = &self.runtime.problem {
            found.push(format!("the runtime does not answer: {problem}"));
        }
        if let Some(problem) = &self.ledger.problem {
            found.push(format!("evidence is kept in memory only: {problem}"));
        }
        match &self.sandbox_image {
            Some(SandboxImage::Refused { name, .. }) => {
                found.push(format!("the sandbox image {name} is not admitted"));
            }
            Some(SandboxImage::NotTold) => {
                found.push("the sandbox image is not known; name it by `sandbox-image` in [gate]".to_owned());
            }
            Some(SandboxImage::Admitted { .. }) | None => {}
        }
        if let Some(scan) = self.last_scan.as_ref().filter(|scan| scan.refused > 0) {
            found.push(format!("{} images or containers on this node are not admitted", scan.refused));
        }
        for exception in &self.break_glass.exceptions {
            found.push(format!("break-glass lets {} through until {}", exception.what, exception.until));
        }
        if !self.break_glass.problems.is_empty() {
            found.push("the break-glass file is not usable and opens nothing".to_owned());
        }
        found.extend(self.warnings.iter().cloned());
        found
    }
}

impl Policy {
    fn of(state: &State) -> Self {
        let policy = state.policy();
        Self {
            generation: policy.generation,
            hash: policy.hash,
            loaded: policy.loaded.map(|at| at.to_string()),
            failure: policy
                .failure
                .map(|failure| PolicyFailure { at: failure.at.to_string(), problems: failure.problems }),
        }
    }
}

impl Runtime {
    async fn ask(proxy: &Proxy) -> Self {
        let upstream = proxy.upstream();
        let socket = upstream.socket().display().to_string();
        let mut client = RuntimeServiceClient::new(upstream.clone());
        let asked = tokio::time::timeout(PATIENCE, client.version(VersionRequest::default())).await;
        match asked {
            Ok(Ok(answer)) => {
                let answer = answer.into_inner();
                let shown: String = format!("{} {}", answer.runtime_name, answer.runtime_version);
                Self { socket, version: Some(sanitize_to(&shown, 128)), problem: None }
            }
            Ok(Err(status)) => Self { socket, version: None, problem: Some(status.message().to_owned()) },
            Err(_) => Self { socket, version: None, problem: Some(format!("no answer within {PATIENCE:?}")) },
        }
    }
}

impl Ledger {
    async fn look(proxy: &Proxy, config: &DaemonConfig) -> Self {
        let ledger = proxy.gate().ledger();
        let counting = std::sync::Arc::clone(&ledger);
        // Counting a million entries, or waiting for a disk, must not hold the answer up.
        let counted = tokio::task::spawn_blocking(move || counting.usage());
        let usage = tokio::time::timeout(PATIENCE, counted).await.ok().and_then(Result::ok).flatten();
        let health = ledger.health();
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

impl From<cri::SandboxImage> for SandboxImage {
    fn from(image: cri::SandboxImage) -> Self {
        match image {
            cri::SandboxImage::Admitted(name) => Self::Admitted { name },
            cri::SandboxImage::Refused { name, line, present } => Self::Refused { name, line, present },
            cri::SandboxImage::NotTold => Self::NotTold,
        }
    }
}

impl BreakGlass {
    fn read(file: &BreakGlassFile, now: Timestamp) -> Self {
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
