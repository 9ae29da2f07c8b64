//! Makes the changes of a plan, and takes them back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::host::{self, Host, UnitState};
use super::plan::{PROGRAM, Plan, SERVICE, SOCKET};
use super::record::{FailedAttempt, Part, Record};
use super::{Node, NodeError, peers, probe};

const LOCK: &str = "/run/pullgate-node.lock";
const MAINTAIN: &str = "/usr/lib/pullgate/maintain";
/// Where the new program is while it checks the policy. A directory from which programs may run, unlike perhaps /run and /tmp.
const CANDIDATE: &str = "/usr/bin/.pullgate-candidate";
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
/// When a check fails; nothing was changed then. When a step fails, or kubelet does not become ready: everything is then put
/// back. On a node where kubelet was ready with pullgate before, only what this update replaced is put back.
pub fn install<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    let _lock = lock(node)?;
    let mut record = Record::load(&node.tree)?;
    let mut plan = Plan::make(node, &record)?;
    (node.say)(&plan.text());
    if let Some(failure) = record.failure.as_ref().filter(|it| it.fingerprint == plan.fingerprint)
        && !node.settings.retry
    {
        return Err(NodeError::Refused(format!(
            "the last attempt failed ({}), and nothing has changed since; change the configuration or the program, or add \
             --retry",
            failure.why
        )));
    }
    if plan.is_done() && plan.kubelet.state.running {
        // Perhaps the files were written by somebody else, and kubelet was not restarted.
        let Err(error) = watch(node, plan.kubelet.unit, None, Some(plan.socket.as_str())) else {
            record.set_installed(&node.tree)?;
            return record.settle(&node.tree);
        };
        // A kubelet that fails for another reason must not be the end of pullgate on this node.
        if probe::healthz(node.settings.healthz, ANSWER_TIMEOUT).is_err() {
            return Err(error);
        }
        (node.say)(&error.to_string());
        plan.restart_kubelet = true;
    }
    check(node, &plan, &record)?;
    let answered = answers(node, &plan).is_ok();
    let done = prepare(node, &plan, &mut record).and_then(|()| switch(node, &plan, &mut record));
    let Err(error) = done else { return record.settle(&node.tree) };
    // What may be different at the next attempt is tried again, unless a failure costs kubelet something.
    let is_final = matches!(error, NodeError::NotReady { .. }) || (record.installed && answered);
    let failure = FailedAttempt { fingerprint: plan.fingerprint.clone(), why: error.to_string() };
    if is_final && !(record.installed && record.parts_to_put_back().is_empty()) {
        // Before kubelet is restarted again: if it does not become ready then either, it is left alone.
        record.failure = Some(failure);
        record.save(&node.tree)?;
    }
    // A node that enforced the policy keeps on: without pullgate, kubelet would pull what nobody has verified.
    let put_back = if record.installed {
        if record.parts_to_put_back().is_empty() {
            return Err(error);
        }
        (node.say)(&format!("{error}; undoing the update"));
        put_update_back(node, &plan, &mut record)
    } else {
        (node.say)(&format!("{error}; undoing all changes"));
        take_back(node, &mut record)
    };
    put_back.map_err(|worse| NodeError::NotPutBack(Box::new(worse)))?;
    if is_final {
        record.save(&node.tree)?;
    } else if !record.installed {
        record.remove(&node.tree)?;
    }
    Err(NodeError::PutBack(Box::new(error)))
}

/// Restores what [`install`] has changed.
///
/// # Errors
/// When something cannot be restored; running it again continues.
pub fn uninstall<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    let _lock = lock(node)?;
    let mut record = Record::load(&node.tree)?;
    remove_candidate(node)?;
    if record.is_empty() {
        (node.say)("nothing to restore");
        return record.remove(&node.tree);
    }
    take_back(node, &mut record)?;
    record.remove(&node.tree)
}

/// Checks what can be checked while everything is as before: the policy is checked by the program that is to load it.
fn check<H: Host>(node: &Node<'_, H>, plan: &Plan, record: &Record) -> Result<(), NodeError> {
    if plan.is_done() {
        return Ok(());
    }
    if plan.restart_kubelet {
        peers::clients([&plan.socket; 2]).map_err(|error| {
            NodeError::Refused(format!(
                "the kernel does not report which processes are connected to a socket: {error}"
            ))
        })?;
    }
    if plan.restart_kubelet && !record.restart_kubelet {
        probe::healthz(node.settings.healthz, ANSWER_TIMEOUT).map_err(|why| {
            NodeError::Refused(format!("kubelet is not healthy, so it is not restarted: {why}"))
        })?;
    }
    let candidate = Path::new(CANDIDATE);
    let new = plan.changes.iter().find(|it| it.path == Path::new(PROGRAM));
    if let Some(new) = new {
        let written = node.tree.write(candidate, &new.contents);
        written.map_err(|error| NodeError::file("write", candidate, error))?;
    }
    let program = if new.is_some() { CANDIDATE } else { PROGRAM };
    let config = node.settings.config.to_string_lossy();
    let checked = host::output(node.host, program, &["--config", &config, "policy", "check", "--fetch-keys"]);
    remove_candidate(node)?;
    checked.map(drop).map_err(|error| NodeError::Policy(Box::new(error)))
}

