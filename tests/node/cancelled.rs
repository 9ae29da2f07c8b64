//! A pull that kubelet cancels leaves no work behind.

use std::time::Duration;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::{Node, Release};

on_every_release!(while_pullgate_asks_the_registry, while_containerd_pulls);

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
