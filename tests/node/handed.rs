//! containerd does not request the document that the gate has hashed, and keeps nothing that it has no use for.

use std::thread;

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::relay::Relay;
use pullgate_test::node::{Node, Release};

on_every_release!(
    the_hashed_document_is_not_requested,
    what_no_pull_takes_is_collected,
    only_an_admitted_document_is_written,
);

const HOST: &str = "registry.example.com";

/// A node with a relay before its registry, where containerd's requests can be held.
struct Handed {
    node: Node,
    relay: Relay,
}

impl Handed {
    fn start(release: Release) -> Self {
        let node = Node::start(release);
        let relay = Relay::start(node.registry.host());
        node.containerd.map_host_to(HOST, relay.host());
        let handed = Self { node, relay };
        // containerd collects garbage after every hundred changes too, and starts to count again then.
        handed.collect_garbage();
        handed
    }

    /// containerd collects garbage when an image is removed.
    fn collect_garbage(&self) {
        let direct = self.node.kubelet_without_pullgate();
        let image = self.node.push("team/garbage:1");
        let id = direct.pull(&Pod::of(image.by_tag())).unwrap();
        direct.remove_image(&id).unwrap();
    }

    /// Pulls through pullgate. containerd's lookup of the digest is held until `moment` has passed.
    fn pull_with(&self, image: &Image, moment: impl FnOnce()) -> Result<String, tonic::Status> {
        let kubelet = self.node.kubelet();
        self.hold();
        thread::scope(|scope| {
            let pull = scope.spawn(|| kubelet.pull(&Pod::of(image.by_tag())));
            self.relay.hold().reached("containerd looks up the digest");
            moment();
            self.relay.hold().release();
            pull.join().unwrap()
        })
    }

    fn hold(&self) {
        self.relay.hold().arm(|head| head.contains("containerd/") && head.contains("/manifests/sha256:"));
    }

    fn has(&self, digest: &str) -> bool {
        self.node.containerd.content().contains(digest)
    }

    fn wait_for(&self, image: &Image) {
        let written = wait(LIMIT, || self.has(&image.digest).then_some(()));
        assert!(written.is_some(), "the document is not handed over: {}", self.node.pullgate.log());
    }

    /// containerd's requests since the first `before` ones, in alphabetical order.
    fn requested(&self, before: usize) -> Vec<String> {
        let requests = self.node.registry.requests();
        let requests = requests[before..].iter().filter(|request| request.is_by_containerd());
        let mut lines: Vec<_> =
            requests.map(|request| format!("{} {}", request.method, request.path)).collect();
        lines.sort();
        lines
    }
}

fn the_hashed_document_is_not_requested(release: Release) {
    let handed = Handed::start(release);
    let node = &handed.node;
    let direct = node.kubelet_without_pullgate();
    for (name, image) in
        [("an image", node.push("team/app:1")), ("an index", node.push_index("team/index:1"))]
    {
        let image = image.at(HOST);
        node.sign(&image);
        let before = node.containerd.content();
        let mut first = node.registry.requests().len();
        let id = direct.pull(&Pod::of(image.by_digest())).unwrap();
        let mut expected = handed.requested(first);
        direct.remove_image(&id).unwrap();
        assert_eq!(node.containerd.content_since(&before), [] as [String; 0], "{name}");

        first = node.registry.requests().len();
        let pulled = handed.pull_with(&image, || handed.wait_for(&image));
        assert_eq!(pulled.as_ref().ok(), Some(&id), "{name}: {pulled:?}");
        let spared = format!("/manifests/{}", image.digest);
        let at = expected.iter().position(|line| line.starts_with("GET ") && line.contains(&spared));
        expected.remove(at.unwrap_or_else(|| panic!("{name}: it was not requested: {expected:?}")));
        assert_eq!(handed.requested(first), expected, "{name}");

        // What containerd holds is held by the image alone.
        direct.remove_image(&id).unwrap();
        assert_eq!(node.containerd.content_since(&before), [] as [String; 0], "{name}");
    }
}

fn what_no_pull_takes_is_collected(release: Release) {
    let mut handed = Handed::start(release);
    let image = handed.node.push("team/app:1").at(HOST);
    handed.node.sign(&image);
    let before = handed.node.containerd.content();
    let kubelet = handed.node.kubelet();
    handed.hold();
    let failed = thread::scope(|scope| {
        let pull = scope.spawn(|| kubelet.pull(&Pod::of(image.by_tag())));
        handed.relay.hold().reached("containerd looks up the digest");
        handed.wait_for(&image);
        handed.node.registry.stop();
        handed.relay.hold().release();
        pull.join().unwrap()
    });
    assert!(failed.is_err(), "{failed:?}");
    handed.node.registry.start_again();
    handed.collect_garbage();
    assert_eq!(handed.node.containerd.content_since(&before), [] as [String; 0]);
}

fn only_an_admitted_document_is_written(release: Release) {
    let handed = Handed::start(release);
    let signed = handed.node.push("team/app:1").at(HOST);
    handed.node.sign(&signed);
    let unsigned = handed.node.push("team/unsigned:1").at(HOST);
    let kubelet = handed.node.kubelet();
    let refused = kubelet.pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    assert!(refused.message().ends_with("[no-signature]"), "{refused}");
    // What a pull before this one writes is there by now.
    handed.pull_with(&signed, || handed.wait_for(&signed)).unwrap();
    assert!(!handed.has(&unsigned.digest));
}