/// Also one that a crash has left.
fn remove_candidate<H: Host>(node: &Node<'_, H>) -> Result<(), NodeError> {
    let candidate = Path::new(CANDIDATE);
    node.tree.remove(candidate).map_err(|error| NodeError::file("remove", candidate, error))
}

/// Everything before kubelet is touched.
fn prepare<H: Host>(node: &Node<'_, H>, plan: &Plan, record: &mut Record) -> Result<(), NodeError> {
    if plan.is_done() {
        return Ok(());
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
    until(node, || answers(node, plan)).map_err(|why| {
        NodeError::Refused(format!(
            "{} does not answer: {why}; run `pullgate status` and `journalctl --unit {SERVICE}` to find the cause",
            plan.socket
        ))
    })
}

/// Whether pullgate and containerd answer as kubelet needs it.
fn answers<H: Host>(node: &Node<'_, H>, plan: &Plan) -> Result<(), String> {
    let socket = node.tree.at(Path::new(&plan.socket)).map_err(|error| error.to_string())?;
    probe::image_service(&socket, ANSWER_TIMEOUT)
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
        for change in changes {
            record.change(&node.tree, &change.path, &change.contents, change.part)?;
        }
        host::systemctl(node.host, &["daemon-reload"])?;
    }
    if plan.restart_kubelet {
        restart(node, unit, Some(plan.socket.as_str()))?;
        record.restart_kubelet = false;
        record.installed = true;
        record.save(&node.tree)?;
    }
    if plan.stale.is_empty() {
        return Ok(());
    }
    // Last, because a kubelet that is put back may need them.
    record.restore(&node.tree, |file| plan.stale.contains(&file.path))?;
    host::systemctl(node.host, &["daemon-reload"]).map(drop)
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
        if UnitState::of(node.host, unit)?.running || was_restarted {
            restart(node, unit, None)?;
        }
        record.restart_kubelet = false;
        record.save(tree)?;
    }
    let has_program = record.files.iter().any(|it| it.part == Part::Program);
    // Not if there was a program before, which stays or comes back.
    if record.enabled || record.files.iter().any(|it| it.path == Path::new(PROGRAM) && it.is_new()) {
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
        restart_pullgate(node, record)?;
    }
    record.remove_directories(tree);
    for path in left {
        (node.say)(&format!(
            "{} was not restored, because it has been changed since pullgate wrote it",
            path.display()
        ));
    }
    Ok(())
}

/// Restores what an update replaced on a node that keeps enforcing the policy.
fn put_update_back<H: Host>(node: &Node<'_, H>, plan: &Plan, record: &mut Record) -> Result<(), NodeError> {
    let parts = record.parts_to_put_back();
    record.restart_pullgate |= parts.contains(&Part::Program);
    // Also after a crash.
    record.restart_kubelet |= parts.contains(&Part::Kubelet) && plan.kubelet.state.running;
    record.save(&node.tree)?;
    record.put_update_back(&node.tree)?;
    host::systemctl(node.host, &["daemon-reload"])?;
    restart_pullgate(node, record)?;
    if record.restart_kubelet {
        restart(node, plan.kubelet.unit, Some(plan.socket.as_str()))?;
        record.restart_kubelet = false;
        record.save(&node.tree)?;
    }
    Ok(())
}

/// Restarts pullgate with the program that was restored, if it runs.
fn restart_pullgate<H: Host>(node: &Node<'_, H>, record: &mut Record) -> Result<(), NodeError> {
    if UnitState::of(node.host, SERVICE)?.running {
        host::systemctl(node.host, &["restart", SERVICE])?;
    }
    record.restart_pullgate = false;
    record.save(&node.tree)
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
    let UnitState { invocation: before, running, .. } = UnitState::of(node.host, unit)?;
    if !running {
        // systemd no longer starts a unit that has failed too often.
        host::systemctl(node.host, &["reset-failed", unit])?;
    }
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
        ready.and_then(|_| {
            if looks >= READY_LOOKS { Ok(()) } else { Err("it started only a moment ago".to_owned()) }
        })
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
        let connected = peers::is_connected(&state, [socket, &path.to_string_lossy()]);
        if !connected
            .map_err(|error| format!("cannot find which processes are connected to {socket}: {error}"))?
        {
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
