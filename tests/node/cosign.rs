//! Signatures by the real cosign are accepted, and cosign accepts ours.

use std::process::Command;

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::notation::Authority;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release, process};
use pullgate_test::programs;

on_every_release!(signatures_by_cosign_are_accepted);

fn signatures_by_cosign_are_accepted(release: Release) {
    let node = Node::start(release);
    for (name, layout) in [("team/classic:1", Layout::Classic), ("team/bundle:1", Layout::Bundle)] {
        let image = node.push(name);
        node.cosign().sign(&image.by_digest(), &node.release, layout, None);
        let ran =
            node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000, "{name}");
    }
}

#[test]
fn other_key_types_and_both_layouts_are_accepted() {
    let node = Node::start(Release::V2_1);
    // With Ed25519 keys cosign signs Ed25519ph. It verifies pure Ed25519, so it refuses its own.
    for kind in [Kind::P384, Kind::P521, Kind::RsaPkcs1, Kind::Ed25519ph] {
        let name = kind.algorithm().to_lowercase();
        let (key, other) = (node.key(&name, kind), node.key(&format!("other-{name}"), kind));
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        // The imported policy equals the one in force.
        let mut import = Command::new(programs::signer());
        let imported = import.args(["import", "cosign", "--scope", "**"]).arg(&key.public_file);
        let imported = process::must_run(imported);
        assert!(imported.contains(&format!("algorithm = {:?}", kind.algorithm())), "{imported}");
        for layout in [Layout::Classic, Layout::Bundle] {
            let image = node.push(&format!("team/{name}:{layout:?}"));
            node.cosign().sign(&image.by_digest(), &key, layout, None);
            let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            assert!(pulled.is_ok(), "{name} {layout:?}: {pulled:?}");
            let image = node.push(&format!("team/{name}:other-{layout:?}"));
            node.cosign().sign(&image.by_digest(), &other, layout, None);
            let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
            assert_eq!(waiting.code(), "no-valid-signature", "{name} {layout:?}: {}", waiting.message);
        }
    }
}

/// containers/image signs with SHA-256 whatever the curve is, pure Ed25519, and a name with a tag.
#[test]
fn signatures_by_skopeo_are_accepted() {
    let node = Node::start(Release::V2_1);
    for kind in [Kind::P256, Kind::P384Sha256, Kind::P521Sha256, Kind::RsaPkcs1, Kind::Ed25519] {
        let name = kind.algorithm().to_lowercase();
        let (key, other) = (node.key(&name, kind), node.key(&format!("other-{name}"), kind));
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        let (image, wrong) = (node.push(&format!("team/{name}:1")), node.push(&format!("team/{name}:2")));
        node.cosign().sign_by_skopeo(&image.by_tag(), &key);
        node.cosign().sign_by_skopeo(&wrong.by_tag(), &other);
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{name}: {pulled:?}");
        let waiting = node.kubelet().ensure_image(&Pod::of(wrong.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-valid-signature", "{name}: {}", waiting.message);
    }
}

/// A classic signature names the repository, which may differ from the one that the image is pulled from.
#[test]
fn a_signature_for_an_alias_is_accepted() {
    let node = Node::start_with(Release::V2_1, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.require_with_aliases("mirror.example.com/team", &[RELEASE], &["registry.example.com/team"])
    });
    node.map_host("mirror.example.com");
    for (identity, expected) in [
        ("registry.example.com/team/app", Ok(())),
        ("registry.example.com/other/app", Err("other-repository")),
        ("registry.example.com/team/other", Err("other-repository")),
    ] {
        let image = node.push("team/app:1");
        node.cosign().sign(&image.by_digest(), &node.release, Layout::Classic, Some(identity));
        let pulled = node.kubelet().ensure_image(&Pod::of(image.at("mirror.example.com").by_tag()));
        let result = pulled.as_ref().map(drop).map_err(|waiting| waiting.code());
        assert_eq!(result, expected, "signed as {identity}: {pulled:?}");
    }
}

/// The bundle of another image, in the place of this one's.
#[test]
fn a_bundle_counts_only_for_its_own_digest() {
    let node = Node::start(Release::V2_1);
    let signed = node.push("team/app:1");
    node.cosign().sign(&signed.by_digest(), &node.release, Layout::Bundle, None);
    let unsigned = node.push("team/app:2");
    signing::graft_bundle(&node.registry, &signed, &unsigned);
    let waiting = node.kubelet().ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
    assert_eq!(waiting.code(), "other-digest", "{}", waiting.message);
    let pulled = node.kubelet().ensure_image(&Pod::of(signed.by_tag()));
    assert!(pulled.is_ok(), "{pulled:?}");
}

#[test]
fn cosign_accepts_our_signatures() {
    let node = Node::start(Release::V2_1);
    for kind in [Kind::P256, Kind::P384, Kind::P384Sha256, Kind::P521, Kind::RsaPkcs1, Kind::Ed25519] {
        let name = kind.algorithm().to_lowercase();
        let (key, other) = (node.key(&name, kind), node.key(&format!("other-{name}"), kind));
        let image = node.push(&format!("team/{name}:1"));
        signing::sign(&image.by_digest(), &key);
        let cosign = node.cosign();
        let classic = [kind.cosign_options(), &["--new-bundle-format=false"]].concat();
        let result = cosign.verify(&image.by_digest(), &key, &classic);
        assert!(result.is_ok(), "{name}: {result:?}");
        let result = cosign.verify(&image.by_digest(), &other, &classic);
        assert!(result.is_err(), "{name}, by another key: {result:?}");
    }
}

/// Without Fulcio and without a log, as `pki` of containers/image.
#[test]
fn certificates_of_a_private_pki_are_accepted() {
    let node = Node::start(Release::V2_1);
    let (authority, stranger) =
        (Authority::make(node.directory(), "acme"), Authority::make(node.directory(), "stranger"));
    let issue = |authority: &Authority, name: &str| {
        authority.issue(("acme", name), "p256", &format!("subjectAltName=email:{name}@example.com"))
    };
    let signers = [
        (issue(&authority, "release"), None),
        (issue(&authority, "other"), Some("wrong-identity")),
        (issue(&stranger, "stranger"), Some("untrusted-certificate")),
    ];
    let revoked = issue(&authority, "revoked");
    authority.revoke(&revoked);
    let [ca, list] = [authority.certificate(), authority.list()].map(|path| path.display().to_string());
    let names = "names = [\"email:release@example.com\", \"email:stranger@example.com\", \"email:revoked@example.com\"]";
    let policy =
        format!("[authenticator.corp]\ntype = \"certificate\"\nca = [{ca:?}]\ncrl = [{list:?}]\n{names}");
    node.pullgate.reload(&Policy::deny().add_lines(&policy).require("**", &["corp"]));
    for layout in [Layout::Classic, Layout::Bundle] {
        let revoked = (&revoked, Some("certificate-revoked"));
        for (signer, expected) in signers.iter().map(|(signer, code)| (signer, *code)).chain([revoked]) {
            let image = node.push(&format!("team/{}:{layout:?}", expected.unwrap_or("good")));
            node.cosign().sign_certified(&image.by_digest(), signer, layout);
            let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            let code = pulled.as_ref().err().map(|waiting| waiting.code());
            assert_eq!(code, expected, "{layout:?}: {pulled:?}");
        }
    }
}
