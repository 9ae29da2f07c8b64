//! Gathers what `pullgate doctor` judges: from the whole node, or from within the daemon, which sees less of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::control::{self, ControlReply, ControlRequest, Status};
use super::state::State;
use crate::config::{self, DaemonConfig, KnownKeys, Problems};
use crate::cri::Proxy;
use crate::doctor::around;
use crate::doctor::canary::{self, CanaryAnswer};
use crate::doctor::clock::{self, ClockFacts};
use crate::doctor::daemon::{self, DaemonFacts};
use crate::doctor::disk::{self, DiskFacts};
use crate::doctor::kubelet::{self, KubeletFacts, Sockets, Target};
use crate::doctor::policy;
use crate::doctor::runtime::{self, RuntimeFacts};
use crate::doctor::sockets::{self, Access, SocketFacts};
use crate::doctor::{Diagnosis, Extent, Finding, Processes, Report, Severity, units};
use crate::follow::{FollowReport, Following};
use crate::gate::{AdmissionRequest, CANARY, Explanation};
use crate::node_install::{Host, Tree};
use crate::policy::Policy;
use crate::registry::Credentials;
use pullgate_core::untrusted::error_chain;

/// How long a connection to a socket may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer to the canary may take: the daemon asks nobody for it, but systemd may have to start it.
const CANARY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the status of the daemon may take, which itself waits two seconds for the runtime and for the disk.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the daemon examines itself at most.
const SELF_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the daemon looks for its policy before it examines itself, and how long it waits in between.
const POLICY_LOOKS: u32 = 60;
const POLICY_INTERVAL: Duration = Duration::from_secs(1);
/// At how many sockets the canary is asked for.
const MAX_CANARIES: usize = 4;
const CRIU: [&str; 4] = ["/usr/sbin/criu", "/usr/bin/criu", "/usr/local/sbin/criu", "/usr/local/bin/criu"];

/// The node to examine.
#[derive(Debug)]
pub struct Examined<'a, H> {
    pub host: &'a H,
    /// Where its root is.
    pub root: PathBuf,
    /// Where its /proc is.
    pub proc: PathBuf,
    /// Its directory with pullgate.toml.
    pub config: PathBuf,
}

impl<H: Host> Examined<'_, H> {
    /// Examines the node, and asks for the canary at kubelet's socket.
    ///
    /// # Errors
    /// When pullgate.toml is not valid.
    pub async fn examine(&self) -> Result<(Report, DaemonConfig), Problems> {
        let tree = Tree::new(&self.root);
        let directory = at(&tree, &self.config);
        let config = config::load_daemon(&directory.join(config::DAEMON_FILE))?;
        let processes = Processes::at(&self.proc);
        let activated = units::socket(self.host);
        let ours = activated.clone().unwrap_or_else(|| config.listen.socket.clone());
        let sockets = Sockets {
            pullgate: activated.into_iter().chain([config.listen.socket.clone()]).collect(),
            runtime: std::iter::once(&config.runtime.socket)
                .chain(&config.runtime.image_socket)
                .cloned()
                .collect(),
        };
        let mut socket = SocketFacts::gather(&at(&tree, &ours), &ours, &processes, CONNECT_TIMEOUT).await;
        let kubelets = kubelet::find(self.host, &processes, &self.root, &sockets);

        // Before the daemon is asked for its status: the call starts one that systemd activates.
        let mut findings = Vec::new();
        for socket in canaries(&kubelets, &socket) {
            findings.extend(canary::evaluate(&canary::ask(&at(&tree, &socket), CANARY_TIMEOUT).await));
        }
        let asked =
            control::ask(&at(&tree, &config.control.socket), &ControlRequest::Status, STATUS_TIMEOUT).await;
        let status = match asked {
            Ok(ControlReply::Status(status)) => Ok(status),
            Ok(_) => Err("unexpected reply from the daemon".to_owned()),
            Err(error) => Err(error_chain(&error)),
        };
        socket.daemon = status.as_ref().ok().map(|status| status.pid);
        let policy = policy_on_disk(&directory, &config, &mut findings);
        let callers = status.as_ref().ok().map(|status| status.image_callers.as_slice());
        findings.extend(kubelet::evaluate(
            &kubelets,
            callers,
            policy.as_ref().is_some_and(policy::has_pod_rules),
        ));
        findings.extend(sockets::evaluate(&socket));
        let facts = status.as_ref().map(|status| facts(status)).map_err(Clone::clone);
        findings.extend(daemon::evaluate(&facts, policy.as_ref().map(Policy::hash)));
        findings.extend(policy.iter().flat_map(policy::evaluate));
        let version = status.as_ref().ok().and_then(|status| status.runtime.version.clone());
        findings.extend(runtime::evaluate(&self.runtime(&tree, &config, version, &kubelets)));
        let program = std::env::current_exe().unwrap_or_default();
        let ledger = at(&tree, &config.ledger.directory);
        findings.extend(clock::evaluate(&ClockFacts::gather(
            &program,
            &ledger,
            clock::is_synchronized(self.host),
        )));
        findings.extend(disk::evaluate(&DiskFacts::of(&ledger).into_iter().collect::<Vec<_>>()));
        findings.extend(units::evaluate(&units::gather(self.host)));
        let ours = ours.to_string_lossy();
        findings.extend(around::evaluate(&around::crictl(&tree), &[&ours]));
        Ok((Report::new(Timestamp::now(), Extent::Node, findings), config))
    }

    fn runtime(
        &self,
        tree: &Tree,
        config: &DaemonConfig,
        version: Option<String>,
        kubelets: &Result<Vec<KubeletFacts>, String>,
    ) -> RuntimeFacts {
        let is_through = |kubelet: &KubeletFacts| {
            kubelet.runtime_endpoints.last().is_some_and(|endpoint| endpoint.target == Target::Pullgate)
        };
        let is_own_root = self.root == Path::new("/");
        let registry = is_own_root.then(|| super::registry(config).ok()).flatten();
        RuntimeFacts {
            socket: config.runtime.socket.display().to_string(),
            access: Access::of(&at(tree, &config.runtime.socket)),
            trusted: nix::unistd::geteuid().as_raw(),
            version,
            hosts: registry.map(|registry| registry.check_hosts()).unwrap_or_default(),
            criu: CRIU.iter().any(|path| at(tree, Path::new(path)).exists()),
            through_pullgate: kubelets.as_ref().is_ok_and(|found| found.iter().all(is_through)),
        }
    }
}

