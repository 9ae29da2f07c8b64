//! A lazy-pulling snapshotter between pullgate and containerd: kubelet, pullgate, stargz's image service, containerd.

use std::process::Stdio;

use pullgate_core::digest::Digest;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::stargz::Stargz;
use pullgate_test::node::{Node, Release, process, signing};

/// The calls of kubelet go to the socket of `image-socket`, containerd pulls by its snapshotter, and what is refused
/// reaches neither.
#[test]
pub(crate) fn images_are_pulled_by_a_lazy_pulling_snapshotter() {
    let mut node = Node::start(Release::V2_1);
    let lazy = push_lazy(&node, "team/lazy:1");
    let mut stargz = Stargz::start(&node.directory().join("stargz"), &mut node.containerd);
    let runtime = format!("socket = {:?}", node.containerd.socket());
    let chained = format!("{runtime}\nimage-socket = {:?}", stargz.socket());
    node.pullgate.restart_edited(&runtime, &chained);
    let kubelet = node.kubelet_through_pullgate();

    let before = node.containerd.content();
    let refused = kubelet.ensure_image(&Pod::of(&lazy.name)).unwrap_err();
    assert_eq!(refused.code(), "no-signature", "{}", refused.message);
    let unsigned = node.push("team/unsigned:1");
    kubelet.ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
    assert_eq!(node.containerd.content_since(&before), Vec::<String>::new());
    assert_eq!(stargz.mounted_layers(), 0);

    signing::sign_by(node.pullgate.signer(), &lazy.by_digest, &node.release);
    let ran = kubelet.run(&Pod::of(&lazy.name));
    assert!(ran.is_ok(), "{ran:?}\n{}", stargz.log());
    // Its layer is a file system that reads from the registry, and was never downloaded as a whole.
    assert_eq!(stargz.mounted_layers(), 1, "{}", stargz.log());
    let content = node.containerd.content();
    assert!(content.contains(&lazy.config) && !content.contains(&lazy.layer), "{content:?}");
    // An image in the usual format is unpacked as usual.
    let plain = node.push_signed("team/plain:1");
    let ran = kubelet.run(&Pod::of(plain.by_tag()));
    assert!(ran.is_ok(), "{ran:?}\n{}", stargz.log());

    assert_eq!(attention(&node), serde_json::json!([]));
    stargz.kill();
    let waiting = kubelet.ensure_image(&Pod::of(node.push_signed("team/later:1").by_tag())).unwrap_err();
    assert!(waiting.message.contains("stargz.sock"), "{}", waiting.message);
    let attention = attention(&node).to_string();
    assert!(attention.contains("the image service does not answer"), "{attention}");
    assert!(!attention.contains("the runtime does not answer"), "{attention}");
}

/// An image in the registry whose layer can be read before it is complete.
struct Lazy {
    name: String,
    by_digest: String,
    config: String,
    layer: String,
}

/// Converts an image by the project's own tool, and removes it from containerd.
fn push_lazy(node: &Node, name: &str) -> Lazy {
    let plain = node.push(&format!("{name}-plain"));
    let (repository, tag) = name.split_once(':').unwrap();
    let name = format!("{}/{name}", plain.host);
    let ctr = |arguments: &[&str]| process::must_run(node.containerd.ctr().args(arguments));
    ctr(&["images", "pull", "--plain-http", &plain.by_tag()]);
    Stargz::convert(&node.containerd, &plain.by_tag(), &name);
    ctr(&["images", "push", "--plain-http", &name]);
    node.containerd.forget(&plain.host);
    let manifest = node.registry.manifest(repository, tag);
    let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let digest_in = |pointer: &str| parsed.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    Lazy {
        by_digest: format!("{}/{repository}@{}", plain.host, Digest::of(&manifest)),
        name,
        config: digest_in("/config/digest"),
        layer: digest_in("/layers/0/digest"),
    }
}

fn attention(node: &Node) -> serde_json::Value {
    let mut status = node.pullgate.command();
    let output = process::output(status.args(["status", "--output", "json"]).stdin(Stdio::null()));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // containerd 2.1 does not report its sandbox image.
    let all = status["attention"].as_array().unwrap();
    all.iter().filter(|line| !line.as_str().unwrap().contains("sandbox image")).cloned().collect()
}
