//! Whose connections a Unix socket has: kubelet's, and not those of some other program.
//!
//! The sockets at the other end come from the kernel (sock_diag(7)), which /proc/net/unix does not have; whose they are, from
//! /proc.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::host::UnitState;

/// Maximum length of one message of the kernel, which splits its answer into messages of at most 32 KiB.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

// include/uapi/linux/netlink.h, sock_diag.h and unix_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const AF_UNIX: u8 = 1;
/// The bit of `TCP_ESTABLISHED`.
const CONNECTED: u32 = 1 << 1;
const UDIAG_SHOW_NAME_AND_PEER: u32 = 0x1 | 0x4;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const HEADER_BYTES: usize = 16;
/// `struct unix_diag_msg`.
const SOCKET_BYTES: usize = 16;

/// Whether the kubelet that runs in this unit has a connection to a listener at one of these paths.
///
/// # Errors
/// When the kernel does not say who is connected.
pub(super) fn is_connected(unit: &UnitState, paths: [&str; 2]) -> io::Result<bool> {
    let clients = clients(paths)?;
    Ok(kubelets(Path::new("/proc"), unit)?
        .iter()
        .any(|process| !sockets_of(&Path::new("/proc").join(process)).is_disjoint(&clients)))
}

/// The inode numbers of sockets that are connected to a listener at one of these paths.
///
/// # Errors
/// When the kernel does not say it: it is built without `CONFIG_UNIX_DIAG`.
pub(super) fn clients(paths: [&str; 2]) -> io::Result<BTreeSet<u64>> {
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkSockDiag);
    let kernel = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    send(kernel.as_raw_fd(), &request(), MsgFlags::empty())?;
    let (mut found, mut buffer) = (BTreeSet::new(), vec![0; MAX_MESSAGE_BYTES]);
    loop {
        let length = recv(kernel.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if read_messages(buffer.get(..length).unwrap_or_default(), paths, &mut found)? {
            return Ok(found);
        }
    }
}

/// A `struct nlmsghdr` and a `struct unix_diag_req`, for all connected sockets.
fn request() -> Vec<u8> {
    let (any, sequence, port) = (u32::MAX, 0_u32, 0_u32);
    let mut body = vec![AF_UNIX, 0, 0, 0];
    for field in [CONNECTED, any, UDIAG_SHOW_NAME_AND_PEER, any, any] {
        body.extend(field.to_ne_bytes());
    }
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(port.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// Whether this was the last one. An accepted connection has the listener's path as its name, and the client as its peer.
fn read_messages(mut bytes: &[u8], paths: [&str; 2], found: &mut BTreeSet<u64>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let message = bytes.get(HEADER_BYTES..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(message, 0).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => {}
        }
        let (mut named, mut peer) = (false, None);
        let mut attributes = message.get(SOCKET_BYTES..).unwrap_or_default();
        while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
            let value = attributes.get(4..usize::from(length)).ok_or(io::ErrorKind::InvalidData)?;
            match kind {
                UNIX_DIAG_NAME => {
                    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
                    named = value.get(..end).is_some_and(|name| paths.iter().any(|it| it.as_bytes() == name));
                }
                UNIX_DIAG_PEER => peer = u32_at(value, 0),
                _ => {}
            }
            attributes = attributes.get(aligned(usize::from(length))..).unwrap_or_default();
        }
        found.extend(peer.filter(|_| named).map(u64::from));
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// The processes that may be this unit's kubelet: its main process, which is kubelet itself or k3s, which contains kubelet;
/// and, because RKE2 starts kubelet as a child, those in the unit's cgroup with the name `kubelet`.
fn kubelets(proc: &Path, unit: &UnitState) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if unit.main_process != "0" && !unit.main_process.is_empty() {
        found.insert(unit.main_process.clone());
    }
    for entry in fs::read_dir(proc)? {
        let process = entry?.path();
        // It may have ended since.
        let read = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        if read("comm").trim_end() == "kubelet" && is_in_group(&read("cgroup"), &unit.group) {
            found.extend(process.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// Whether a process with this /proc/PID/cgroup is in the group of a unit. The root of a pod's cgroup namespace is further down:
/// paths outside of it begin with `/..` (cgroup_namespaces(7)).
fn is_in_group(cgroup: &str, group: &str) -> bool {
    !group.is_empty()
        && cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(|path| {
            let rest = path.trim_start_matches("/..").strip_prefix(group);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// The inode numbers of the sockets that a process has open.
fn sockets_of(process: &Path) -> BTreeSet<u64> {
    let inode = |target: &str| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    let entries = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    entries.filter_map(|it| inode(&fs::read_link(it.path()).ok()?.to_string_lossy())).collect()
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4).max(4)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn finds_the_clients_of_a_socket_and_whose_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (ours, other) = (path("ours"), path("other"));
        let listeners = [&ours, &other].map(|path| UnixListener::bind(path).unwrap());
        assert_eq!(clients([&ours, "/absent"]).unwrap(), BTreeSet::new());
        let _elsewhere = (UnixStream::connect(&other).unwrap(), listeners[1].accept().unwrap());
        let of = |process: u32| UnitState { main_process: process.to_string(), ..UnitState::default() };
        assert!(!is_connected(&of(std::process::id()), [&ours, "/absent"]).unwrap());
        // A connection that waits to be accepted does not count.
        let client = UnixStream::connect(&ours).unwrap();
        assert_eq!(clients([&ours, "/absent"]).unwrap(), BTreeSet::new());
        let accepted = listeners[0].accept().unwrap();
        assert_eq!(clients(["/absent", &ours]).unwrap().len(), 1);
        assert!(is_connected(&of(std::process::id()), [&ours, "/absent"]).unwrap());
        assert!(!is_connected(&of(1), [&ours, "/absent"]).unwrap());
        drop((client, accepted));
        assert_eq!(clients([&ours, "/absent"]).unwrap(), BTreeSet::new());
    }

    #[test]
    fn kubelet_is_the_main_process_or_has_its_name_in_the_group_of_the_unit() {
        let proc = tempfile::tempdir().unwrap();
        for (process, name, cgroup) in [
            ("10", "rke2", "0::/system.slice/rke2-agent.service\n"),
            ("11", "kubelet", "12:cpu:/\n1:name=systemd:/system.slice/rke2-agent.service\n"),
            ("12", "kubelet", "0::/../../system.slice/rke2-agent.service/inner\n"),
            ("13", "kubelet", "0::/kubepods/system.slice/rke2-agent.service\n"),
            ("14", "kubelet", "0::/system.slice/rke2-agent.service2\n"),
            ("15", "containerd", "0::/system.slice/rke2-agent.service\n"),
        ] {
            fs::create_dir(proc.path().join(process)).unwrap();
            fs::write(proc.path().join(process).join("comm"), format!("{name}\n")).unwrap();
            fs::write(proc.path().join(process).join("cgroup"), cgroup).unwrap();
        }
        fs::write(proc.path().join("version"), "Linux").unwrap();
        let unit = |process: &str, group: &str| UnitState {
            main_process: process.to_owned(),
            group: group.to_owned(),
            ..UnitState::default()
        };
        for (unit, expected) in [
            (unit("10", "/system.slice/rke2-agent.service"), vec!["10", "11", "12"]),
            (unit("0", ""), vec![]),
        ] {
            let found = kubelets(proc.path(), &unit).unwrap();
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{unit:?}");
        }
    }
}
