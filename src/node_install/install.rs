//! Makes the changes of a plan, and takes them back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::host::{self, Host, UnitState};
use super::plan::{PROGRAM, Plan, SERVICE, SOCKET};
use super::record::{FailedAttempt, Part, Record};
use super::{Node, NodeError, probe};

const LOCK: &str = "/run/pullgate-node.lock";
const MAINTAIN: &str = "/usr/lib/pullgate/maintain";
/// The time limit of one question to kubelet or pullgate.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How many looks in sequence must find kubelet ready: one that exits shortly after its start must not pass.
const READY_LOOKS: u32 = 5;

/// Finds what has to change on the node.
///
/// # Errors
/// When a check fails, or the node cannot be read.
pub fn plan<H: Host>(node: &Node<'_, H>) -> Result<Plan, NodeError> {
    Plan::make(node, &Record::load(&node.tree)?)
}

/// Makes kubelet use pullgate. If it does already, nothing is changed or restarted.
///
/// # Errors
/// When a check fails; kubelet is then unchanged. When kubelet does not become ready; everything is then put back, unless
/// kubelet was ready with pullgate before.
pub fn install<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    let _lock = lock(node)?;
    let mut record = Record::load(&node.tree)?;
    let mut plan = Plan::make(node, &record)?;
    (node.say)(&plan.text());
    if let Some(failure) = record.failure.as_ref().filter(|it| it.fingerprint == plan.fingerprint)
        && !node.settings.retry
    {
        return Err(NodeError::Refused(format!(
            "the last attempt failed and was put back ({}); change the configuration or the program, or add --retry",
            failure.why
        )));
    }
    prepare(node, &plan, &mut record)?;
    if plan.is_done() && plan.kubelet.state.running {
        // Perhaps the files were written by somebody else, and kubelet was not restarted.
        let Err(error) = watch(node, plan.kubelet.unit, None, Some(plan.socket.as_str())) else {
            return record.set_installed(&node.tree);
        };
        // A kubelet that fails for another reason must not be the end of pullgate on this node.
        if probe::healthz(node.settings.healthz, ANSWER_TIMEOUT).is_err() {
            return Err(error);
        }
        (node.say)(&error.to_string());
        plan.restart_kubelet = true;
    }
    let Err(error) = switch(node, &plan, &mut record) else { return Ok(()) };
    // A node that enforced the policy keeps on: without pullgate, kubelet would pull what nobody has verified.
    if record.installed {
        return Err(error);
    }
    (node.say)(&format!("{error}; putting everything back"));
    let failure = FailedAttempt { fingerprint: plan.fingerprint, why: error.to_string() };
    match take_back(node, &mut record) {
        Ok(()) => {
            record.failure = Some(failure);
            record.save(&node.tree)?;
            Err(NodeError::PutBack(Box::new(error)))
        }
        Err(worse) => Err(NodeError::NotPutBack(Box::new(worse))),
    }
}

/// Restores what [`install`] has changed.
///
/// # Errors
/// When something cannot be restored; running it again continues.
pub fn uninstall<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    let _lock = lock(node)?;
    let mut record = Record::load(&node.tree)?;
    if record.is_empty() {
        (node.say)("nothing to restore");
        return record.remove(&node.tree);
    }
    take_back(node, &mut record)?;
    record.remove(&node.tree)
}

