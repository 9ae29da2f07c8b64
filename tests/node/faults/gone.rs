//! The registry or containerd fails during a pull, and comes back.

use crate::held::{At, Held, STEPS};
use pullgate_test::node::Release;
use pullgate_test::node::kubelet::Pod;

on_every_release!(containerd_is_killed_at_each_step, the_registry_stops_at_each_step);

fn containerd_is_killed_at_each_step(release: Release) {
    let mut held = Held::start(release);
    for (step, at) in STEPS {
        let case = format!("containerd is killed when {step}");
        held.forget(true);
        held.hold(at);
        held.pull_with(&case, |held| held.held(&case, at), |node| node.containerd.kill());
        held.node.containerd.start_again();
        held.assert_in_order(&case);
    }
    let ran = held.node.kubelet_through_pullgate().run(&Pod::of(held.signed.by_tag()).if_not_present());
    assert_eq!(ran.unwrap().user, 1000);
    held.assert_evidence_is_whole();
}

fn the_registry_stops_at_each_step(release: Release) {
    let mut held = Held::start(release);
    for (step, at) in STEPS {
        let (At::Ours(_) | At::Containerd(_)) = at else { continue };
        let case = format!("the registry ends when {step}");
        held.forget(true);
        held.hold(at);
        held.pull_with(&case, |held| held.held(&case, at), |node| node.registry.stop());
        // Nothing was verified, so nothing is recorded.
        let waiting = held.kubelet.ensure_image(&Pod::of(held.signed.by_tag())).unwrap_err();
        assert_eq!(waiting.reason, "RegistryUnavailable", "{case}: {}", waiting.message);
        held.node.registry.start_again();
        held.assert_in_order(&case);
    }
    held.assert_evidence_is_whole();
}
