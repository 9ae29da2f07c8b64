//! A copy of the Debian root of the test environment (`tests/environment/root-copy`), in namespaces of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::environment;

/// The environment of programs in the copy.
pub const ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"];

/// Ends with the value, and with the thread that made it.
#[derive(Debug)]
pub struct RootCopy {
    directory: PathBuf,
    /// Its standard input keeps the copy.
    keeper: Child,
}

impl RootCopy {
    /// Mounts the copy below a directory: `root`, and what was changed in it as `changes`.
    pub fn new(directory: &Path) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "namespaces and mounts need root");
        let mut keeper = Command::new(environment::script("root-copy"));
        keeper.env("PULLGATE_ENVIRONMENT", environment::with_root()).arg(directory);
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash is there");
        let mut line = String::new();
        let _ = BufReader::new(keeper.stdout.take().expect("it is piped")).read_line(&mut line);
        assert_eq!(line, "ready\n", "the root cannot be mounted");
        Self { directory: directory.to_owned(), keeper }
    }

    /// The root, for programs that run in its mount namespace.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The process in whose namespaces the copy is.
    pub fn process(&self) -> u32 {
        child_of(self.keeper.id()).expect("the copy is there")
    }
}

impl Drop for RootCopy {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The only child of a process.
pub(super) fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.trim().parse().ok()
}
