//! Signatures by the real cosign are accepted, and cosign accepts ours.

use std::process::Command;

use pullgate::trust::pem;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::notation::{Authority, Signer};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release, process};
use pullgate_test::programs;
use pullgate_test::sigstore::root_of_certificates;

use super::rows::Decision::{Refused, Runs, Stricter};
use super::rows::{assert_row, copied};

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

/// A key is the identity and the root here. cosign has no end of a key and no list of revoked ones, and it does not compare the
/// repository.
#[test]
fn cosign_and_pullgate_agree_about_keys() {
    let node = Node::start(Release::V2_1);
    let other = node.key("other", Kind::P256);
    let by = |key| Policy::deny().authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
    let good = by(&node.release);
    let ended = Policy::deny()
        .authenticator_with(RELEASE, &node.release, "not-after = 2025-01-01T00:00:00Z")
        .require("**", &[RELEASE]);
    for layout in [Layout::Classic, Layout::Bundle] {
        let signed = node.push(&format!("team/{layout:?}:1").to_lowercase());
        node.cosign().sign(&signed.by_digest(), &node.release, layout, None);
        let ([unsigned, copied], named) = copied(&node, layout, &signed);
        for (about, image, (policy, key), decision) in [
            ("good", &signed, (&good, &node.release), Runs),
            ("wrong key", &signed, (&by(&other), &other), Refused("no-valid-signature")),
            ("expired", &signed, (&ended, &node.release), Stricter("key-not-valid-now")),
            (
                "revoked",
                &signed,
                (&good.clone().deny_key(&node.release), &node.release),
                Stricter("key-revoked"),
            ),
            ("other digest", &unsigned, (&good, &node.release), Refused("other-digest")),
            ("other repository", &copied, (&good, &node.release), named),
        ] {
            node.pullgate.reload(policy);
            let real = node.cosign().verify(&image.by_digest(), key, layout.verify_options());
            assert_row(&node, (layout, about), image, decision, &real);
        }
    }
}

/// `cosign sign -a`: what the signer says about the image, and for which repository a bundle is.
#[test]
fn annotations_by_cosign_are_conditions() {
    let node = Node::start(Release::V2_1);
    let by_key = Policy::deny().authenticator(RELEASE, &[&node.release]);
    let annotated = by_key.clone().add_lines(&format!(
        "[[namespace]]\nscope = \"**\"\nrequire = {{ all = [{RELEASE:?}], annotations = {{ team = \"payments\" }} }}"
    ));
    let identified = by_key.require("**", &[RELEASE]).continued("identity = \"required\"");
    for layout in [Layout::Classic, Layout::Bundle] {
        let sign = |name: &str, options: &[&str]| {
            let image = node.push(&format!("team/{name}-{layout:?}:1").to_lowercase());
            node.cosign().sign_with(&image.by_digest(), &node.release, layout, options);
            image
        };
        node.pullgate.reload(&annotated);
        for (name, options, decision) in [
            ("exact", &["-a", "team=payments"][..], Runs),
            ("more", &["-a", "team=payments", "-a", "build=42"], Runs),
            ("another", &["-a", "team=shop"], Refused("no-valid-signature")),
            ("none", &[], Refused("no-valid-signature")),
        ] {
            let image = sign(name, options);
            let asked = [layout.verify_options(), &["-a", "team=payments"]].concat();
            let real = node.cosign().verify(&image.by_digest(), &node.release, &asked);
            assert_row(&node, (layout, name), &image, decision, &real);
        }
        node.pullgate.reload(&identified);
        let own = format!("docker-reference={}/team/named-{layout:?}", node.registry.host()).to_lowercase();
        let named = sign("named", &["-a", &own]);
        let copied = named.push_as(&node.registry, &format!("elsewhere/named-{layout:?}:1").to_lowercase());
        let unnamed = match layout {
            Layout::Classic => Runs,
            Layout::Bundle => Stricter("other-repository"),
        };
        signing::copy_signature(&node.registry, layout, &named, &copied);
        for (about, image, decision) in [
            ("named", &named, Runs),
            ("not named", &sign("unnamed", &[]), unnamed),
            ("other repository", &copied, Stricter("other-repository")),
        ] {
            let real = node.cosign().verify(&image.by_digest(), &node.release, layout.verify_options());
            assert_row(&node, (layout, about), image, decision, &real);
        }
    }
}

/// Certificates of a private PKI, without Fulcio and without a log, as `pki` of containers/image. cosign reads no list of
/// revoked ones.
#[test]
fn cosign_and_pullgate_agree_about_certificates() {
    let node = Node::start(Release::V2_1);
    let (authority, stranger) =
        (Authority::make(node.directory(), "acme"), Authority::make(node.directory(), "stranger"));
    let extensions = |name: &str| format!("subjectAltName=email:{name}@example.com");
    let issue =
        |authority: &Authority, name: &str| authority.issue(("acme", name), "p256", &extensions(name));
    let (release, other, unknown, revoked) = (
        issue(&authority, "release"),
        issue(&authority, "other"),
        issue(&stranger, "stranger"),
        issue(&authority, "revoked"),
    );
    let expired = authority.issue_expired(("acme", "expired"), "p256", &extensions("expired"));
    authority.revoke(&revoked);
    let [ca, list] = [authority.certificate(), authority.list()].map(|path| path.display().to_string());
    let names = ["release", "stranger", "expired", "revoked"].map(|name| format!("email:{name}@example.com"));
    let corp = format!(
        "[authenticator.corp]\ntype = \"certificate\"\nca = [{ca:?}]\ncrl = [{list:?}]\nnames = {names:?}"
    );
    let policy = Policy::deny().add_lines(&corp).require("**", &["corp"]);
    let certificate = std::fs::read_to_string(&ca).unwrap();
    let root = root_of_certificates(&[pem::read_one(&certificate).unwrap().der.to_vec()]);
    for layout in [Layout::Classic, Layout::Bundle] {
        node.pullgate.reload(&policy);
        let sign = |name: &str, signer: &Signer| {
            let image = node.push(&format!("team/{name}-{layout:?}:1").to_lowercase());
            node.cosign().sign_certified(&image.by_digest(), signer, layout);
            image
        };
        let signed = sign("good", &release);
        let ([unsigned, copied], named) = copied(&node, layout, &signed);
        for (about, image, address, decision) in [
            ("good", &signed, "release", Runs),
            ("wrong identity", &sign("other", &other), "release", Refused("wrong-identity")),
            ("wrong root", &sign("stranger", &unknown), "stranger", Refused("untrusted-certificate")),
            ("expired", &sign("expired", &expired), "expired", Refused("certificate-not-valid-now")),
            ("revoked", &sign("revoked", &revoked), "revoked", Stricter("certificate-revoked")),
            ("other digest", &unsigned, "release", Refused("other-digest")),
            ("other repository", &copied, "release", named),
        ] {
            let address = format!("{address}@example.com");
            let real = node.cosign().verify_certified(&image.by_digest(), &address, &root, layout);
            assert_row(&node, (layout, about), image, decision, &real);
        }
        // A bundle of cosign has no repository, so it does not count where one is required.
        node.pullgate.reload(&policy.clone().continued("identity = \"required\""));
        let real = node.cosign().verify_certified(&copied.by_digest(), "release@example.com", &root, layout);
        assert_row(&node, (layout, "identity required"), &copied, Stricter("other-repository"), &real);
    }
}