/// Everything before kubelet is touched.
fn prepare<H: Host>(node: &Node<'_, H>, plan: &Plan, record: &mut Record) -> Result<(), NodeError> {
    if plan.is_done() {
        return Ok(());
    }
    if plan.restart_kubelet && !record.restart_kubelet {
        probe::healthz(node.settings.healthz, ANSWER_TIMEOUT).map_err(|why| {
            NodeError::Refused(format!("kubelet is not healthy, so it is not restarted: {why}"))
        })?;
    }
    let mut wrote = false;
    for change in plan.changes.iter().filter(|it| it.part == Part::Program) {
        record.restart_pullgate = true;
        record.change(&node.tree, &change.path, &change.contents, change.part)?;
        wrote = true;
    }
    if wrote || record.restart_pullgate {
        host::systemctl(node.host, &["daemon-reload"])?;
    }
    let config = node.settings.config.to_string_lossy();
    let check = host::output(node.host, PROGRAM, &["--config", &config, "policy", "check"]);
    check.map_err(|error| NodeError::Policy(Box::new(error)))?;
    if plan.enable {
        let state = UnitState::of(node.host, SERVICE)?;
        if !state.enabled && !record.enabled {
            record.enabled = true;
            record.save(&node.tree)?;
        }
        // Also= enables the socket too, and Requires= starts it.
        host::systemctl(node.host, &["enable", "--now", SERVICE])?;
    }
    if plan.restart_pullgate {
        host::systemctl(node.host, &["restart", SERVICE])?;
    }
    if record.restart_pullgate {
        record.restart_pullgate = false;
        record.save(&node.tree)?;
    }
    if !plan.kubelet.state.running {
        // containerd may not run yet either, for example in the user data of a node.
        return Ok(());
    }
    let socket = at(node, Path::new(&plan.socket))?;
    let answered = until(node, || probe::image_service(&socket, ANSWER_TIMEOUT));
    answered.map_err(|why| {
        NodeError::Refused(format!(
            "{} does not answer: {why}; `pullgate status` and `journalctl --unit {SERVICE}` say more",
            plan.socket
        ))
    })
}

/// Points kubelet at the socket.
fn switch<H: Host>(node: &Node<'_, H>, plan: &Plan, record: &mut Record) -> Result<(), NodeError> {
    let unit = plan.kubelet.unit;
    let changes: Vec<_> = plan.changes.iter().filter(|it| it.part == Part::Kubelet).collect();
    if !changes.is_empty() || !plan.stale.is_empty() || plan.restart_kubelet {
        record.unit = Some(unit.to_owned());
        record.restart_kubelet = plan.kubelet.state.running;
        record.failure = None;
        record.save(&node.tree)?;
        record.restore(&node.tree, |file| plan.stale.contains(&file.path))?;
        for change in changes {
            record.change(&node.tree, &change.path, &change.contents, change.part)?;
        }
        host::systemctl(node.host, &["daemon-reload"])?;
    }
    if !plan.restart_kubelet {
        return Ok(());
    }
    restart(node, unit, Some(plan.socket.as_str()))?;
    record.restart_kubelet = false;
    record.installed = true;
    record.save(&node.tree)
}

/// Restores everything: kubelet first, so that it does not use what is removed.
fn take_back<H: Host>(node: &Node<'_, H>, record: &mut Record) -> Result<(), NodeError> {
    let tree = &node.tree;
    let mut left = Vec::new();
    let unit = record.unit.clone();
    if let Some(unit) = &unit
        && (record.restart_kubelet || record.files.iter().any(|it| it.part == Part::Kubelet))
    {
        let was_restarted = record.restart_kubelet;
        // Until kubelet is ready again, also after a crash.
        record.restart_kubelet = true;
        record.installed = false;
        record.save(tree)?;
        left = record.restore(tree, |file| file.part == Part::Kubelet)?;
        record.remove_directories(tree);
        host::systemctl(node.host, &["daemon-reload"])?;
        let is_running = UnitState::of(node.host, unit)?.running;
        if !is_running && was_restarted {
            // systemd no longer starts a unit that has failed too often.
            host::systemctl(node.host, &["reset-failed", unit])?;
        }
        if is_running || was_restarted {
            restart(node, unit, None)?;
        }
        record.restart_kubelet = false;
        record.save(tree)?;
    }
    let has_program = record.files.iter().any(|it| it.part == Part::Program);
    if record.enabled || has_program {
        unused(node)?;
    }
    if record.enabled {
        host::systemctl(node.host, &["disable", "--now", SERVICE, SOCKET])?;
        record.enabled = false;
        record.save(tree)?;
    }
    if has_program {
        left.extend(record.restore(tree, |_| true)?);
        host::systemctl(node.host, &["daemon-reload"])?;
    }
    record.remove_directories(tree);
    for path in left {
        (node.say)(&format!("{} was changed by others and stays as it is", path.display()));
    }
    Ok(())
}

