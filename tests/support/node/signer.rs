//! `pullgate signer` beside the node's registry, which notifies it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::keys::PrivateKey;
use super::process::{self, Daemon, LIMIT};
use super::{Node, directory, pullgate};

/// What the registry shows.
const SECRET: &str = "open-sesame-signer";

pub struct Signer {
    directory: PathBuf,
    daemon: Daemon,
}

impl Signer {
    /// A signer with one rule, `release`, that signs what is pushed to `namespace` with the node's release key; and the
    /// node's registry, started anew, that notifies it.
    pub fn start(node: &mut Node, namespace: &str) -> Self {
        let directory = node.directory().join("signer");
        let signer = Self::start_with(directory, node.registry.host(), namespace, &node.release);
        let port = signer.port();
        node.registry.restart_with_notifications(&format!("http://127.0.0.1:{port}/notify"), SECRET);
        signer
    }

    /// The same without a registry that notifies it.
    pub fn start_with(directory: PathBuf, host: &str, namespace: &str, key: &PrivateKey) -> Self {
        directory::make(&directory);
        let port = free_port();
        let secret = directory.join("secret");
        directory::write(&secret, SECRET);
        let mut close = Command::new("chmod");
        process::must_run(close.arg("600").arg(&secret));
        let at = directory.display();
        let config = format!(
            "[registry]\nhost = {host:?}\n[listen]\naddress = \"127.0.0.1:{port}\"\nsecret-file = \"{at}/secret\"\n\
             [control]\nsocket = \"{at}/control.sock\"\n[state]\ndirectory = \"{at}/state\"\n\
             [authenticator.release]\nkey = {:?}\nalgorithm = {:?}\nsignatures-per-second = 10000\n\
             [[rule]]\nname = \"release\"\nauthenticator = \"release\"\nscope = \"{host}/{namespace}\"\n",
            key.file.display().to_string(),
            key.kind.algorithm(),
        );
        directory::write(&directory.join("signer.toml"), config);
        directory::write(&directory.join("port"), port.to_string());
        let daemon = serve(&directory);
        let signer = Self { directory, daemon };
        signer.until(|status| status["rules"][0]["started"] == true);
        signer
    }

    fn port(&self) -> String {
        std::fs::read_to_string(self.directory.join("port")).unwrap_or_default()
    }

    /// Where it is notified, as host with port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The value of the header Authorization.
    pub fn authorization() -> String {
        format!("Bearer {SECRET}")
    }

    /// Ends it as systemd does.
    pub fn stop(&mut self) {
        assert_eq!(self.daemon.stop(), Some(0), "{}", self.daemon.log());
    }

    pub fn start_again(&mut self) {
        self.daemon = serve(&self.directory);
    }

    /// `pullgate signer` with its configuration.
    pub fn command(&self) -> Command {
        let mut command = pullgate::command(&self.directory);
        command.arg("signer");
        command
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Waits until nothing waits.
    pub fn until_idle(&self) {
        self.until(|status| status["waiting"] == 0 && status["busy"] == 0);
    }

    fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let found = process::wait(LIMIT, || {
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

fn serve(directory: &Path) -> Daemon {
    let configure = |command: &mut Command| {
        command.arg("--config").arg(directory).arg("signer");
    };
    let mut daemon = Daemon::start(&pullgate::program(), configure, &directory.join("log"));
    let socket = directory.join("control.sock");
    let reachable = || std::os::unix::net::UnixStream::connect(&socket).ok().map(drop);
    daemon.wait_until("serving", reachable);
    daemon
}

/// A port that nobody listens at now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("a listener has an address").port()
}
