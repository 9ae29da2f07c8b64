//! A node on which every step of a pull can be paused.

use std::fs;
use std::path::PathBuf;
use std::thread;

use tonic::Code;

use pullgate_test::node::between::Between;
use pullgate_test::node::directory::files;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::{Kubelet, Pod};
use pullgate_test::node::relay::Relay;
use pullgate_test::node::{Node, Release};

/// The name of its registry.
pub(crate) const HOST: &str = "registry.example.com";

/// A node on which every step of a pull can be paused: with a relay before its registry, and a proxy before containerd.
pub(crate) struct Held {
    pub(crate) node: Node,
    pub(crate) relay: Relay,
    pub(crate) between: Between,
    pub(crate) kubelet: Kubelet,
    /// An index of two platforms that the policy admits, and its id in the runtime.
    pub(crate) signed: Image,
    pub(crate) id: String,
    pub(crate) unsigned: Image,
}

/// A step at which a pull of [`Held::signed`] can be paused.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// A request of pullgate to the registry.
    Ours(&'static [&'static str]),
    /// A request of containerd to the registry.
    Containerd(&'static str),
    /// A call of pullgate to containerd.
    Call(&'static str),
}

/// Every step of a pull, in order.
pub(crate) const STEPS: [(&str, At); 14] = [
    ("the tag is looked up", At::Ours(&["/team/app/manifests/1"])),
    ("signatures are looked up", At::Ours(&["/team/app/manifests/sha256-", "/team/app/referrers/"])),
    ("a signature is read", At::Ours(&["/team/app/blobs/"])),
    ("the pull is about to be forwarded", At::Call("before /runtime.v1.ImageService/PullImage")),
    (
        "the document is about to be handed over",
        At::Call("before /containerd.services.content.v1.Content/Write"),
    ),
    ("containerd looks up the digest", At::Containerd("/team/app/manifests/sha256:")),
    ("containerd fetches a layer", At::Containerd("/team/app/blobs/")),
    ("containerd has pulled", At::Call("after /runtime.v1.ImageService/PullImage")),
    ("the tag is about to be recorded", At::Call("before /containerd.services.images.v1.Images/Create")),
    ("the tag is recorded", At::Call("after /containerd.services.images.v1.Images/Create")),
    ("the name is about to be confirmed", At::Call("before /runtime.v1.ImageService/ImageStatus")),
    ("the name is confirmed", At::Call("after /runtime.v1.ImageService/ImageStatus")),
    ("the pulled image is about to be read", At::Call("before /containerd.services.content.v1.Content/Read")),
    (
        "the pulled image is read, and not yet in the ledger",
        At::Call("after /containerd.services.content.v1.Content/Read"),
    ),
];

impl Held {
    pub(crate) fn start(release: Release) -> Self {
        let mut node = Node::start(release);
        let relay = Relay::start(node.registry.host());
        node.containerd.map_host_to(HOST, relay.host());
        let between = Between::start(node.directory().join("between.sock"), &node.containerd.socket());
        node.pullgate.restart_before(between.socket());
        let signed = node.push_index("team/app:1").at(HOST);
        node.sign_annotated(&signed);
        let unsigned = node.push("team/unsigned:1").at(HOST);
        let kubelet = node.kubelet();
        let id = kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
        Self { node, relay, between, kubelet, signed, id, unsigned }
    }

    /// Removes the signed image from the runtime, and from the ledger if requested.
    pub(crate) fn forget(&self, evidence: bool) {
        self.node.kubelet_without_pullgate().remove_image(&self.id).unwrap();
        if evidence {
            for part in ["entries", "images"] {
                fs::remove_dir_all(self.node.pullgate.evidence().join(part)).unwrap();
            }
        }
    }

    pub(crate) fn hold(&self, at: At) {
        let by_containerd = |head: &str| head.contains("containerd/");
        match at {
            At::Ours(paths) => {
                let wanted =
                    move |head: &str| !by_containerd(head) && paths.iter().any(|path| head.contains(path));
                self.relay.hold().arm(wanted);
            }
            At::Containerd(path) => {
                self.relay.hold().arm(move |head: &str| by_containerd(head) && head.contains(path));
            }
            At::Call(wanted) => self.between.hold().arm(move |call| call == wanted),
        }
    }

    pub(crate) fn held(&self, what: &str, at: At) {
        match at {
            At::Call(_) => self.between.hold().reached(what),
            At::Ours(_) | At::Containerd(_) => self.relay.hold().reached(what),
        }
    }

    /// Pulls the signed and the unsigned image concurrently, and causes the `fault` at that `moment`.
    pub(crate) fn pull_with(
        &mut self,
        case: &str,
        moment: impl FnOnce(&Self),
        fault: impl FnOnce(&mut Node),
    ) {
        let kubelet = self.node.kubelet();
        let (signed, unsigned) = thread::scope(|scope| {
            let pull = |name: String| {
                let kubelet = &kubelet;
                scope.spawn(move || kubelet.pull(&Pod::of(name)))
            };
            let (signed, unsigned) = (pull(self.signed.by_tag()), pull(self.unsigned.by_tag()));
            moment(self);
            fault(&mut self.node);
            self.relay.hold().release();
            self.between.hold().release();
            (signed.join().unwrap(), unsigned.join().unwrap())
        });
        for answer in [&signed, &unsigned] {
            let late = answer.as_ref().is_err_and(|status| status.code() == Code::DeadlineExceeded);
            assert!(!late, "{case}: nobody answers: {answer:?}");
        }
        assert!(unsigned.is_err(), "{case}: {unsigned:?}");
        assert!(signed.as_ref().is_ok_and(|id| *id == self.id) || signed.is_err(), "{case}: {signed:?}");
    }

    /// Nothing of the unsigned image reached containerd, and of the signed one only the verified digest.
    pub(crate) fn assert_nothing_unverified(&self, case: &str) {
        let pinned = self.signed.by_digest();
        for pulled in self.between.pulled() {
            assert_eq!(pulled, pinned, "{case}: this was handed to containerd");
        }
        let images = self.node.kubelet_without_pullgate().list_images().unwrap();
        let names = images.iter().flat_map(|image| image.repo_tags.iter().chain(&image.repo_digests));
        assert_eq!(names.filter(|name| name.contains("team/unsigned")).count(), 0, "{case}: {images:?}");
        let fetched = self.node.registry.requests();
        let fetched = fetched.iter().filter(|request| request.is_by_containerd());
        assert_eq!(fetched.filter(|request| request.path.contains("team/unsigned")).count(), 0, "{case}");
    }

    /// The daemon works: signed images are pulled and known by name, and others are refused.
    pub(crate) fn assert_in_order(&self, case: &str) {
        let refused = self.kubelet.pull(&Pod::of(self.unsigned.by_tag())).unwrap_err();
        assert!(refused.message().ends_with("[no-signature]"), "{case}: {refused}");
        let pulled = self.kubelet.pull(&Pod::of(self.signed.by_tag()));
        assert_eq!(pulled.as_ref().ok(), Some(&self.id), "{case}: {pulled:?}");
        let known = self.kubelet.image_status(&self.signed.by_tag()).unwrap();
        assert_eq!(known.map(|image| image.id).as_ref(), Some(&self.id), "{case}");
        let damaged = self
            .node
            .pullgate
            .records()
            .into_iter()
            .filter(|record| record["message"] == "damaged evidence of an image removed");
        assert_eq!(
            damaged.collect::<Vec<_>>(),
            [] as [serde_json::Value; 0],
            "{case}: an entry was there in part"
        );
        self.assert_nothing_unverified(case);
    }

    /// With the registry gone and the daemon restarted, the image runs from evidence, and no temporary file is left.
    pub(crate) fn assert_evidence_is_whole(&mut self) {
        self.node.registry.stop();
        self.node.pullgate.stop();
        self.node.pullgate.start_again();
        let ran = self.node.kubelet_through_pullgate().run(&Pod::of(self.signed.by_tag()).never());
        assert_eq!(ran.unwrap().user, 1000);
        assert_eq!(files(&self.node.pullgate.evidence().join("tmp")), [] as [PathBuf; 0]);
        assert_eq!(files(&self.node.pullgate.evidence().join("entries")).len(), 1);
    }
}
