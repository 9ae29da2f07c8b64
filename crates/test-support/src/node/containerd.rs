//! A containerd of one release, with all of its state below one directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::directory;
use super::environment::{self, Release};
use super::process::{self, Daemon};
use super::registry::Registry;

pub struct Containerd {
    release: Release,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    daemon: Option<Daemon>,
}

impl Containerd {
    /// Starts one that has only the pause image.
    pub fn start(release: Release, directory: PathBuf) -> Self {
        let containerd = Self::start_bare(release, directory, None);
        containerd.import(&environment::image("pause"));
        containerd
    }

    /// Starts one without any image, whose sandboxes use the image `pause`.
    pub fn start_bare(release: Release, directory: PathBuf, pause: Option<&str>) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "containerd needs root, to mount and to run containers");
        directory::make(&directory.join("certs.d"));
        let mut config = Command::new(environment::script("containerd-config"));
        config.envs(pause.map(|pause| ("PULLGATE_PAUSE", pause)));
        let config = process::must_run(config.arg(release.name()).arg(&directory));
        directory::write(&directory.join("config.toml"), config);
        let mut containerd = Self { release, directory, environment: Vec::new(), daemon: None };
        containerd.start_again();
        containerd
    }

    /// Starts it after [`Self::kill`].
    pub fn start_again(&mut self) {
        let mut daemon = Daemon::start(
            &self.release.programs().join("containerd"),
            |command| {
                // It uses the first shim and runc in the PATH.
                let path = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{path}", self.release.programs().display()));
                command.arg("--config").arg(self.config());
                command.envs(self.environment.iter().map(|(name, value)| (name, value)));
            },
            &self.directory.join("containerd.log"),
        );
        daemon.wait_until("ready", || process::run(self.ctr().arg("version")).ok());
        self.daemon = Some(daemon);
    }

    /// Kills containerd. Containers keep running, as on a node.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Restarts it with these environment variables.
    pub fn restart_in(&mut self, environment: Vec<(String, String)>) {
        self.kill();
        self.environment = environment;
        self.start_again();
    }

    pub fn config(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    pub fn id(&self) -> u32 {
        self.daemon.as_ref().map_or(0, Daemon::id)
    }

    /// Removes all images of `host`, with their content.
    pub fn forget(&self, host: &str) {
        let images = process::must_run(self.ctr().args(["images", "list", "--quiet"]));
        let ours: Vec<&str> =
            images.lines().filter(|name| name.starts_with(host) || name.starts_with("sha256:")).collect();
        process::must_run(self.ctr().args(["images", "remove", "--sync"]).args(ours));
    }

    pub fn release(&self) -> Release {
        self.release
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("containerd.sock")
    }

    /// The directory of `hosts.toml` files, for it and pullgate.
    pub fn hosts(&self) -> PathBuf {
        self.directory.join("certs.d")
    }

    /// The directory of image verifiers, for releases that support them.
    pub fn verifiers(&self) -> PathBuf {
        self.directory.join("verifiers")
    }

    /// Maps `host` to `registry`.
    pub fn map_host(&self, host: &str, registry: &Registry) {
        self.map_host_to(host, registry.host());
    }

    /// Maps `host` to `address`, a `127.0.0.1:PORT`.
    pub fn map_host_to(&self, host: &str, address: &str) {
        let server = format!("http://{address}");
        let directory = self.hosts().join(host);
        directory::make(&directory);
        let text =
            format!("server = {server:?}\n\n[host.{server:?}]\ncapabilities = [\"pull\", \"resolve\"]\n");
        directory::write(&directory.join("hosts.toml"), text);
    }

    /// The names of all its image records and the digests of all its blobs.
    pub fn content(&self) -> BTreeSet<String> {
        let images = process::must_run(self.ctr().args(["images", "list", "--quiet"]));
        let blobs = process::must_run(self.ctr().args(["content", "list", "--quiet"]));
        images.lines().chain(blobs.lines()).map(ToOwned::to_owned).collect()
    }

    /// What was added since `before`. Removals are containerd's garbage collection.
    pub fn content_since(&self, before: &BTreeSet<String>) -> Vec<String> {
        self.content().difference(before).cloned().collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("containerd.log")).unwrap_or_default()
    }

    /// `ctr` for this containerd, in the namespace of the CRI plugin.
    pub fn ctr(&self) -> Command {
        let mut command = Command::new(self.release.programs().join("ctr"));
        command.arg("--address").arg(self.socket()).args(["--namespace", "k8s.io"]);
        command
    }

    /// Imports an OCI layout under its own name, as `ctr` and many installers do.
    pub fn import(&self, layout: &Path) {
        self.import_with(layout, &[]);
    }

    /// As [`Self::import`], with further options of `ctr images import`.
    pub fn import_with(&self, layout: &Path, options: &[&str]) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let archive = self.directory.join(format!("import-{number}.tar"));
        process::must_run(Command::new("tar").arg("-C").arg(layout).arg("-cf").arg(&archive).arg("."));
        process::must_run(self.ctr().args(["images", "import"]).args(options).arg(&archive));
    }

    /// Points the name `to` to the image `from`.
    pub fn tag(&self, from: &str, to: &str) {
        process::must_run(self.ctr().args(["images", "tag", "--force", from, to]));
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        super::containerd_stop::stop(&self.directory);
    }
}

/// Mounts a tmpfs for the containerd of this directory. `containerd_stop` removes it.
pub fn keep_in_memory(directory: &Path) {
    let root = directory.join("root");
    directory::make(&root);
    process::must_run(
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1g", "pullgate-test"]).arg(root),
    );
}
