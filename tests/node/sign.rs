//! `pullgate-signer sign` with the real registry, the real cosign and the real gate, in each layout.

use std::process::Command;
use std::thread;

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release, process};
use pullgate_test::programs;

/// Without RSA-PSS and Ed25519ph: with keys in files, cosign verifies only PKCS #1 and pure Ed25519.
#[test]
fn cosign_and_the_gate_accept_each_layout() {
    let node = Node::start(Release::V2_1);
    for kind in [
        Kind::P256,
        Kind::P384,
        Kind::P384Sha256,
        Kind::P521,
        Kind::RsaPkcs1,
        Kind::RsaPss,
        Kind::Ed25519,
        Kind::Ed25519ph,
    ] {
        let name = kind.algorithm().to_lowercase();
        let (key, other) = (node.key(&name, kind), node.key(&format!("other-{name}"), kind));
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        for layout in ["classic", "bundle", "both"] {
            let image = node.push(&format!("team/{name}:{layout}"));
            let result = signing::sign_with(&image.by_tag(), &key, &["--layout", layout, "-a", "build=42"]);
            assert!(result.starts_with("signed: ") && result.contains(&image.digest), "{result}");
            let result = signing::sign_with(&image.by_tag(), &key, &["--layout", layout, "-a", "build=42"]);
            assert!(result.starts_with("already signed: "), "{result}");
            let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            assert!(pulled.is_ok(), "{name} {layout}: {pulled:?}");
            let form = if layout == "classic" { &["--new-bundle-format=false"][..] } else { &[] };
            let options = [kind.cosign_options(), form, &["-a", "build=42"]].concat();
            let result = node.cosign().verify(&image.by_digest(), &key, &options);
            let knows = !matches!(kind, Kind::RsaPss | Kind::Ed25519ph);
            assert_eq!(result.is_ok(), knows, "{name} {layout}: {result:?}");
            let result = node.cosign().verify(&image.by_digest(), &other, &options);
            assert!(result.is_err(), "{name} {layout}, by another key: {result:?}");
        }
    }
}

#[test]
fn an_image_signed_by_cosign_is_already_signed() {
    let node = Node::start(Release::V2_1);
    for (layout, name) in [(Layout::Classic, "classic"), (Layout::Bundle, "bundle")] {
        let image = node.push(&format!("team/app:{name}"));
        node.cosign().sign(&image.by_digest(), &node.release, layout, None);
        let result = signing::sign_with(&image.by_digest(), &node.release, &["--layout", name]);
        assert!(result.starts_with("already signed: "), "{result}");
        let result =
            signing::sign_with(&image.by_digest(), &node.key("other", Kind::P256), &["--layout", name]);
        assert!(result.starts_with("signed: "), "another key has not: {result}");
        // The other way round: cosign adds to our signatures and removes none.
        let image = node.push(&format!("team/app:{name}-first"));
        let (ours, its) =
            (node.key(&format!("ours-{name}"), Kind::P256), node.key(&format!("its-{name}"), Kind::P256));
        signing::sign_with(&image.by_digest(), &ours, &["--layout", name]);
        node.cosign().sign(&image.by_digest(), &its, layout, None);
        let form = if layout == Layout::Classic { &["--new-bundle-format=false"][..] } else { &[] };
        for key in [&ours, &its] {
            let result = node.cosign().verify(&image.by_digest(), key, form);
            assert!(result.is_ok(), "{name} {}: {result:?}", key.name);
        }
    }
}

/// Separate processes, on a registry without conditional writes and referrers.
#[test]
fn concurrent_signers_lose_nothing() {
    let node = Node::start(Release::V2_1);
    let image = node.push("team/app:1");
    let keys: Vec<_> = (0..8).map(|number| node.key(&format!("signer-{number}"), Kind::P256)).collect();
    thread::scope(|scope| {
        for key in &keys {
            let image = &image;
            scope.spawn(move || signing::sign_with(&image.by_digest(), key, &["--layout", "both"]));
        }
    });
    for key in &keys {
        for form in [&["--new-bundle-format=false"][..], &[]] {
            let result = node.cosign().verify(&image.by_digest(), key, form);
            assert!(result.is_ok(), "{} {form:?}: {result:?}", key.name);
        }
    }
}

#[test]
fn a_whole_namespace_is_signed_with_its_indexes() {
    let node = Node::start(Release::V2_1);
    let index = node.push_index("shop/multi:1");
    let images = [node.push("shop/web:1"), node.push("shop/web:2"), node.push("shop/db:1")];
    let outside = node.push("other/app:1");
    let sign = |scope: &str| {
        let mut command = Command::new(programs::signer());
        command.args(["sign", "--all-tags", scope, "--recursive", "--key"]).arg(&node.release.file);
        process::output(&mut command)
    };
    let scope = format!("{}/shop", node.registry.host());
    for word in ["signed: ", "already signed: "] {
        let output = sign(&scope);
        let result = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{result}{}", String::from_utf8_lossy(&output.stderr));
        assert!(result.lines().count() > 4 && result.lines().all(|line| line.starts_with(word)), "{result}");
    }
    for image in images.iter().chain([&index]) {
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{}: {pulled:?}", image.by_tag());
    }
    let waiting = node.kubelet().ensure_image(&Pod::of(outside.by_tag())).unwrap_err();
    assert_eq!(waiting.code(), "no-signature", "{}", waiting.message);
}
