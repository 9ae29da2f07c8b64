//! containerd's own image verifier contract: what does not come through the CRI obeys the same policy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::node::process;
use crate::support::node::{Node, Release, directory, pullgate};

/// containerd 2.1 calls verifiers for what its transfer service pulls; older releases have none.
#[test]
fn ctr_pulls_what_is_signed_and_nothing_else() {
    let node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let pull = |name: &str| {
        process::run(node.containerd.ctr().args(["images", "pull", "--plain-http", name])).map(drop)
    };
    // Without a verifier containerd pulls anything: the test would notice if it did not ask.
    let other = node.push("team/before:1");
    pull(&other.by_tag()).unwrap_or_else(|told| panic!("{told}"));
    install(&node);
    pull(&signed.by_tag()).unwrap_or_else(|told| panic!("{told}"));
    let told = pull(&unsigned.by_tag()).unwrap_err();
    assert!(told.contains("blocked pull") && told.contains("[no-signature]"), "{told}");
    let records = process::must_run(node.containerd.ctr().args(["images", "list", "--quiet"]));
    assert!(records.contains(&signed.by_tag()) && !records.contains(&unsigned.by_tag()), "{records}");
    // kubelet without pullgate in front: containerd's CRI plugin asks as well.
    let beside = node.kubelet_without_pullgate();
    let refused = beside.pull(&crate::support::node::kubelet::Pod::of(unsigned.by_tag())).unwrap_err();
    assert!(refused.message().contains("[no-signature]"), "{refused}");
}

fn install(node: &Node) {
    let verifiers = node.containerd.verifiers();
    directory::make(&verifiers);
    let command = node.pullgate.command();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.display().to_string()).collect();
    let script = verifiers.join("pullgate");
    let text = format!(
        "#!/bin/sh\nexec {} {} verifier \"$@\"\n",
        pullgate::program().display(),
        arguments.join(" ")
    );
    directory::write(&script, text);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
}
