//! The image of pod sandboxes, which the runtime would pull without kubelet.

use std::process::Stdio;

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::{Node, Release, process};
use serde_json::Value;

on_every_release!(
    a_signed_one_is_pulled_by_digest_in_advance,
    an_unsigned_one_is_reported,
    a_side_loaded_one_is_reported
);

const PAUSE: &str = "registry.example.com/pause:1";

/// For containerd 2.1, which does not report the image, it must be configured.
fn configured(release: Release, name: &str) -> String {
    if release == Release::V2_1 { format!("[gate]\nsandbox-image = {name:?}") } else { String::new() }
}

fn push_pause(node: &Node) -> Image {
    node.map_host("registry.example.com");
    node.push_pause("pause:1").at("registry.example.com")
}

fn a_signed_one_is_pulled_by_digest_in_advance(release: Release) {
    let mut node = Node::start_with_sandbox_image(release, PAUSE);
    let pause = push_pause(&node);
    node.sign(&pause);
    node.pullgate.restart_configured(&configured(release, PAUSE));
    let report =
        node.pullgate.wait_for_record(0, |record| record["message"] == "the sandbox image is admitted");
    assert_eq!(report["image"], PAUSE, "{report}");
    let image = node.kubelet_without_pullgate().image_status(PAUSE).unwrap().expect("it is there");
    // The oldest release does not have pinned images.
    assert_eq!(image.pinned, release != Release::V1_6, "{image:?}");
    assert!(node.containerd.content().contains(PAUSE));
    let app = node.push_signed("team/app:1");
    assert_eq!(node.kubelet().run(&Pod::of(app.by_tag())).unwrap().user, 1000);
    for request in node.registry.requests().iter().filter(|request| request.is_by_containerd()) {
        assert!(!request.path.ends_with("/manifests/1") || !request.path.contains("pause"), "{request:?}");
    }
}

fn an_unsigned_one_is_reported(release: Release) {
    let mut node = Node::start_with_sandbox_image(release, PAUSE);
    push_pause(&node);
    node.pullgate.restart_configured(&configured(release, PAUSE));
    let report = node.pullgate.wait_for_record(0, |record| {
        record["line"].as_str().is_some_and(|line| line.contains("[no-signature]"))
            && record["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("the sandbox image is not"))
    });
    assert_eq!((&report["level"], &report["image"]), (&"ERROR".into(), &PAUSE.into()), "{report}");
    assert_eq!(report["present"], false, "{report}");
    assert!(node.kubelet().image_status(PAUSE).unwrap().is_none(), "it was not pulled");
}

/// The sandbox image of the test environment was imported with `ctr images import`.
fn a_side_loaded_one_is_reported(release: Release) {
    let mut node = Node::start(release);
    let name = "registry.k8s.io/pause:test";
    node.pullgate.restart_configured(&configured(release, name));
    let report = node.pullgate.wait_for_record(0, |record| {
        record["message"].as_str().is_some_and(|message| message.starts_with("the sandbox image is not"))
    });
    assert_eq!((&report["level"], &report["present"]), (&"ERROR".into(), &true.into()), "{report}");
    assert_eq!(report["image"], name);
}

#[test]
fn containerd_2_has_it_in_its_configuration() {
    let mut node = Node::start_with_sandbox_image(Release::V2_1, PAUSE);
    let pause = push_pause(&node);
    node.sign(&pause);
    let config = node.containerd.config();
    node.pullgate.restart_edited("[registry]\n", &format!("[registry]\ncontainerd-config = {config:?}\n"));
    let report =
        node.pullgate.wait_for_record(0, |record| record["message"] == "the sandbox image is admitted");
    assert_eq!(report["image"], PAUSE, "{report}");
    // It is checked again and again, and counted once.
    let rows = || {
        let mut command = node.pullgate.command();
        let report = process::output(command.args(["report", "--output", "json"]).stdin(Stdio::null()));
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        let rows = report["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| (row["image"] == PAUSE, row["count"].as_u64())).collect::<Vec<_>>()
    };
    assert_eq!(rows(), [(true, Some(1))]);
}

#[test]
pub(crate) fn a_runtime_that_does_not_report_it_needs_the_option() {
    let node = Node::start(Release::V2_1);
    let report = node.pullgate.wait_for_record(0, |record| {
        record["message"].as_str().is_some_and(|message| message.contains("`sandbox-image` in [gate]"))
    });
    assert_eq!(report["level"], "WARN");
}
