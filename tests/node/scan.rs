//! `pullgate scan`, and the same in the daemon.

use std::process::Stdio;

use serde_json::Value;

use crate::support::node::kubelet::Pod;
use crate::support::node::policy::Policy;
use crate::support::node::process::{LIMIT, output, wait};
use crate::support::node::{Node, RELEASE, Release};

on_every_release!(
    finds_what_is_not_admitted,
    removes_what_nobody_may_use,
    knows_what_was_admitted_with_the_registry_gone,
);

const SIDE_LOADED: &str = "registry.example.com/team/app:1";

fn scan(node: &Node, arguments: &[&str]) -> (Option<i32>, String) {
    let mut scan = node.pullgate.command();
    let output = output(scan.arg("scan").args(arguments).stdin(Stdio::null()));
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn verdict_of<'a>(report: &'a Value, name: &str) -> &'a Value {
    let images = report["images"].as_array().unwrap();
    &images.iter().find(|image| image["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))["verdict"]
}

fn finds_what_is_not_admitted(release: Release) {
    let node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.k8s.io")
    });
    let signed = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
    let (code, output) = scan(&node, &["--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(verdict_of(&report, &signed.by_tag()), "admitted");
    node.map_host("registry.example.com");
    let id = node.import(SIDE_LOADED);
    let unsigned = node.push("team/unsigned:1");
    node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap();
    // An unsigned image that is recorded by the digest of a signed one is not the signed one.
    node.retag(SIDE_LOADED, &signed.by_tag());
    let (code, output) = scan(&node, &["--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(code, Some(1), "{report}");
    for (name, expected) in [
        (SIDE_LOADED, "refused"),
        (&unsigned.by_tag(), "refused"),
        (&signed.by_tag(), "refused"),
        (&signed.by_digest(), "admitted"),
        ("registry.k8s.io/pause:test", "admitted"),
    ] {
        assert_eq!(verdict_of(&report, name), expected, "{name} in {report}");
    }
    let (code, table) = scan(&node, &[]);
    assert_eq!(code, Some(1), "{table}");
    let line = table.lines().find(|line| line.contains(SIDE_LOADED)).unwrap();
    assert!(line.starts_with("REFUSED") && line.contains(&id["sha256:".len()..][..12]), "{table}");
}

fn removes_what_nobody_may_use(release: Release) {
    let mut node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.import(SIDE_LOADED);
    let direct = node.kubelet_without_pullgate();
    for (remove, stays) in [(false, true), (true, false)] {
        node.pullgate.restart_configured(&format!("[scan]\ninterval = \"1s\"\nremove-unused = {remove}"));
        let before = node.pullgate.records().len();
        let told = node.pullgate.wait_for_record(before, |record| record["name"] == SIDE_LOADED);
        assert_eq!((&told["level"], &told["reason"]), (&"WARN".into(), &"not-verified".into()), "{told}");
        node.pullgate.wait_for_record(before, |record| record["message"] == "node scanned");
        if !stays {
            let gone = wait(LIMIT, || direct.image_status(SIDE_LOADED).unwrap().is_none().then_some(()));
            assert!(gone.is_some(), "it is removed");
        }
        assert_eq!(direct.image_status(SIDE_LOADED).unwrap().is_some(), stays, "remove-unused = {remove}");
    }
    assert!(direct.image_status(&signed.by_tag()).unwrap().is_some(), "what is admitted stays");
}

/// A running container under a policy that has become stricter is told with its pod.
#[test]
fn tells_of_running_containers() {
    let node = Node::start(Release::V2_1);
    let image = node.push_signed("team/app:1");
    let pod = Pod::of(image.by_tag()).in_namespace("payments");
    let found = node.kubelet().run_while(&pod, || {
        node.pullgate.reload(&Policy::deny());
        let (code, output) = scan(&node, &["--output", "json"]);
        assert_eq!(code, Some(1), "{output}");
        serde_json::from_str::<Value>(&output).unwrap()["containers"].clone()
    });
    let containers = found.as_array().unwrap();
    assert_eq!(containers.len(), 1, "{found}");
    assert_eq!(containers[0]["verdict"], "refused", "{found}");
    assert_eq!(containers[0]["reason"], "denied-by-rule", "{found}");
    assert_eq!(containers[0]["pod"], format!("payments/{}", pod.name()), "{found}");
}

/// By the daemon's evidence: through the daemon, and from the disk where it does not run.
fn knows_what_was_admitted_with_the_registry_gone(release: Release) {
    let mut node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.k8s.io")
    });
    let (signed, unknown) = (node.push_signed("team/app:1"), node.push_signed("team/unknown:1"));
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.kubelet_without_pullgate().pull(&Pod::of(unknown.by_tag())).unwrap();
    node.registry.stop();
    let told = |node: &Node, arguments: &[&str]| {
        let (code, output) = scan(node, &[&["--output", "json"], arguments].concat());
        let report: Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
        let verdicts = [&signed, &unknown].map(|image| verdict_of(&report, &image.by_tag()).clone());
        (code, verdicts)
    };
    let expected = (Some(3), ["admitted", "unknown"].map(Value::from));
    for arguments in [["--daemon", "require"], ["--daemon", "off"]] {
        assert_eq!(told(&node, &arguments), expected, "{arguments:?}");
    }
    node.pullgate.stop();
    assert_eq!(told(&node, &[]), expected, "without a daemon");
    assert_eq!(scan(&node, &["--daemon", "require"]).0, Some(3));
    std::fs::remove_dir_all(node.directory().join("pullgate/evidence")).unwrap();
    assert_eq!(told(&node, &[]).1, ["unknown", "unknown"].map(Value::from), "without evidence");
}