/// Fails while something on the node still uses pullgate. The list of places is that of the packages.
fn unused<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    if !at(node, Path::new(MAINTAIN))?.exists() {
        return Ok(());
    }
    // The connection of the kubelet that was stopped ends with its process.
    let ask = || host::output(node.host, MAINTAIN, &["users"]).map(drop).map_err(|error| error.to_string());
    until(node, ask).map_err(|said| {
        NodeError::Refused(format!("the node still uses pullgate, so it is not removed: {said}"))
    })
}

fn restart<H: Host>(node: &Node<'_, H>, unit: &str, socket: Option<&str>) -> Result<(), NodeError> {
    let before = UnitState::of(node.host, unit)?.invocation;
    // k3s has no time limit for its start.
    host::systemctl(node.host, &["restart", "--no-block", unit])?;
    watch(node, unit, Some(&before), socket)
}

/// Waits until kubelet runs, is healthy and, if there is a socket, uses it; with another invocation than `before`.
fn watch<H: Host>(
    node: &Node<'_, H>,
    unit: &str,
    before: Option<&str>,
    socket: Option<&str>,
) -> Result<(), NodeError> {
    let (mut looks, mut seen) = (0, String::new());
    let ready = until(node, || {
        let ready = look(node, unit, before, socket);
        match &ready {
            Ok(invocation) if *invocation == seen => looks += 1,
            Ok(invocation) => (looks, seen) = (1, invocation.clone()),
            Err(_) => looks = 0,
        }
        ready.and_then(|_| if looks >= READY_LOOKS { Ok(()) } else { Err("it only just started".to_owned()) })
    });
    let timeout = node.settings.timeout;
    ready.map_err(|why| NodeError::NotReady { unit: unit.to_owned(), timeout, why })
}

/// The invocation of a kubelet that is ready.
fn look<H: Host>(
    node: &Node<'_, H>,
    unit: &str,
    before: Option<&str>,
    socket: Option<&str>,
) -> Result<String, String> {
    let state = UnitState::of(node.host, unit).map_err(|error| error.to_string())?;
    if !state.active {
        return Err(format!("{unit} is not active"));
    }
    if before == Some(state.invocation.as_str()) {
        return Err(format!("{unit} was not restarted yet"));
    }
    probe::healthz(node.settings.healthz, ANSWER_TIMEOUT)?;
    if let Some(socket) = socket {
        let path = at(node, Path::new(socket)).map_err(|error| error.to_string())?;
        let count = probe::connections([socket, &path.to_string_lossy()]);
        if count.map_err(|error| format!("cannot read /proc/net/unix: {error}"))? == 0 {
            return Err(format!("kubelet has no connection to {socket}"));
        }
    }
    Ok(state.invocation)
}

/// Asks until the answer is good or the time is over; then the last reason.
fn until<H: Host>(node: &Node<'_, H>, mut ask: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        match ask() {
            Err(why) if begin.elapsed() >= node.settings.timeout => return Err(why),
            Err(_) => std::thread::sleep(node.settings.interval),
            Ok(()) => return Ok(()),
        }
    }
}

fn at<H: Host>(node: &Node<'_, H>, path: &Path) -> Result<PathBuf, NodeError> {
    node.tree.at(path).map_err(|error| NodeError::file("find", path, error))
}

/// Only one at a time changes a node. Released when it is dropped, or the process ends.
fn lock<H: Host>(node: &Node<'_, H>) -> Result<Flock<File>, NodeError> {
    let failed = |error| NodeError::file("lock", Path::new(LOCK), error);
    let path = at(node, Path::new(LOCK))?;
    let file = File::options().create(true).write(true).truncate(false).open(path).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::errno::Errno::EWOULDBLOCK => NodeError::Locked,
        other => failed(other.into()),
    })
}
