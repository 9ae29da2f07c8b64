//! The signer with a real registry that notifies it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use pullgate_test::node::images::{self, Image};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::signer::Signer;
use pullgate_test::node::{Node, Release};

fn signed(node: &Node, image: &Image) -> bool {
    let cosign = node.cosign();
    let verified = process::wait(LIMIT, || cosign.verify(&image.by_digest(), &node.release, &[]).ok());
    verified.is_some()
}

#[test]
fn an_image_pushed_into_the_namespace_is_signed_and_runs() {
    let mut node = Node::start(Release::V2_1);
    let old = node.push("team/old:1");
    let signer = Signer::start(&mut node, "team");
    let image = node.push("team/app:1");
    let outside = node.push("other/app:1");
    assert!(signed(&node, &image), "{}", signer.log());
    let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
    assert!(pulled.is_ok(), "{pulled:?}");
    // An index, whose platforms' images have no tags.
    let index = node.push_index("team/index:1");
    assert!(signed(&node, &index), "{}", signer.log());
    signer.until_idle();
    for unsigned in [&outside, &old] {
        let waiting = node.kubelet().ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-signature", "{}", waiting.message);
    }
    // The pushes of our own signatures have no effect, even later.
    std::thread::sleep(Duration::from_secs(1));
    signer.until_idle();
    assert_eq!(signer.audit().len(), 2, "{:?}", signer.audit());
    let pushed: Vec<Value> = signer.audit();
    assert!(pushed.iter().all(|line| line["outcome"] == "signed" && line["trigger"] == "push"), "{pushed:?}");
    // Older images are signed on request.
    process::must_run(signer.command().args(["request", "--rule", "release", &old.by_tag()]));
    assert!(signed(&node, &old), "{}", signer.log());
    let pulled = node.kubelet().ensure_image(&Pod::of(old.by_tag()));
    assert!(pulled.is_ok(), "{pulled:?}");
}

#[test]
fn pushes_while_the_signer_is_down_are_signed_when_it_is_back() {
    let mut node = Node::start(Release::V2_1);
    let mut signer = Signer::start(&mut node, "team");
    signer.stop();
    let image = node.push("team/app:1");
    signer.start_again();
    assert!(signed(&node, &image), "{}", signer.log());
    let unsigned = images::make(node.directory(), &[]).push(&node.registry, "other/app:1");
    signer.until_idle();
    assert!(node.cosign().verify(&unsigned.by_digest(), &node.release, &[]).is_err());
    let status = process::must_run(signer.command().args(["status", "--output", "json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["waiting"], &status["parked"]), (&0.into(), &0.into()), "{status}");
    let status = process::must_run(signer.command().arg("status"));
    assert!(status.contains("rule release: automatic, since"), "{status}");
    process::must_run(signer.command().arg("check"));
    let mut missing = Command::new(pullgate_test::programs::signer());
    assert!(process::run(missing.args(["--config", "/nonexistent", "check"])).is_err());
}
