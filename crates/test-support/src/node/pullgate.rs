//! The daemon under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::containerd::Containerd;
use super::directory;
use super::policy::Policy;
use super::process::{self, Daemon, LIMIT};
use crate::{programs, secrets};

pub use crate::programs::pullgate as program;

pub struct Pullgate {
    directory: PathBuf,
    config: String,
    environment: Vec<(String, String)>,
    daemon: Daemon,
}

impl Drop for Pullgate {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Pullgate {
    /// Starts it in front of `containerd`, and waits until it serves.
    pub fn start(directory: PathBuf, containerd: &Containerd, policy: &Policy) -> Self {
        let config = Self::configure(&directory, containerd, policy);
        let daemon = serve(&directory, &[], &[]);
        Self { directory, config, environment: Vec::new(), daemon }
    }

    /// Writes the configuration of a daemon in front of `containerd`, and returns the path of its pullgate.toml.
    pub fn configure(directory: &Path, containerd: &Containerd, policy: &Policy) -> String {
        directory::make(directory);
        policy.write(directory);
        // Tests sign images right after they were refused.
        let config = format!(
            "[limits]\nnegative-cache-ttl = \"0s\"\n\n[listen]\nsocket = {:?}\n\n[control]\nsocket = {:?}\n\n[runtime]\nsocket = {:?}\n\n[registry]\nhosts = {:?}\n\n\
             [ledger]\ndirectory = {:?}\n\n[log]\nformat = \"json\"\nlevel = {:?}\n",
            socket_in(directory),
            directory.join("run/control.sock"),
            containerd.socket(),
            containerd.hosts().display().to_string(),
            directory.join("evidence"),
            // The most verbose level, if the log is searched for secrets.
            if secrets::run().is_some() { "trace" } else { "info" },
        );
        directory::write(&directory.join("pullgate.toml"), &config);
        config
    }

    pub fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    /// The control socket.
    pub fn control(&self) -> PathBuf {
        self.directory.join("run/control.sock")
    }

    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Restarts it with another policy.
    pub fn restart_with(&mut self, policy: &Policy) {
        self.stop();
        policy.write(&self.directory);
        self.start_again();
    }

    /// Restarts it with additional lines in its pullgate.toml.
    pub fn restart_configured(&mut self, lines: &str) {
        self.stop();
        directory::write(&self.directory.join("pullgate.toml"), format!("{}\n{lines}\n", self.config));
        self.start_again();
    }

    /// Restarts it with `runtime` in place of containerd's socket, permanently.
    pub fn restart_before(&mut self, runtime: &Path) {
        self.stop();
        let mut lines: Vec<_> = self.config.lines().map(ToOwned::to_owned).collect();
        let section = lines.iter().position(|line| line == "[runtime]").expect("it has a runtime");
        lines[section + 1] = format!("socket = {runtime:?}");
        self.config = lines.join("\n");
        directory::write(&self.directory.join("pullgate.toml"), format!("{}\n", self.config));
        self.start_again();
    }

    /// Starts it after [`Self::stop`] or [`Self::kill`].
    pub fn start_again(&mut self) {
        self.start_in(&[]);
    }

    /// As [`Self::start_again`], in another environment: `command` gets the program and its arguments, and must exec it.
    pub fn start_in(&mut self, command: &[&str]) {
        self.daemon = serve(&self.directory, command, &self.environment);
    }

    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// The directory of the ledger.
    pub fn evidence(&self) -> PathBuf {
        self.directory.join("evidence")
    }

    /// The configuration directory.
    pub fn configuration(&self) -> &Path {
        &self.directory
    }

    /// Restarts it without any cache.
    pub fn restart_forgetful(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(self.directory.join("evidence"));
        self.start_again();
    }

    /// Restarts it with these environment variables.
    pub fn restart_in(&mut self, environment: Vec<(String, String)>) {
        self.stop();
        self.environment = environment;
        self.start_again();
    }

    /// Restarts it with `from` in its pullgate.toml replaced by `to`, permanently.
    pub fn restart_edited(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from} is not in {}", self.config);
        self.config = self.config.replace(from, to);
        self.restart_configured("");
    }

