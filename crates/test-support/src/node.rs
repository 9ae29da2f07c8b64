//! A whole node in one directory: a registry, a containerd, pullgate between them and kubelet, and kubelet's calls.
//!
//! Every part is the real program, but kubelet, whose calls [`kubelet`] makes in kubelet's order. A node takes less
//! than a second to start, so that each test has its own and may do with it what it likes.

pub mod access;
pub mod between;
pub mod circle;
pub mod containerd;
mod containerd_stop;
pub mod directory;
pub mod environment;
pub mod hold;
pub mod http;
pub mod images;
pub mod keys;
pub mod kubelet;
pub mod policy;
pub mod process;
pub mod pullgate;
pub mod registry;
pub mod relay;
pub mod seen;
pub mod signer;
pub mod signing;

use std::path::Path;

use containerd::Containerd;
use directory::Directory;
pub use environment::Release;
use images::Image;
use keys::{Kind, PrivateKey};
use kubelet::Kubelet;
use policy::Policy;
use pullgate::Pullgate;
use registry::Registry;
use signing::Cosign;

/// The name of the authenticator that the node's policy asks for, and of its key.
pub const RELEASE: &str = "release";

/// The parts, in the order in which they end.
pub struct Node {
    pub pullgate: Pullgate,
    pub containerd: Containerd,
    pub registry: Registry,
    /// The key that the node's policy asks for.
    pub release: PrivateKey,
    directory: Directory,
}

impl Node {
    /// A node that runs what [`RELEASE`] signed, whatever its name, and nothing else.
    pub fn start(release: Release) -> Self {
        Self::start_with(release, require_release)
    }

    /// A node whose containerd keeps nothing on a disk: a thousand image records are there in seconds.
    pub fn start_in_memory(release: Release, write: impl FnOnce(Policy, &PrivateKey) -> Policy) -> Self {
        let directory = Directory::new();
        let at = directory.path().join("containerd");
        containerd::keep_in_memory(&at);
        Self::around(Containerd::start(release, at), directory, write)
    }

    /// A node whose containerd makes sandboxes from an image that it does not have yet.
    pub fn start_with_sandbox_image(release: Release, name: &str) -> Self {
        let directory = Directory::new();
        let containerd = Containerd::start_bare(release, directory.path().join("containerd"), Some(name));
        Self::around(containerd, directory, require_release)
    }

    /// A node with a policy of its own: `write` gets one that denies everything, and the node's release key.
    pub fn start_with(release: Release, write: impl FnOnce(Policy, &PrivateKey) -> Policy) -> Self {
        let directory = Directory::new();
        let containerd = Containerd::start(release, directory.path().join("containerd"));
        Self::around(containerd, directory, write)
    }

    fn around(
        containerd: Containerd,
        directory: Directory,
        write: impl FnOnce(Policy, &PrivateKey) -> Policy,
    ) -> Self {
        let key = PrivateKey::make(directory.path(), RELEASE, Kind::P256);
        let registry = Registry::start(directory.path().join("registry"));
        let policy = write(Policy::deny(), &key);
        let pullgate = Pullgate::start(directory.path().join("pullgate"), &containerd, &policy);
        Self { pullgate, containerd, registry, release: key, directory }
    }

    /// Where all of it lives.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// kubelet, with pullgate as its image endpoint and containerd as its runtime endpoint.
    pub fn kubelet(&self) -> Kubelet {
        Kubelet::new(self.pullgate.socket(), self.containerd.socket(), self.directory.path().join("logs"))
    }

    /// kubelet, with pullgate as its only endpoint.
    pub fn kubelet_through_pullgate(&self) -> Kubelet {
        Kubelet::new(self.pullgate.socket(), self.pullgate.socket(), self.directory.path().join("logs"))
    }

    /// Side-loads an image that was never pulled, as `name`, and waits until the runtime knows it. Gives its id.
    pub fn import(&self, name: &str) -> String {
        let layout = images::make(self.directory.path(), &["--name", name]);
        self.containerd.import(layout.path());
        self.id_in_runtime(name)
    }

    /// The id of what the runtime itself knows by `name`.
    pub fn id_in_runtime(&self, name: &str) -> String {
        let kubelet = self.kubelet_without_pullgate();
        let id = process::wait(process::LIMIT, || Some(kubelet.image_status(name).ok()??.id));
        id.unwrap_or_else(|| panic!("the runtime does not know {name}"))
    }

    /// Has the name `to` re-pointed behind everybody's back, and waits until the runtime follows.
    pub fn retag(&self, from: &str, to: &str) {
        let id = self.id_in_runtime(from);
        self.containerd.tag(from, to);
        let followed = process::wait(process::LIMIT, || (self.id_in_runtime(to) == id).then_some(()));
        assert!(followed.is_some(), "the runtime does not follow {to}");
    }

    /// kubelet on a node without pullgate.
    pub fn kubelet_without_pullgate(&self) -> Kubelet {
        Kubelet::new(self.containerd.socket(), self.containerd.socket(), self.directory.path().join("logs"))
    }

    /// Makes an image that there is nowhere else, and pushes it. `name` is `repository:tag`.
    pub fn push(&self, name: &str) -> Image {
        images::make(self.directory.path(), &[]).push(&self.registry, name)
    }

    /// Pushes the sandbox image of the test environment.
    pub fn push_pause(&self, name: &str) -> Image {
        images::existing("pause").push(&self.registry, name)
    }

    /// The same for an index of two platforms.
    pub fn push_index(&self, name: &str) -> Image {
        images::make(self.directory.path(), &["--index"]).push(&self.registry, name)
    }

    /// Pushes an image and signs it with the release key.
    pub fn push_signed(&self, name: &str) -> Image {
        let image = self.push(name);
        self.sign(&image);
        image
    }

    /// Signs with the release key, by `pullgate-signer sign` with the configuration of this node: a host that is mapped to the
    /// registry is found there.
    pub fn sign(&self, image: &Image) {
        signing::sign_by(self.pullgate.signer(), &image.by_digest(), &self.release);
    }

    /// Another key pair.
    pub fn key(&self, name: &str, kind: Kind) -> PrivateKey {
        PrivateKey::make(self.directory.path(), name, kind)
    }

    /// The real cosign.
    pub fn cosign(&self) -> Cosign {
        Cosign::new(self.directory.path().join("cosign"))
    }

    /// Has `host` of image names served by this node's registry, for containerd and pullgate alike.
    pub fn map_host(&self, host: &str) {
        self.containerd.map_host(host, &self.registry);
    }
}

/// The default policy of a node.
pub fn require_release(policy: Policy, key: &PrivateKey) -> Policy {
    policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE])
}