/// The sockets to ask for the canary: those of kubelet's image calls, or pullgate's own where no kubelet was found. Not the
/// runtime's, where kubelet's configuration shows already that nothing is verified.
fn canaries(kubelets: &Result<Vec<KubeletFacts>, String>, ours: &SocketFacts) -> Vec<PathBuf> {
    let found = kubelets.as_ref().map(Vec::as_slice).unwrap_or_default();
    let mut targets: Vec<(PathBuf, Target)> = Vec::new();
    for endpoint in found.iter().filter_map(KubeletFacts::image_endpoint) {
        let target = (PathBuf::from(&endpoint.socket), endpoint.target);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    if found.is_empty() {
        targets.push((ours.path.clone(), Target::Pullgate));
    }
    let is_alive = |target: Target| target != Target::Pullgate || ours.problem.is_none();
    let targets = targets.into_iter().filter(|(_, target)| *target != Target::Runtime && is_alive(*target));
    targets.take(MAX_CANARIES).map(|(socket, _)| socket).collect()
}

/// The policy that the next reload would load.
fn policy_on_disk(directory: &Path, config: &DaemonConfig, findings: &mut Vec<Finding>) -> Option<Policy> {
    let known = KnownKeys { cache: config.keys.cache(), ..KnownKeys::default() };
    let (now, notice) = (Timestamp::now(), config.trust.notice_span());
    let following = Following::stored(&config.follow, now);
    let survey = config::survey_following(directory, &following, &known, now, notice);
    match survey.loaded {
        Ok(loaded) => Some(loaded.policy),
        Err(problems) => {
            let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
            findings.push(Finding::new(Diagnosis::PolicyInvalid, &first));
            None
        }
    }
}

fn facts(status: &Status) -> DaemonFacts {
    let gates = status.gates;
    let disabled = [
        ("image-status", gates.image_status),
        ("checkpoint-restore", gates.checkpoints),
        ("unknown-methods", gates.unknown_methods),
    ];
    let service = status.image_service.as_ref();
    let problems = [
        status.runtime.problem.as_ref().map(|problem| (&status.runtime.socket, problem)),
        service.and_then(|service| Some((&service.socket, service.problem.as_ref()?))),
    ];
    DaemonFacts {
        pid: status.pid,
        policy: status.policy.hash.clone(),
        reload: status
            .policy
            .failure
            .as_ref()
            .map(|failure| format!("{}: {}", failure.at, failure.problems.join("; "))),
        runtime: problems
            .into_iter()
            .flatten()
            .map(|(socket, problem)| format!("{socket}: {problem}"))
            .collect(),
        disabled: disabled.into_iter().filter(|(_, enabled)| !enabled).map(|(option, _)| option).collect(),
        exceptions: status
            .break_glass
            .exceptions
            .iter()
            .map(|it| format!("{} until {}", it.what, it.until))
            .collect(),
        ledger: status.ledger.problem.clone(),
        frozen: evidence(status, |it| it.frozen.clone()),
        refused: evidence(status, |it| {
            it.failure.as_ref().filter(|it| it.refused).map(|it| it.problem.clone())
        }),
    }
}

/// What is followed and `why` says something about, for the evidence of findings.
fn evidence(status: &Status, why: impl Fn(&FollowReport) -> Option<String>) -> Vec<String> {
    let found = status.followed.iter().filter_map(|it| Some((it, why(it)?)));
    found.map(|(it, why)| format!("{} {}: {why}", it.kind, it.reference)).collect()
}

fn at(tree: &Tree, path: &Path) -> PathBuf {
    tree.at(path).unwrap_or_else(|_| path.to_owned())
}

/// Examines, once, what the daemon sees from within its sandbox: not kubelet, nor other processes. It asks its gate for the
/// canary directly: whether kubelet's socket leads here cannot be seen from here.
pub(super) async fn examine_self(proxy: Arc<Proxy>, config: DaemonConfig, state: Arc<State>) {
    for _ in 0..POLICY_LOOKS {
        if proxy.gate().policy().is_some() {
            break;
        }
        tokio::time::sleep(POLICY_INTERVAL).await;
    }
    let Ok(report) = tokio::time::timeout(SELF_TIMEOUT, self_report(&proxy, config, &state)).await else {
        tracing::warn!(limit = ?SELF_TIMEOUT, "the examination of this node took too long");
        return;
    };
    for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        let Finding { id, evidence, advice, .. } = finding;
        tracing::warn!(id, evidence, advice, "doctor: {}", finding.meaning);
    }
    // `pullgate doctor` sees more.
    if state.doctor().is_none() {
        state.examined(report);
    }
}

