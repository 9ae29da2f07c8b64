//! A running `pullgate serve`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pullgate_test::programs;

/// A running `pullgate serve`, until it is dropped.
pub(crate) struct Serving {
    child: Child,
    log: PathBuf,
}

impl Serving {
    /// Starts it with the configuration in `root`.
    pub(crate) fn start(root: &Path) -> Self {
        let log = root.join("log");
        let file = std::fs::File::create(&log).unwrap();
        let child = command(programs::pullgate(), root)
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has this text.
    pub(crate) async fn wait_for(&self, text: &str) {
        self.wait_until(text, || self.log().contains(text)).await;
    }

    /// Waits until something is `true`.
    pub(crate) async fn wait_until(&self, what: &str, mut is: impl FnMut() -> bool) {
        for _ in 0..1200 {
            if is() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what:?} does not come; the log:\n{}", self.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of `program` with the configuration in `root`.
pub(crate) fn command(program: PathBuf, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(root);
    command
}
