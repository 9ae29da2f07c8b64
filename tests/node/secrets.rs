//! A registry that wants a password gets the pod's own: from pullgate when it asks, from containerd when it pulls.

use crate::support::node::kubelet::Pod;
use crate::support::node::registry::{PASSWORD, USER};
use crate::support::node::{Node, Release};

on_every_release!(of_the_pod_reach_the_registry, are_asked_for_even_if_the_image_is_present);

fn of_the_pod_reach_the_registry(release: Release) {
    let mut node = Node::start(release);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.registry.restart_with_password();
    let kubelet = node.kubelet();
    for name in [signed.by_tag(), signed.by_digest()] {
        for stranger in [Pod::of(&name), Pod::of(&name).with_pull_secret(USER, "wrong")] {
            let waiting = kubelet.ensure_image(&stranger).unwrap_err();
            assert_eq!(waiting.code(), "registry-unauthorized", "{}", waiting.message);
            assert!(!waiting.message.contains("wrong"), "a password is told: {}", waiting.message);
        }
    }
    let waiting =
        kubelet.ensure_image(&Pod::of(unsigned.by_tag()).with_pull_secret(USER, PASSWORD)).unwrap_err();
    assert_eq!(waiting.code(), "no-signature", "{}", waiting.message);
    let ran = kubelet.run(&Pod::of(signed.by_tag()).with_pull_secret(USER, PASSWORD));
    assert_eq!(ran.unwrap_or_else(|waiting| panic!("{waiting:?}")).user, 1000);
    let told = node.pullgate.records().iter().any(|record| record.to_string().contains(PASSWORD));
    assert!(!told, "a password is in the log");
}

/// kubelet pulls a present image again to see whether a pod may have it. A verdict that is known says nothing of that.
fn are_asked_for_even_if_the_image_is_present(release: Release) {
    let mut node = Node::start(release);
    let image = node.push_signed("team/app:1");
    node.registry.restart_with_password();
    let kubelet = node.kubelet();
    kubelet.pull(&Pod::of(image.by_tag()).with_pull_secret(USER, PASSWORD)).unwrap();
    for name in [image.by_tag(), image.by_digest()] {
        let stranger = kubelet.pull(&Pod::of(&name));
        assert!(stranger.is_err(), "{name} without a secret: {stranger:?}");
        let direct = node.kubelet_without_pullgate().pull(&Pod::of(&name));
        assert!(direct.is_err(), "containerd itself would give {name}: {direct:?}");
        let friend = kubelet.pull(&Pod::of(&name).with_pull_secret(USER, PASSWORD));
        assert!(friend.is_ok(), "{name} with the secret: {friend:?}");
    }
}
