//! `pullgate scan`, and the same in the daemon.

use std::process::Stdio;

use serde_json::Value;

use pullgate_test::node::images::Image;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{LIMIT, must_run, output, wait};
use pullgate_test::node::signing::sign_by;
use pullgate_test::node::{Node, RELEASE, Release};

on_every_release!(
    reports_images_that_are_not_admitted,
    removes_only_finally_refused_images,
    uses_evidence_while_the_registry_is_unreachable,
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

fn reports_images_that_are_not_admitted(release: Release) {
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
    // An unsigned image recorded with the digest of a signed one is not the signed one.
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

/// Images that the policy refuses, or that have no signature in the registry, are removed. Others stay, even
/// without evidence.
pub(crate) fn removes_only_finally_refused_images(release: Release) {
    let mut node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        let policy = policy.add_lines("[[namespace]]\nscope = \"denied.example.com\"\ndeny = \"not here\"");
        policy.add_lines(
            "[[namespace]]\nscope = \"some.example.com\"\npods = [\"dev\"]\ndeny = \"not for these\"",
        )
    });
    let signed = node.push_signed("team/app:1");
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    let direct = node.kubelet_without_pullgate();
    // ctr gives an image a name with a tag, and no name with a digest.
    let pull = |image: &Image| {
        must_run(node.containerd.ctr().args(["images", "pull", "--plain-http"]).arg(image.by_tag()))
    };
    let (by_ctr, moved, unsigned) =
        (node.push_signed("team/ctr:1"), node.push_signed("team/moved:1"), node.push("team/unsigned:1"));
    pull(&by_ctr);
    pull(&moved);
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    node.registry.put_manifest("team/moved", "1", index.as_bytes());
    direct.pull(&Pod::of(unsigned.by_tag())).unwrap();
    let (denied, some) = ("denied.example.com/app:1", "some.example.com/app:1");
    for name in [SIDE_LOADED, denied, some] {
        node.import(name);
    }
    let names =
        [by_ctr.by_tag(), moved.by_tag(), unsigned.by_tag(), SIDE_LOADED.into(), denied.into(), some.into()];
    let present = || names.clone().map(|name| direct.image_status(&name).unwrap().is_some());
    assert!(wait(LIMIT, || (present() == [true; 6]).then_some(())).is_some(), "{:?}", present());
    for remove in [false, true] {
        node.pullgate.restart_configured(&format!("[scan]\ninterval = \"1s\"\nremove-unused = {remove}"));
        let mut seen = node.pullgate.records().len();
        for (name, reason) in [
            (moved.by_tag(), "not-verified"),
            (unsigned.by_tag(), "no-signature"),
            (denied.into(), "denied-by-rule"),
            (some.into(), "denied-by-rule"),
        ] {
            let reported = node.pullgate.wait_for_record(seen, |record| record["name"] == name);
            assert_eq!(
                (&reported["level"], &reported["reason"]),
                (&"WARN".into(), &reason.into()),
                "{reported}"
            );
        }
        if remove {
            let gone = || (present() == [true, true, false, true, false, true]).then_some(());
            assert!(wait(LIMIT, gone).is_some(), "{:?}", present());
        }
        for _ in 0..2 {
            node.pullgate.wait_for_record(seen, |record| record["message"] == "node scanned");
            seen = node.pullgate.records().len();
        }
        let reported =
            node.pullgate.records().iter().any(|record| record["name"] == by_ctr.by_tag().as_str());
        assert!(!reported, "the image pulled by ctr is admitted: {:?}", node.pullgate.records());
        assert_eq!(present(), [true, true, !remove, true, !remove, true], "remove-unused = {remove}");
    }
    assert!(direct.image_status(&signed.by_tag()).unwrap().is_some(), "admitted images stay");
    // With the registry gone it is unknown whether it has a signature.
    node.pullgate.restart_configured("[scan]\ninterval = \"off\"");
    let late = node.push("team/late:1");
    direct.pull(&Pod::of(late.by_tag())).unwrap();
    node.registry.stop();
    node.pullgate.restart_configured("[scan]\ninterval = \"1s\"\nremove-unused = true");
    for _ in 0..2 {
        let before = node.pullgate.records().len();
        node.pullgate.wait_for_record(before, |record| record["message"] == "node scanned");
    }
    assert!(direct.image_status(&late.by_tag()).unwrap().is_some(), "{:?}", node.pullgate.records());
}

/// Signed with another key than the policy now names, then also with that one: the evidence is older than that.
#[test]
fn a_later_signature_counts() {
    let node = Node::start(Release::V2_1);
    let image = node.push_signed("team/app:1");
    node.kubelet().pull(&Pod::of(image.by_tag())).unwrap();
    let key = node.key("next", Kind::P256);
    node.pullgate.reload(&Policy::deny().authenticator("next", &[&key]).require("**", &["next"]));
    let reported = |node: &Node| {
        let (_, output) = scan(node, &["--output", "json"]);
        verdict_of(&serde_json::from_str(&output).unwrap(), &image.by_tag()).clone()
    };
    assert_eq!(reported(&node), "refused");
    sign_by(node.pullgate.signer(), &image.by_digest(), &key);
    let admitted = wait(LIMIT, || (reported(&node) == "admitted").then_some(()));
    assert!(admitted.is_some(), "{}", reported(&node));
}

/// After the policy has become stricter, a running container is reported with its pod.
#[test]
fn reports_running_containers() {
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

/// With the daemon's evidence: through the daemon, and from the disk if it does not run.
pub(crate) fn uses_evidence_while_the_registry_is_unreachable(release: Release) {
    let mut node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.k8s.io")
    });
    let (signed, unknown) = (node.push_signed("team/app:1"), node.push_signed("team/unknown:1"));
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.kubelet_without_pullgate().pull(&Pod::of(unknown.by_tag())).unwrap();
    node.registry.stop();
    let reported = |node: &Node, arguments: &[&str]| {
        let (code, output) = scan(node, &[&["--output", "json"], arguments].concat());
        let report: Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
        let verdicts = [&signed, &unknown].map(|image| verdict_of(&report, &image.by_tag()).clone());
        (code, verdicts)
    };
    let expected = (Some(3), ["admitted", "unknown"].map(Value::from));
    for arguments in [["--daemon", "require"], ["--daemon", "off"]] {
        assert_eq!(reported(&node, &arguments), expected, "{arguments:?}");
    }
    node.pullgate.stop();
    assert_eq!(reported(&node, &[]), expected, "without a daemon");
    assert_eq!(scan(&node, &["--daemon", "require"]).0, Some(3));
    std::fs::remove_dir_all(node.directory().join("pullgate/evidence")).unwrap();
    assert_eq!(reported(&node, &[]).1, ["unknown", "unknown"].map(Value::from), "without evidence");
}