async fn self_report(proxy: &Proxy, config: DaemonConfig, state: &State) -> Report {
    let request = AdmissionRequest {
        image: CANARY.to_owned(),
        credentials: Credentials::anonymous(),
        namespace: Some(canary::NAMESPACE.to_owned()),
    };
    let answer = match proxy.gate().admit(&request, &mut Explanation::default()).await {
        Ok(_) => CanaryAnswer::Pulled,
        Err(refusal) => CanaryAnswer::Failed {
            code: tonic::Code::Unknown.into(),
            message: format!("SignatureValidationFailed: {}", refusal.line()),
        },
    };
    let mut findings = canary::evaluate(&answer);
    findings.push(Finding::new(Diagnosis::KubeletUnknown, "the daemon does not see kubelet"));
    match proxy.gate().policy() {
        Some(policy) => findings.extend(policy::evaluate(&policy)),
        None => findings.push(Finding::new(Diagnosis::NoPolicy, "the daemon has no policy")),
    }
    let socket = state.socket();
    let files = tokio::task::spawn_blocking(move || files(&config, socket));
    findings.extend(files.await.unwrap_or_default());
    Report::new(Timestamp::now(), Extent::Daemon, findings)
}

fn files(config: &DaemonConfig, socket: Option<PathBuf>) -> Vec<Finding> {
    let trusted = nix::unistd::geteuid().as_raw();
    let facts = RuntimeFacts {
        socket: config.runtime.socket.display().to_string(),
        access: Access::of(&config.runtime.socket),
        trusted,
        ..RuntimeFacts::default()
    };
    let mut findings = runtime::evaluate(&facts);
    if let Some(path) = socket {
        let facts = SocketFacts { access: Access::of(&path), path, trusted, ..SocketFacts::default() };
        findings.extend(sockets::evaluate(&facts));
    }
    let program = std::env::current_exe().unwrap_or_default();
    let ledger = &config.ledger.directory;
    findings.extend(clock::evaluate(&ClockFacts::gather(&program, ledger, None)));
    findings.extend(disk::evaluate(&DiskFacts::of(ledger).into_iter().collect::<Vec<_>>()));
    findings
}
