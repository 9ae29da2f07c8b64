//! GPG signatures by the real gpg and skopeo, found by what `pullgate-signer import registries-d` makes of skopeo's own
//! configuration.

use std::path::Path;
use std::process::Command;

use pullgate_test::node::gpg::{Gpg, Lookaside};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, process};
use pullgate_test::programs;

use super::rows::Decision::{Refused, Runs};
use super::rows::{assert_evidence_decides, assert_row};

on_every_release!(signatures_by_gpg_are_accepted_by_key_and_known_without_the_lookaside);

fn signatures_by_gpg_are_accepted_by_key_and_known_without_the_lookaside(release: Release) {
    let mut node = Node::start(release);
    let gpg = Gpg::of(node.directory().join("gpg"));
    let (key, _) = (gpg.key("release"), gpg.key("mallory"));
    let lookaside = Lookaside::serve(gpg.signatures());
    let registries = gpg.registries(&lookaside.url());
    let mut import = Command::new(programs::signer());
    let configuration = process::must_run(import.args(["import", "registries-d"]).arg(registries));
    node.pullgate.restart_with(&by_keys_of(&key));
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

    drop(lookaside);
    assert_evidence_decides(&mut node, &configuration, &[&signed], &by_keys_of(&gpg.key("mallory")));
}

fn by_keys_of(keyring: &Path) -> Policy {
    Policy::deny()
        .add_lines(&format!("[authenticator.gpg]\ntype = \"gpg\"\nkeyrings = [{keyring:?}]"))
        .require("**", &["gpg"])
}

/// A key is the identity and the root here. skopeo verifies with the same keyrings.
#[test]
fn skopeo_and_pullgate_agree() {
    let mut node = Node::start(Release::V2_1);
    let gpg = Gpg::of(node.directory().join("gpg"));
    let (key, other) = (gpg.key("release"), gpg.key("mallory"));
    let lookaside = Lookaside::serve(gpg.signatures());
    let registries = gpg.registries(&lookaside.url());
    let mut import = Command::new(programs::signer());
    let configuration = process::must_run(import.args(["import", "registries-d"]).arg(registries));
    node.pullgate.restart_configured(&configuration);
    let names = ["signed", "stolen", "ended", "unsigned", "moved"];
    let [signed, stolen, ended, unsigned, moved] = names.map(|name| node.push(&format!("team/{name}:1")));
    gpg.sign(&signed, "release");
    gpg.key("stolen");
    gpg.sign(&stolen, "stolen");
    let revoked = gpg.revoke("stolen");
    let expired = gpg.sign_in_the_past(&ended, "ended");
    gpg.copy_signature(&signed, &moved);
    let copied = signed.push_as(&node.registry, "elsewhere/app:1");
    gpg.copy_signature(&signed, &copied);
    for (about, image, keyring, decision) in [
        ("good", &signed, &key, Runs),
        ("wrong identity", &signed, &other, Refused("unknown-key")),
        ("expired", &ended, &expired, Refused("key-not-valid-now")),
        ("revoked", &stolen, &revoked, Refused("key-revoked")),
        ("other digest", &moved, &key, Refused("other-digest")),
        ("other repository", &copied, &key, Refused("other-repository")),
        ("unsigned", &unsigned, &key, Refused("no-signature")),
    ] {
        node.pullgate.reload(&by_keys_of(keyring));
        assert_row(&node, about, image, decision, &gpg.verify(image, keyring));
    }
}
