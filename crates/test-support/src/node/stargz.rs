//! The stargz snapshotter, between pullgate and containerd.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::containerd::Containerd;
use super::process::{self, Daemon};
use super::{directory, environment};

/// The snapshotter of containerd's images, with the image service of the CRI.
pub struct Stargz {
    socket: PathBuf,
    directory: PathBuf,
    daemon: Daemon,
}

impl Stargz {
    /// Starts it below `directory`, and restarts `containerd` with it as the snapshotter of images.
    pub fn start(directory: &Path, containerd: &mut Containerd) -> Self {
        directory::make(directory);
        let socket = directory.join("stargz.sock");
        let mut daemon = Daemon::start(
            &environment::stargz("stargz-snapshotter"),
            |command| {
                command.arg(&socket).arg(directory.join("root")).arg(containerd.socket());
            },
            &directory.join("stargz.log"),
        );
        daemon.wait_until("listening", || socket.exists().then_some(()));
        containerd.kill();
        let config = std::fs::read_to_string(containerd.config()).unwrap();
        let images = "snapshotter = \"overlayfs\"";
        assert!(config.contains(images), "{config}");
        let config =
            config.replace(images, "snapshotter = \"stargz\"\n  disable_snapshot_annotations = false");
        let plugin = format!("[proxy_plugins.stargz]\n  type = \"snapshot\"\n  address = {socket:?}\n");
        directory::write(&containerd.config(), format!("{config}\n{plugin}"));
        containerd.start_again();
        Self { socket, directory: directory.to_owned(), daemon }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// The file systems of layers that it has mounted, and fills when they are read.
    pub fn mounted_layers(&self) -> usize {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let below = self.directory.display().to_string();
        mounts.lines().filter(|line| line.contains(" fuse.rawBridge ") && line.contains(&below)).count()
    }

    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Converts the image `from` in `containerd` to one whose layers can be read before they are complete, as `to`.
    pub fn convert(containerd: &Containerd, from: &str, to: &str) {
        let mut command = Command::new(environment::stargz("ctr-remote"));
        command.arg("--address").arg(containerd.socket()).args([
            "--namespace",
            "k8s.io",
            "images",
            "convert",
        ]);
        process::must_run(command.args(["--estargz", "--oci", from, to]));
    }
}

impl Drop for Stargz {
    fn drop(&mut self) {
        self.kill();
        // Its file systems stay mounted when it is killed.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = self.directory.display().to_string();
        for place in
            mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|at| at.starts_with(&below))
        {
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}
