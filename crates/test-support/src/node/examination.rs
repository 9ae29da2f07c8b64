//! `pullgate doctor` on a node: its kubelet is this process, with arguments and files that are written here.

use std::io;
use std::path::{Path, PathBuf};

use pullgate::doctor::Report;
use pullgate::node::doctor::Examined;
use pullgate::node_install::{Host, Ran};

use super::kubelet::Kubelet;
use super::{Node, directory};
use crate::proc;

/// A node without systemd.
struct Bare;

impl Host for Bare {
    fn run(&self, _: &str, arguments: &[&str]) -> io::Result<Ran> {
        if arguments != ["--version"] {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Ran { success: true, output: "Kubernetes v1.36.0".to_owned(), errors: String::new() })
    }
}

/// A node, and a kubelet through its pullgate.
pub struct Examination {
    pub node: Node,
    pub kubelet: Kubelet,
}

impl Examination {
    /// With a kubelet that has connected to pullgate.
    ///
    /// # Panics
    /// If the image endpoint does not answer.
    pub fn of(node: Node) -> Self {
        let kubelet = node.kubelet_through_pullgate();
        let it = Self { node, kubelet };
        let socket = it.node.pullgate.socket();
        it.configure("10.conf", &socket, &socket);
        it.start_kubelet("");
        // As kubelet does when it starts.
        it.kubelet.image_status("registry.example.com/none:1").expect("the image endpoint answers");
        it
    }

    /// The directory of kubelet's drop-ins.
    pub fn directory(&self) -> PathBuf {
        self.node.directory().join("kubelet.d")
    }

    /// Writes a drop-in with these endpoints.
    pub fn configure(&self, name: &str, images: &Path, runtime: &Path) {
        directory::make(&self.directory());
        let text = format!(
            "imageServiceEndpoint: unix://{}\ncontainerRuntimeEndpoint: unix://{}\n",
            images.display(),
            runtime.display()
        );
        directory::write(&self.directory().join(name), text);
    }

    /// The entry of /proc for a kubelet with more arguments.
    pub fn start_kubelet(&self, more: &str) {
        let line = format!("/usr/bin/kubelet --config-dir={} {more}", self.directory().display());
        proc::start(&self.proc(), std::process::id(), &line);
    }

    fn proc(&self) -> PathBuf {
        self.node.directory().join("proc")
    }

    /// # Panics
    /// If pullgate.toml is not valid.
    pub fn examine(&self) -> Report {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        let examined = Examined {
            host: &Bare,
            root: PathBuf::from("/"),
            proc: self.proc(),
            config: self.node.pullgate.configuration().to_owned(),
        };
        runtime.block_on(examined.examine()).unwrap_or_else(|problems| panic!("{problems}")).0
    }
}
