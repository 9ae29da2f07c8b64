//! A pull that kubelet cancels, or whose deadline passes, leaves no work behind.

use std::time::Duration;

use prost::Message as _;
use tonic::Code;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::{Node, Release};
use pullgate_test::runtime::framed;
use pullgate_test::world::pull_request;

on_every_release!(
    while_pullgate_asks_the_registry,
    while_containerd_pulls,
    a7_a_deadline_that_passes_is_exceeded_at_both_sides,
);

const PATIENCE: Duration = Duration::from_millis(300);

fn while_pullgate_asks_the_registry(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    node.registry.freeze();
    node.kubelet().pull_and_give_up(&Pod::of(image.by_tag()), PATIENCE);
    let decision = node.pullgate.decision(0);
    assert_eq!(decision["verdict"], "cancelled", "{decision}");
    node.registry.thaw();
    // The registry answers now: a task that still worked on the pull would continue.
    let pulled = node.kubelet().pull(&Pod::of(node.push_signed("team/other:1").by_tag()));
    assert!(pulled.is_ok(), "{pulled:?}");
    let names = node.containerd.content();
    assert!(!names.iter().any(|name| name.contains("team/app")), "{names:?}");
    assert_eq!(node.pullgate.decisions().len(), 2);
}

fn while_containerd_pulls(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    kubelet.remove_image(&image.by_tag()).unwrap();
    // The verdict on the digest is cached, so only containerd waits for the registry.
    node.registry.freeze();
    kubelet.pull_and_give_up(&Pod::of(image.by_digest()), PATIENCE);
    let decision = node.pullgate.decision(1);
    assert_eq!((&decision["verdict"], &decision["known"]), (&"cancelled".into(), &true.into()), "{decision}");
    let stopped = wait(LIMIT, || node.containerd.log().contains("context canceled").then_some(()));
    assert!(stopped.is_some(), "containerd continues the pull:\n{}", node.containerd.log());
}

/// critest's "should timeout if requested". containerd's server resets the stream when the deadline passes.
fn a7_a_deadline_that_passes_is_exceeded_at_both_sides(release: Release) {
    let node = Node::start(release);
    let (known, new) = (node.push_signed("team/app:1"), node.push_signed("team/new:1"));
    let kubelet = node.kubelet();
    kubelet.pull(&Pod::of(known.by_tag())).unwrap();
    kubelet.remove_image(&known.by_tag()).unwrap();
    node.registry.freeze();
    for (side, image) in [("pullgate", new.by_tag()), ("containerd", known.by_digest())] {
        let message = framed(&pull_request(&image).encode_to_vec()).to_vec();
        let path = "/runtime.v1.ImageService/PullImage";
        let status = kubelet.call_raw(path, &[("grpc-timeout", "500m")], message);
        assert_eq!(status.code(), Code::DeadlineExceeded, "{side}: {status:?}");
    }
}
