//! `pullgate-signer serve` beside the node's registry, which notifies it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::keys::PrivateKey;
use super::process::{self, Daemon, LIMIT};
use super::{Node, directory};
use crate::{programs, secrets};

/// The registry's secret for notifications.
const SECRET: &str = "pg5ECRET-signer";

/// The name of its rule, and of the rule's authenticator.
pub const RULE: &str = "release";

pub struct Signer {
    directory: PathBuf,
    /// The scope of its rule, with the host.
    scope: String,
    daemon: Daemon,
}

impl Signer {
    /// A signer with one rule, [`RULE`], that signs pushes to `namespace` with the node's release key. Restarts the node's
    /// registry with notifications.
    pub fn start(node: &mut Node, namespace: &str) -> Self {
        let directory = node.directory().join("signer");
        let signer = Self::start_with(directory, node.registry.host(), namespace, &node.release);
        let port = signer.port();
        node.registry.restart_with_notifications(&format!("http://127.0.0.1:{port}/notify"), SECRET);
        signer
    }

    /// As [`Self::start`], without a registry that sends notifications.
    pub fn start_with(directory: PathBuf, host: &str, namespace: &str, key: &PrivateKey) -> Self {
        directory::make(&directory);
        let secret = directory.join("secret");
        directory::write(&secret, SECRET);
        let mut close = Command::new("chmod");
        process::must_run(close.arg("600").arg(&secret));
        directory::write(&directory.join("port"), free_port().to_string());
        let scope = format!("{host}/{namespace}");
        configure(&directory, &scope, key);
        if secrets::run().is_some() {
            // The most verbose level, if the log is searched for secrets.
            directory::write(&directory.join("pullgate.toml"), "[log]\nlevel = \"trace\"\n");
        }
        let daemon = serve(&directory);
        let signer = Self { directory, scope, daemon };
        signer.until(|status| status["rules"][0]["started"] == true);
        signer
    }

    /// Changes the rule to another key, and waits until it is active.
    pub fn change_key(&self, key: &PrivateKey) {
        configure(&self.directory, &self.scope, key);
        self.daemon.signal(Signal::SIGHUP);
        let fingerprint = key.fingerprint();
        self.until(|status| {
            let rule = &status["rules"][0];
            rule["key"] == fingerprint.as_str() && rule["started"] == true
        });
    }

    fn port(&self) -> String {
        port_in(&self.directory)
    }

    /// The address of the notification endpoint, as host with port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The value of the header Authorization.
    pub fn authorization() -> String {
        format!("Bearer {SECRET}")
    }

    pub fn stop(&mut self) {
        assert_eq!(self.daemon.stop(), Some(0), "{}", self.daemon.log());
    }

    pub fn start_again(&mut self) {
        self.daemon = serve(&self.directory);
    }

    /// `pullgate-signer` with its configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(programs::signer());
        command.arg("--config").arg(&self.directory);
        command
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Waits until the queue is empty.
    pub fn until_idle(&self) {
        self.until(|status| status["waiting"] == 0 && status["busy"] == 0);
    }

    fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let found = process::wait(LIMIT, || {
            assert!(self.directory.exists(), "the signer's directory was cleared away");
            let output = self.command().args(["status", "--output", "json"]).output().ok()?;
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            is_so(&status).then_some(())
        });
        assert!(found.is_some(), "the signer is not as it should be:\n{}", self.log());
    }

    /// The audit record.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.join("state/audit.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Writes signer.toml.
fn configure(directory: &Path, scope: &str, key: &PrivateKey) {
    let (at, port) = (directory.display(), port_in(directory));
    let host = scope.split('/').next().unwrap_or_default();
    let config = format!(
        "[registry]\nhost = {host:?}\n[listen]\naddress = \"127.0.0.1:{port}\"\nsecret-file = \"{at}/secret\"\n\
         [control]\nsocket = \"{at}/control.sock\"\n[state]\ndirectory = \"{at}/state\"\n\
         [authenticator.{RULE}]\nkey = {:?}\nalgorithm = {:?}\nsignatures-per-second = 10000\n\
         [[rule]]\nname = {RULE:?}\nauthenticator = {RULE:?}\nscope = {scope:?}\nlayout = \"classic\"\n",
        key.file.display().to_string(),
        key.kind.algorithm(),
    );
    directory::write(&directory.join("signer.toml"), config);
}

fn port_in(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("port")).unwrap_or_default()
}

impl Drop for Signer {
    fn drop(&mut self) {
        if secrets::run().is_none() {
            return;
        }
        let _ = process::run(self.command().args(["status", "--output", "json"]));
        if let Some(answer) = ask(&self.directory.join("control.sock"), "/metrics") {
            secrets::wrote("metrics", answer);
        }
        self.daemon.stop();
        secrets::keep(&self.directory.join("log"));
        secrets::keep(&self.directory.join("state"));
    }
}

/// A response of the control socket.
fn ask(socket: &Path, path: &str) -> Option<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: signer\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

fn serve(directory: &Path) -> Daemon {
    let configure = |command: &mut Command| {
        command.arg("--config").arg(directory).arg("serve");
    };
    let mut daemon = Daemon::start(&programs::signer(), configure, &directory.join("log"));
    let socket = directory.join("control.sock");
    let reachable = || UnixStream::connect(&socket).ok().map(drop);
    daemon.wait_until("serving", reachable);
    daemon
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("a listener has an address").port()
}
