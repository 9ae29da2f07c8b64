//! GPG signatures by the real gpg and skopeo, found by what `pullgate-signer import registries-d` makes of skopeo's own
//! configuration.

use std::process::Command;

use pullgate_test::node::gpg::{Gpg, Lookaside};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, process};
use pullgate_test::programs;

on_every_release!(signatures_by_gpg_are_accepted_by_key_and_known_without_the_lookaside);

fn signatures_by_gpg_are_accepted_by_key_and_known_without_the_lookaside(
    release: pullgate_test::node::Release,
) {
    let mut node = Node::start(release);
    let gpg = Gpg::of(node.directory().join("gpg"));
    let (key, _) = (gpg.key("release"), gpg.key("mallory"));
    let lookaside = Lookaside::serve(gpg.signatures());
    let registries = gpg.registries(&lookaside.url());
    let mut import = Command::new(programs::signer());
    let configuration = process::must_run(import.args(["import", "registries-d"]).arg(registries));
    let policy = Policy::deny()
        .add_lines(&format!("[authenticator.gpg]\ntype = \"gpg\"\nkeyrings = [{key:?}]"))
        .require("**", &["gpg"]);
    node.pullgate.restart_with(&policy);
    node.pullgate.restart_configured(&configuration);

    let (signed, wrong, unsigned) =
        (node.push("team/app:1"), node.push("team/app:2"), node.push("team/app:3"));
    gpg.sign(&signed, "release");
    gpg.sign(&wrong, "mallory");
    let ran = node.kubelet().run(&Pod::of(signed.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
    assert_eq!(ran.user, 1000);
    for (image, expected) in [(&wrong, "unknown-key"), (&unsigned, "no-signature")] {
        let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), expected, "{}", waiting.message);
    }

    // The image is on the node: its evidence decides, also if nobody can be asked.
    drop(lookaside);
    node.registry.stop();
    node.pullgate.restart_configured(&configuration);
    let again = node.kubelet().run(&Pod::of(signed.by_tag()).if_not_present());
    assert!(again.is_ok(), "{again:?}");
    // Under a policy with another key, the same evidence decides otherwise.
    let other = Policy::deny()
        .add_lines(&format!("[authenticator.gpg]\ntype = \"gpg\"\nkeyrings = [{:?}]", gpg.key("mallory")))
        .require("**", &["gpg"]);
    node.pullgate.reload(&other);
    assert!(node.kubelet().ensure_image(&Pod::of(signed.by_tag()).if_not_present()).is_err());
}
