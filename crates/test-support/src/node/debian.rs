//! A Debian node that systemd has booted, with containerd, and with pullgate once its package is installed.
//!
//! The root is a copy of the one in the test environment (`tests/environment/root`). systemd is PID 1 in namespaces of its
//! own, so that it neither sees nor changes this machine. Everything ends with the value, and with the thread that made it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::directory::{self, Directory};
use super::images::Layout;
use super::kubelet::Kubelet;
use super::policy::Policy;
use super::process::{self, Daemon, LIMIT};
use super::root_copy::{ENVIRONMENT, RootCopy, child_of};
use super::{cgroups, environment, images, packages};
use crate::secrets;

/// Which network the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Its own, with nothing but loopback.
    Own,
    /// That of this machine, where the tests' registries listen on loopback.
    Shared,
}

pub struct Debian {
    boot: Option<Boot>,
    copy: RootCopy,
    network: Network,
    directory: Directory,
}

/// From one start of systemd to its end.
struct Boot {
    /// Its child is systemd.
    daemon: Daemon,
    systemd: u32,
}

impl Debian {
    /// Boots a node without pullgate.
    pub fn boot(network: Network) -> Self {
        cgroups::remove_left_over();
        let directory = Directory::new();
        let copy = directory.path().join("copy");
        for path in [&copy, &directory.path().join("shared/logs")] {
            directory::make(path);
        }
        let copy = RootCopy::new(&copy);
        let mut node = Self { boot: None, copy, network, directory };
        node.configure_containerd();
        node.start();
        node
    }

    /// As [`Self::boot`], with pullgate installed, this policy, and more lines in pullgate.toml; enabled and started.
    pub fn with_pullgate(network: Network, policy: &Policy, lines: &str) -> Self {
        let node = Self::boot(network);
        node.install(packages::VERSION);
        node.set_up(policy, lines);
        node
    }

    /// Writes the configuration of the installed pullgate, enables and starts it.
    pub fn set_up(&self, policy: &Policy, lines: &str) {
        policy.write(&self.path("/etc/pullgate"));
        // Tests sign images right after they were refused.
        let lines = format!("[limits]\nnegative-cache-ttl = \"0s\"\n{lines}");
        directory::write(&self.path("/etc/pullgate/pullgate.toml"), lines);
        self.run("systemctl enable --now pullgate");
    }

    /// Shuts systemd down and starts it again, with the same files.
    pub fn reboot(&mut self) {
        if secrets::run().is_some() {
            // It is in memory.
            secrets::wrote("journal", self.journal(&["--unit=pullgate*"]));
        }
        let _ = self.try_run("systemctl --no-block poweroff");
        let mut boot = self.boot.take().expect("it is running");
        boot.daemon.wait();
        cgroups::remove(&self.cgroup());
        self.start();
    }

