//! A complete node in one directory: a registry, a containerd, pullgate between it and kubelet, and kubelet's calls.
//!
//! Every part is the real program except kubelet, whose calls [`kubelet`] makes in kubelet's order. A node starts in less
//! than a second, so each test has its own.

pub mod access;
pub mod attested;
pub mod between;
mod cgroups;
pub mod circle;
pub mod containerd;
mod containerd_stop;
pub mod debian;
pub mod directory;
pub mod environment;
pub mod examination;
pub mod gpg;
pub mod hold;
pub mod http;
pub mod images;
pub mod keyless;
pub mod keys;
pub mod kubelet;
pub mod load;
pub mod notation;
pub mod packages;
pub mod policy;
pub mod process;
pub mod pullgate;
pub mod registry;
pub mod relay;
pub mod root_copy;
pub mod screens;
pub mod seen;
pub mod signer;
pub mod signing;
pub mod stargz;
pub mod timestamp_server;

use std::path::Path;

use containerd::Containerd;
use directory::Directory;
pub use environment::Release;
use images::Image;
use keyless::Keyless;
use keys::{Kind, PrivateKey};
use kubelet::Kubelet;
use notation::Notation;
use policy::Policy;
use pullgate::Pullgate;
use registry::Registry;
use signing::Cosign;

/// The name of the authenticator in the node's policy, and of its key.
pub const RELEASE: &str = "release";

/// The fields are dropped in this order.
pub struct Node {
    pub pullgate: Pullgate,
    pub containerd: Containerd,
    pub registry: Registry,
    /// The key that the node's policy requires.
    pub release: PrivateKey,
    directory: Directory,
}

impl Node {
    /// Starts a node that runs everything that [`RELEASE`] signed, and nothing else.
    pub fn start(release: Release) -> Self {
        Self::start_with(release, require_release)
    }

    /// A node whose containerd has its state in memory: a thousand image records take seconds.
    pub fn start_in_memory(release: Release, write: impl FnOnce(Policy, &PrivateKey) -> Policy) -> Self {
        let directory = Directory::new();
        let at = directory.path().join("containerd");
        containerd::keep_in_memory(&at);
        Self::around(Containerd::start(release, at), directory, write)
    }

    /// A node whose containerd must pull its sandbox image first.
    pub fn start_with_sandbox_image(release: Release, name: &str) -> Self {
        let directory = Directory::new();
        let containerd = Containerd::start_bare(release, directory.path().join("containerd"), Some(name));
        Self::around(containerd, directory, require_release)
    }

    /// A node with another policy: `write` extends one that denies everything, with the node's release key.
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

    /// Imports an image that was never pulled, as `name`, and waits until the runtime knows it. Returns its id.
    pub fn import(&self, name: &str) -> String {
        let layout = images::make(self.directory.path(), &["--name", name]);
        self.containerd.import(layout.path());
        self.id_in_runtime(name)
    }

    /// The runtime's id of the image `name`.
    pub fn id_in_runtime(&self, name: &str) -> String {
        let kubelet = self.kubelet_without_pullgate();
        let id = process::wait(process::LIMIT, || Some(kubelet.image_status(name).ok()??.id));
        id.unwrap_or_else(|| panic!("the runtime does not know {name}"))
    }

    /// Moves the name `to` in containerd's store, and waits until the runtime follows.
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

    /// Makes a unique image and pushes it. `name` is `repository:tag`.
    pub fn push(&self, name: &str) -> Image {
        images::make(self.directory.path(), &[]).push(&self.registry, name)
    }

    /// Pushes the sandbox image of the test environment.
    pub fn push_pause(&self, name: &str) -> Image {
        images::existing("pause").push(&self.registry, name)
    }

    /// As [`Self::push`], for an index of two platforms.
    pub fn push_index(&self, name: &str) -> Image {
        images::make(self.directory.path(), &["--index"]).push(&self.registry, name)
    }

    /// Pushes an image and signs it with the release key.
    pub fn push_signed(&self, name: &str) -> Image {
        let image = self.push(name);
        self.sign(&image);
        image
    }

    /// Signs with the release key, by `pullgate-signer sign` with the configuration of this node, so that mapped hosts
    /// work.
    pub fn sign(&self, image: &Image) {
        signing::sign_by(self.pullgate.signer(), &image.by_digest(), &self.release);
    }

    /// As [`Node::sign`], with an annotation: pullgate cannot build the payload, and has to read it.
    pub fn sign_annotated(&self, image: &Image) {
        let signer = self.pullgate.signer();
        signing::sign_by_with(
            signer,
            &image.by_digest(),
            &self.release,
            &[&signing::CLASSIC[..], &["--annotation", "build=42"]].concat(),
        );
    }

    /// Makes another key pair.
    pub fn key(&self, name: &str, kind: Kind) -> PrivateKey {
        PrivateKey::make(self.directory.path(), name, kind)
    }

    /// The real cosign.
    pub fn cosign(&self) -> Cosign {
        Cosign::new(self.directory.path().join("cosign"))
    }

    /// An instance of Sigstore, and cosign as its client.
    pub fn keyless(&self) -> Keyless {
        Keyless::start(self.directory.path().join("keyless"))
    }

    /// The real notation.
    pub fn notation(&self) -> Notation {
        Notation::new(self.directory.path().join("notation"))
    }

    /// Maps `host` to this node's registry, for containerd and pullgate.
    pub fn map_host(&self, host: &str) {
        self.containerd.map_host(host, &self.registry);
    }
}

/// The default policy of a node.
pub fn require_release(policy: Policy, key: &PrivateKey) -> Policy {
    policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE])
}