    /// Ends it as systemd does, and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        if secrets::run().is_some() && self.control().exists() {
            // The output is recorded for the search for secrets.
            let _ = process::run(self.command().args(["status", "--output", "json"]));
        }
        let code = self.daemon.stop();
        secrets::keep(&self.directory.join("pullgate.log"));
        secrets::keep(&self.directory.join("evidence"));
        code
    }

    /// Aborts it, and waits for its end.
    pub fn abort(&mut self) -> ExitStatus {
        self.daemon.signal(Signal::SIGABRT);
        self.daemon.wait()
    }

    /// Writes a policy, sends SIGHUP, and returns the log record of the result.
    pub fn reload(&self, policy: &Policy) -> Value {
        policy.write(&self.directory);
        self.reload_as_it_is()
    }

    /// Sends SIGHUP, and returns the log record of the result.
    pub fn reload_as_it_is(&self) -> Value {
        let before = self.records().len();
        self.daemon.signal(Signal::SIGHUP);
        self.wait_for_record(before, |record| {
            let message = record["message"].as_str().unwrap_or_default();
            message.starts_with("policy in force") || message.contains("policy is invalid")
        })
    }

    /// `pullgate` with this daemon's configuration.
    pub fn command(&self) -> Command {
        command(&self.directory)
    }

    /// `pullgate-signer` with this daemon's configuration.
    pub fn signer(&self) -> Command {
        let mut command = Command::new(programs::signer());
        command.arg("--config").arg(&self.directory);
        command
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }

    pub fn records(&self) -> Vec<Value> {
        records(&self.directory.join("pullgate.log")).collect()
    }

    /// All decisions about requested images, without the sandbox image.
    pub fn decisions(&self) -> Vec<Value> {
        let others = |record: &Value| record["verdict"].is_string() && record["peer.pid"] != self.id();
        self.records().into_iter().filter(others).collect()
    }

    /// The next decision after `before` others.
    pub fn decision(&self, before: usize) -> Value {
        let decision = process::wait(LIMIT, || self.decisions().into_iter().nth(before));
        decision.unwrap_or_else(|| panic!("there is no decision in the log:\n{}", self.daemon.log()))
    }

    /// The first record after `before` others that matches.
    pub fn wait_for_record(&self, before: usize, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let found =
            process::wait(LIMIT, || self.records().into_iter().skip(before).find(|record| is_wanted(record)));
        found.unwrap_or_else(|| panic!("the record does not come; the log:\n{}", self.daemon.log()))
    }

    /// Its resident memory in bytes.
    pub fn resident_memory(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The part of its resident memory, in bytes, that is not a mapped file: heap and stacks.
    pub fn anonymous_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    /// Its peak memory in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default();
        let kibibytes: Option<u64> = line.trim().trim_end_matches(" kB").parse().ok();
        kibibytes.map_or(0, |kibibytes| kibibytes << 10)
    }
}

/// `pullgate` with the configuration in `directory`.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg("--config").arg(directory);
    command
}

fn serve(directory: &Path, around: &[&str], environment: &[(String, String)]) -> Daemon {
    // Remove the log of an earlier run, which says that it serves.
    let log = directory.join("pullgate.log");
    let _ = fs::remove_file(&log);
    let program = program();
    let (first, rest) = around
        .split_first()
        .map_or((program.as_path(), None), |(first, rest)| (Path::new(first), Some(rest)));
    let serve = |command: &mut Command| {
        if let Some(rest) = rest {
            command.args(rest).arg(&program);
        }
        command.arg("--config").arg(directory).arg("serve").current_dir(directory);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
    };
    let mut daemon = Daemon::start(first, serve, &log);
    daemon.wait_until("serving", || records(&log).any(|record| record["message"] == "serving").then_some(()));
    daemon
}

fn records(log: &Path) -> impl Iterator<Item = Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    // The last line may be incomplete.
    let records: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    records.into_iter()
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("run/pullgate.sock")
}