    fn start(&mut self) {
        let namespace = |kind: &str| format!("/proc/{}/ns/{kind}", self.copy.process());
        let log = self.directory.path().join("boot.log");
        let configure = |command: &mut Command| {
            command.arg(format!("--mount={}", namespace("mnt")));
            if self.network == Network::Own {
                command.arg(format!("--net={}", namespace("net")));
            }
            command.arg("--").arg(environment::script("root-boot"));
            command.arg(self.directory.path().join("copy")).arg(self.cgroup()).arg(self.shared());
        };
        let mut daemon = Daemon::start(Path::new("nsenter"), configure, &log);
        let id = daemon.id();
        let is_systemd = |child: &u32| {
            fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "systemd\n")
        };
        let systemd = daemon.wait_until("systemd", || child_of(id).filter(is_systemd));
        self.boot = Some(Boot { daemon, systemd });
        let booted = process::wait(LIMIT, || {
            // Before systemd listens, and while it boots, this fails.
            let state = process::output(self.command("systemctl").arg("is-system-running")).stdout;
            ["running\n", "degraded\n"].iter().any(|it| it.as_bytes() == state).then_some(state)
        });
        if booted.as_deref() != Some(b"running\n") {
            let failed = process::run(self.command("systemctl").args(["--failed", "--no-legend"]));
            panic!("not everything has started: {failed:?}\n{}", self.journal(&["--priority=warning"]));
        }
    }

    /// A program of the node, in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.systemd()));
        command.args(["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--root", "--wdns=/", "--"]);
        command.args(["env", "-i"]).args(ENVIRONMENT).arg(program);
        command
    }

    /// Runs a command of the shell in the node.
    pub fn run(&self, command: &str) -> String {
        self.try_run(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// # Errors
    /// Its output, when it fails.
    pub fn try_run(&self, command: &str) -> Result<String, String> {
        process::run(self.command("bash").args(["-c", command]))
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&format!("systemctl show --value --property={name} {unit}")).trim().to_owned()
    }

    /// As [`Self::property`], for a number.
    pub fn number(&self, unit: &str, name: &str) -> u64 {
        let text = self.property(unit, name);
        text.parse().unwrap_or_else(|_| panic!("{name} of {unit} is {text:?}"))
    }

    /// Waits until a property has a value.
    pub fn wait_for(&self, unit: &str, name: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let found = process::wait(LIMIT, || Some(self.property(unit, name)).filter(|value| is_wanted(value)));
        found.unwrap_or_else(|| {
            let log = self.journal(&["--lines=40"]);
            panic!("{name} of {unit} is {:?}\n{log}", self.property(unit, name))
        })
    }

    /// Adds a line to `[Service]` of a unit, in a drop-in, and restarts the service if it runs.
    pub fn add_drop_in(&self, service: &str, name: &str, line: &str) {
        let directory = self.path(&format!("/etc/systemd/system/{service}.service.d"));
        directory::make(&directory);
        directory::write(&directory.join(format!("{name}.conf")), format!("[Service]\n{line}\n"));
        self.run(&format!("systemctl daemon-reload && systemctl try-restart {service}"));
    }

    /// The messages of the journal, with more options of journalctl.
    pub fn journal(&self, options: &[&str]) -> String {
        let mut journalctl = self.command("journalctl");
        process::must_run(journalctl.args(["--output=cat", "--no-pager", "--quiet"]).args(options))
    }

    /// A file of the node as a path of this machine. Not below /run and /tmp.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}{path}", self.copy.process(), self.copy.root().display()))
    }

    /// A directory that has the same path in the node.
    pub fn shared(&self) -> PathBuf {
        self.directory.path().join("shared")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Installs pullgate, or updates it to a version. With apt, as an operator does.
    pub fn install(&self, version: &str) {
        self.apt_install(&[self.package(version)]);
    }

    /// Installs pullgate-signer.
    pub fn install_signer(&self) {
        self.apt_install(&[self.put(&packages::deb("pullgate-signer", packages::VERSION))]);
    }

    /// Installs packages of Debian, with everything that they depend on.
    pub fn install_debian(&self) {
        let debs: Vec<PathBuf> = environment::node_packages().iter().map(|deb| self.put(deb)).collect();
        self.apt_install(&debs);
    }

    /// The package of pullgate, as a file of the node.
    pub fn package(&self, version: &str) -> PathBuf {
        self.put(&packages::deb("pullgate", version))
    }

    fn apt_install(&self, packages: &[PathBuf]) {
        let mut apt = self.command("apt-get");
        process::must_run(apt.args(["install", "--yes", "--quiet"]).args(packages));
    }

    /// Copies a file into the directory that the node shares.
    fn put(&self, file: &Path) -> PathBuf {
        let to = self.shared().join(file.file_name().expect("it is a file"));
        fs::copy(file, &to).expect("it can be copied");
        to
    }

    /// kubelet, whose image endpoint is pullgate's.
    pub fn kubelet(&self) -> Kubelet {
        let socket = |path| self.socket(path);
        Kubelet::new(socket(SOCKET), socket("/run/containerd/containerd.sock"), self.shared().join("logs"))
    }

    /// A socket of the node as a path of this machine, until the node's end.
    pub fn socket(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.systemd()))
    }

    /// Imports the sandbox image into containerd.
    pub fn import_pause(&self) {
        self.import(&images::existing("pause"));
    }

    /// Imports an image, which has a name, into containerd.
    pub fn import(&self, layout: &Layout) {
        let archive = self.shared().join("image.tar");
        process::must_run(Command::new("tar").arg("-C").arg(layout.path()).arg("-cf").arg(&archive).arg("."));
        self.run(&format!("ctr --namespace k8s.io images import {}", archive.display()));
    }

    /// Debian's paths with the settings that the tests' containerds need.
    fn configure_containerd(&self) {
        let mut config = Command::new(environment::script("containerd-config"));
        let config = process::must_run(config.args(["1.6", "/run/containerd"]));
        let config = config
            .replace("/run/containerd/root", "/var/lib/containerd")
            .replace("/run/containerd/certs.d", "/etc/containerd/certs.d");
        directory::make(&self.path("/etc/containerd/certs.d"));
        directory::write(&self.path("/etc/containerd/config.toml"), config);
    }

    fn systemd(&self) -> u32 {
        self.boot.as_ref().expect("it is running").systemd
    }

    fn cgroup(&self) -> String {
        self.directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// kubelet's socket.
pub const SOCKET: &str = "/run/pullgate/pullgate.sock";

impl Drop for Debian {
    fn drop(&mut self) {
        if let Some(mut boot) = self.boot.take() {
            let journal = |options: &[&str]| {
                let mut journalctl = Command::new("nsenter");
                journalctl.arg(format!("--target={}", boot.systemd));
                journalctl.args(["--mount", "--pid", "--root", "--", "journalctl", "--no-pager", "--quiet"]);
                // A failure must not hide why the test fails.
                process::run(journalctl.args(options)).unwrap_or_else(|error| error)
            };
            if std::thread::panicking() {
                eprintln!("{}", journal(&["--lines=80"]));
            }
            if secrets::run().is_some() {
                secrets::wrote("journal", journal(&["--unit=pullgate*"]));
            }
            // Nothing of it needs an orderly end.
            boot.daemon.kill();
        }
        cgroups::remove(&self.cgroup());
    }
}
