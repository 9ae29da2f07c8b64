//! The processes of the node, as /proc shows them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Maximum size of a file in /proc that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Maximum number of open files that are looked at, of all processes together.
const MAX_OPEN_FILES: usize = 1 << 18;
/// Clock ticks per second in /proc/PID/stat: `USER_HZ`, the same on all architectures that pullgate is built for.
const TICKS: u64 = 100;
/// A listening socket in /proc/net/unix: `__SO_ACCEPTCON` in include/linux/net.h.
const LISTENING: &str = "00010000";

/// A /proc file system.
#[derive(Clone, Debug)]
pub struct Processes {
    proc: PathBuf,
}

impl Processes {
    /// Those of the file system that is mounted at `proc`.
    #[must_use]
    pub fn at(proc: &Path) -> Self {
        Self { proc: proc.to_owned() }
    }

    /// The processes of root outside of containers.
    ///
    /// # Errors
    /// When they cannot be distinguished from those in containers, which can have any name.
    pub(super) fn of_the_node(&self) -> Result<Vec<u32>, String> {
        let namespace = |pid: &str| {
            let path = self.proc.join(pid).join("ns/mnt");
            fs::read_link(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let node = namespace("1").map_err(|error| {
            format!("processes of the node cannot be distinguished from those in containers: {error}")
        })?;
        let is_root = |pid: &u32| {
            let metadata = fs::metadata(self.proc.join(pid.to_string()));
            let is_trusted = |uid: u32| uid == nix::unistd::geteuid().as_raw() || uid == 0;
            // The user who starts a program with the set-user-ID bit chooses its arguments, so the real user counts too.
            metadata.is_ok_and(|it| is_trusted(it.uid())) && self.real_user(*pid).is_none_or(is_trusted)
        };
        let mut pids: Vec<u32> = self.pids().into_iter().filter(is_root).collect();
        pids.retain(|pid| namespace(&pid.to_string()).is_ok_and(|it| it == node));
        Ok(pids)
    }

    /// Who started a process: `Uid:` in /proc/PID/status (proc_pid_status(5)).
    fn real_user(&self, pid: u32) -> Option<u32> {
        let status = self.read(&format!("{pid}/status"))?;
        let status = String::from_utf8_lossy(&status);
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        users.split_ascii_whitespace().next()?.parse().ok()
    }

    fn pids(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.proc).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The arguments of a process; empty for one that has ended, or of the kernel.
    pub(super) fn arguments(&self, pid: u32) -> Vec<String> {
        let line = self.read(&format!("{pid}/cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let mut words: Vec<_> = words.collect();
        words.pop_if(|last| last.is_empty());
        words
    }

    /// When a process started.
    pub(super) fn started(&self, pid: u32) -> Option<SystemTime> {
        let stat = String::from_utf8(self.read(&format!("{pid}/stat"))?).ok()?;
        // The name of the program, in parentheses, may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: u64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
        let system = String::from_utf8(self.read("stat")?).ok()?;
        let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(UNIX_EPOCH + Duration::from_secs(boot) + Duration::from_secs(ticks / TICKS))
    }

    /// The name of a process.
    pub(super) fn name(&self, pid: u32) -> String {
        let name = self.read(&format!("{pid}/comm")).unwrap_or_default();
        String::from_utf8_lossy(&name).trim().to_owned()
    }

    /// The processes that have a listening Unix socket at `path`. A socket that was renamed is not found.
    pub(super) fn listeners(&self, path: &Path) -> Vec<u32> {
        let Some(table) = self.read("net/unix") else { return Vec::new() };
        let table = String::from_utf8_lossy(&table);
        let inodes: Vec<_> = table
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_ascii_whitespace().skip(3);
                let (flags, inode, found) = (fields.next()?, fields.nth(2)?, fields.next()?);
                (flags == LISTENING && Path::new(found) == path)
                    .then(|| PathBuf::from(format!("socket:[{inode}]")))
            })
            .collect();
        if inodes.is_empty() {
            return Vec::new();
        }
        let mut left = MAX_OPEN_FILES;
        let mut has_it = |pid: &u32| {
            let files = fs::read_dir(self.proc.join(pid.to_string()).join("fd"));
            let mut files = files.into_iter().flatten().flatten().take(left);
            files.any(|file| {
                left = left.saturating_sub(1);
                fs::read_link(file.path()).is_ok_and(|target| inodes.contains(&target))
            })
        };
        self.pids().into_iter().filter(|pid| has_it(pid)).collect()
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = fs::File::open(self.proc.join(name)).ok()?;
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_program_that_another_user_started_is_not_one_of_the_node() {
        let directory = tempfile::tempdir().unwrap();
        let process = in_namespace(directory.path(), 7, 1);
        in_namespace(directory.path(), 1, 1);
        for (users, expected) in [("0\t0\t0\t0", true), ("65534\t0\t0\t0", false)] {
            fs::write(process.join("status"), format!("Name:\tsu\nUid:\t{users}\n")).unwrap();
            let found = Processes::at(directory.path()).of_the_node().unwrap();
            assert_eq!(found.contains(&7), expected, "{users}");
        }
    }

    /// The directory of a process in a mount namespace.
    fn in_namespace(proc: &Path, pid: u32, namespace: u32) -> PathBuf {
        let process = proc.join(pid.to_string());
        fs::create_dir_all(process.join("ns")).unwrap();
        std::os::unix::fs::symlink(format!("mnt:[{namespace}]"), process.join("ns/mnt")).unwrap();
        process
    }

    #[test]
    fn a_process_in_a_container_is_not_one_of_the_node() {
        let directory = tempfile::tempdir().unwrap();
        let processes = Processes::at(directory.path());
        in_namespace(directory.path(), 7, 1);
        in_namespace(directory.path(), 8, 2);
        fs::create_dir(directory.path().join("9")).unwrap();
        let unknown = processes.of_the_node().unwrap_err();
        assert!(unknown.contains("those in containers: ") && unknown.contains("/1/ns/mnt: "), "{unknown}");
        in_namespace(directory.path(), 1, 1);
        let mut found = processes.of_the_node().unwrap();
        found.sort_unstable();
        assert_eq!(found, [1, 7]);
    }

    #[test]
    fn reads_this_process() {
        let processes = Processes::at(Path::new("/proc"));
        let pid = std::process::id();
        // Not on a machine whose first process is in another user namespace.
        if fs::read_link("/proc/1/ns/mnt").is_ok() {
            assert!(processes.of_the_node().unwrap().contains(&pid));
        }
        let arguments: Vec<String> = std::env::args().collect();
        assert_eq!(processes.arguments(pid), arguments);
        let started = processes.started(pid).unwrap();
        let age = SystemTime::now().duration_since(started).unwrap_or_default();
        assert!(age < Duration::from_secs(24 * 3600), "{age:?}");

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        assert!(processes.listeners(&path).is_empty());
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(processes.listeners(&path), [pid]);
        drop(listener);
        assert!(processes.listeners(&path).is_empty());
    }
}
