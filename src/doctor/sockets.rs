//! Who listens at pullgate's socket, and who may connect.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Diagnosis, Finding, Processes};

/// The first process, which is systemd on a node, and which holds sockets that it activates.
const INIT: u32 = 1;

/// The access rights of a socket file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub owner: u32,
    pub group: u32,
    /// The bits of the mode.
    pub mode: u32,
}

impl Access {
    /// Those of the file at `path`, if it exists.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let mode = metadata.permissions().mode() & 0o777;
        Some(Self { owner: metadata.uid(), group: metadata.gid(), mode })
    }

    /// Whether every user may connect, or a user other than root owns it.
    pub(super) fn is_open(self, trusted: u32) -> bool {
        self.mode & 0o002 != 0 || (self.owner != 0 && self.owner != trusted)
    }

    /// Whether a group other than root's may connect.
    pub(super) fn is_open_to_group(self) -> bool {
        self.mode & 0o020 != 0 && self.group != 0
    }

    pub(super) fn describe(self) -> String {
        format!("owner {}, group {}, mode {:04o}", self.owner, self.group, self.mode)
    }
}

/// What is known of the socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketFacts {
    pub path: PathBuf,
    pub access: Option<Access>,
    /// Why it cannot be connected to.
    pub problem: Option<String>,
    /// The process that called listen(2), as the kernel reports it to a client: process and user.
    pub listener: Option<(u32, u32)>,
    /// All processes that have the listening socket open, with their names. Empty if that cannot be seen.
    pub holders: Vec<(u32, String)>,
    /// The daemon's process, as it says itself.
    pub daemon: Option<u32>,
    /// The user whose daemon counts as ours, besides root.
    pub trusted: u32,
}

impl SocketFacts {
    /// Connects to the socket, which starts a daemon that systemd activates by it.
    pub async fn gather(at: &Path, path: &Path, processes: &Processes, limit: Duration) -> Self {
        let mut facts = Self {
            path: path.to_owned(),
            access: Access::of(at),
            trusted: nix::unistd::geteuid().as_raw(),
            ..Self::default()
        };
        match tokio::time::timeout(limit, tokio::net::UnixStream::connect(at)).await {
            Ok(Ok(stream)) => {
                let peer = stream.peer_cred().ok();
                facts.listener = peer.and_then(|peer| Some((u32::try_from(peer.pid()?).ok()?, peer.uid())));
            }
            Ok(Err(error)) => facts.problem = Some(error.to_string()),
            Err(_) => facts.problem = Some(format!("no connection within {} s", limit.as_secs())),
        }
        let holders = processes.listeners(path).into_iter();
        facts.holders = holders.map(|pid| (pid, processes.name(pid))).collect();
        facts
    }
}

#[must_use]
pub fn evaluate(facts: &SocketFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |diagnosis, evidence: &str| {
        findings.push(Finding::new(diagnosis, &format!("{}: {evidence}", facts.path.display())));
    };
    if let Some(access) = facts.access.filter(|access| access.is_open(facts.trusted)) {
        found(Diagnosis::SocketAccess, &access.describe());
    }
    if let Some(problem) = &facts.problem {
        found(Diagnosis::SocketDead, problem);
        return findings;
    }
    let ours = |pid: u32| pid == INIT || facts.daemon == Some(pid);
    // Without the daemon's answer, `daemon-down` says what is wrong.
    let strangers: Vec<_> = match facts.daemon {
        Some(_) => facts.holders.iter().filter(|(pid, _)| !ours(*pid)).collect(),
        None => Vec::new(),
    };
    match facts.listener {
        Some((pid, user)) if user != 0 && user != facts.trusted => {
            found(Diagnosis::SocketOwner, &format!("process {pid} of user {user} listens"));
        }
        Some((pid, _)) if facts.daemon.is_some() && pid != 0 && !ours(pid) => {
            found(Diagnosis::SocketOwner, &format!("process {pid} listens, and not the daemon"));
        }
        _ if !strangers.is_empty() => {
            let strangers: Vec<_> =
                strangers.iter().map(|(pid, name)| format!("process {pid} ({name})")).collect();
            found(Diagnosis::SocketOwner, &format!("{} can accept its connections", strangers.join(", ")));
        }
        Some((INIT, _)) => found(Diagnosis::SocketOk, "systemd holds it for pullgate"),
        Some((pid, _)) => found(Diagnosis::SocketOk, &format!("process {pid} listens")),
        None => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_listener_is_found() {
        let root = Access { owner: 0, group: 0, mode: 0o600 };
        let facts = || SocketFacts {
            path: PathBuf::from("/run/pullgate/pullgate.sock"),
            access: Some(root),
            listener: Some((1, 0)),
            holders: vec![(1, "systemd".to_owned()), (7, "pullgate".to_owned())],
            daemon: Some(7),
            ..SocketFacts::default()
        };
        let other = |pid: u32| (pid, "socat".to_owned());
        for (name, facts, expected) in [
            ("activated", facts(), &["socket"][..]),
            ("its own", SocketFacts { listener: Some((7, 0)), holders: vec![], ..facts() }, &["socket"]),
            (
                "another process",
                SocketFacts { listener: Some((8, 0)), holders: vec![], ..facts() },
                &["socket-owner"],
            ),
            ("another user", SocketFacts { listener: Some((7, 1000)), ..facts() }, &["socket-owner"]),
            (
                "one beside it",
                SocketFacts { holders: vec![other(7), other(9)], ..facts() },
                &["socket-owner"],
            ),
            ("no daemon", SocketFacts { daemon: None, holders: vec![other(9)], ..facts() }, &["socket"]),
            ("dead", SocketFacts { problem: Some("refused".to_owned()), ..facts() }, &["socket-dead"]),
            (
                "open to all",
                SocketFacts { access: Some(Access { mode: 0o666, ..root }), ..facts() },
                &["socket-access", "socket"],
            ),
            (
                "of another owner",
                SocketFacts { access: Some(Access { owner: 1000, ..root }), ..facts() },
                &["socket-access", "socket"],
            ),
            (
                "of a group",
                SocketFacts { access: Some(Access { group: 9, mode: 0o660, ..root }), ..facts() },
                &["socket"],
            ),
        ] {
            let codes: Vec<_> = evaluate(&facts).into_iter().map(|finding| finding.id).collect();
            assert_eq!(codes, expected, "{name}");
        }
    }
}
