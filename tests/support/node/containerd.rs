//! A containerd of one release, with all that it keeps below one directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::directory;
use super::environment::{self, Release};
use super::process::{self, Daemon};
use super::registry::Registry;

pub struct Containerd {
    release: Release,
    directory: PathBuf,
    daemon: Option<Daemon>,
}

impl Containerd {
    /// Starts one that has the pause image, and no other.
    pub fn start(release: Release, directory: PathBuf) -> Self {
        directory::make(&directory.join("certs.d"));
        let mut config = Command::new(environment::script("containerd-config"));
        let config = process::must_run(config.arg(release.name()).arg(&directory));
        directory::write(&directory.join("config.toml"), config);
        let mut containerd = Self { release, directory, daemon: None };
        containerd.start_again();
        containerd.import(&environment::image("pause"), &[]);
        containerd
    }

    /// Starts it after [`Self::kill`].
    pub fn start_again(&mut self) {
        let mut daemon = Daemon::start(
            &self.release.programs().join("containerd"),
            |command| {
                // It takes the first shim and runc that it finds there.
                let path = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{path}", self.release.programs().display()));
                command.arg("--config").arg(self.directory.join("config.toml"));
            },
            &self.directory.join("containerd.log"),
        );
        daemon.wait_until("ready", || process::run(self.ctr().arg("version")).ok());
        self.daemon = Some(daemon);
    }

    /// Ends containerd without notice. Containers live on, as they do on a node.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    pub fn release(&self) -> Release {
        self.release
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("containerd.sock")
    }

    /// Where it and pullgate look for `hosts.toml` files.
    pub fn hosts(&self) -> PathBuf {
        self.directory.join("certs.d")
    }

    /// Has `host` of image names served by `registry`.
    pub fn map_host(&self, host: &str, registry: &Registry) {
        let server = format!("http://{}", registry.host());
        let directory = self.hosts().join(host);
        directory::make(&directory);
        let text =
            format!("server = {server:?}\n\n[host.{server:?}]\ncapabilities = [\"pull\", \"resolve\"]\n");
        directory::write(&directory.join("hosts.toml"), text);
    }

    /// The names of all its image records, sorted.
    pub fn image_records(&self) -> Vec<String> {
        let mut names: Vec<_> = process::must_run(self.ctr().args(["images", "list", "--quiet"]))
            .lines()
            .map(ToOwned::to_owned)
            .collect();
        names.sort();
        names
    }

    /// The digests of all blobs that it holds, sorted.
    pub fn blobs(&self) -> Vec<String> {
        let mut digests: Vec<_> = process::must_run(self.ctr().args(["content", "list", "--quiet"]))
            .lines()
            .map(ToOwned::to_owned)
            .collect();
        digests.sort();
        digests
    }

    /// Takes in the images of an OCI layout, by the names that it gives them.
    pub fn import(&self, layout: &Path, options: &[&str]) {
        let archive = self.directory.join("import.tar");
        process::must_run(Command::new("tar").arg("-C").arg(layout).arg("-cf").arg(&archive).arg("."));
        process::must_run(self.ctr().args(["images", "import"]).args(options).arg(&archive));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("containerd.log")).unwrap_or_default()
    }

    /// `ctr` on this containerd, in the namespace that the CRI plugin uses.
    fn ctr(&self) -> Command {
        let mut command = Command::new(self.release.programs().join("ctr"));
        command.arg("--address").arg(self.socket()).args(["--namespace", "k8s.io"]);
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        stop(&self.directory);
    }
}

/// Gives the containerd that will live in this directory memory in place of a disk. [`stop`] takes it away again.
pub fn keep_in_memory(directory: &Path) {
    let root = directory.join("root");
    directory::make(&root);
    process::must_run(
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1g", "pullgate-test"]).arg(root),
    );
}

/// Stops the containerd of this directory, its containers, shims and mounts, if there are any.
pub fn stop(directory: &Path) {
    if directory.is_dir() {
        let stopped = process::run(Command::new(environment::script("containerd-stop")).arg(directory));
        if let Err(told) = stopped {
            eprintln!("{told}");
        }
    }
}
