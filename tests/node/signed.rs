//! The gate accepts signatures by `pullgate-signer sign` with each algorithm, and only with the pinned one.

use pullgate_test::node::images::Image;
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};
use pullgate_test::node::{Node, RELEASE, Release};

use super::rows::Decision::{Refused, Runs};
use super::rows::assert_row;

#[test]
fn each_algorithm_is_accepted_by_pullgate_and_by_cosign() {
    let node = Node::start(Release::V2_1);
    for kind in
        [Kind::P256, Kind::P384, Kind::P384Sha256, Kind::P521, Kind::RsaPkcs1, Kind::RsaPss, Kind::Ed25519]
    {
        let name = kind.algorithm().to_lowercase();
        let (key, other) = (node.key(&name, kind), node.key(&format!("other-{name}"), kind));
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        for layout in [Layout::Classic, Layout::Bundle] {
            let (image, wrong) = (
                node.push(&format!("team/{name}:{layout:?}")),
                node.push(&format!("team/{name}:not-{layout:?}")),
            );
            let verify = |image: &Image, key: &PrivateKey| {
                let options = [kind.cosign_options(), layout.verify_options()].concat();
                node.cosign().verify(&image.by_digest(), key, &options)
            };
            let options = ["--layout", if layout == Layout::Classic { "classic" } else { "bundle" }];
            signing::sign_with(&image.by_digest(), &key, &options);
            signing::sign_with(&wrong.by_digest(), &other, &options);
            assert_row(
                &node,
                (&name, layout, "other key"),
                &wrong,
                Refused("no-valid-signature"),
                &verify(&wrong, &key),
            );
            let real = verify(&image, &key);
            if kind == Kind::RsaPss {
                // cosign verifies RSA with PKCS#1 v1.5 only.
                let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
                assert!(pulled.is_ok() && real.is_err(), "{name} {layout:?}: {pulled:?}, {real:?}");
                continue;
            }
            assert_row(&node, (&name, layout), &image, Runs, &real);
        }
    }
}

/// The same RSA key: a signature with one padding is not valid with the other.
#[test]
fn only_the_pinned_algorithm_is_accepted() {
    let node = Node::start(Release::V2_1);
    for (signed, pinned) in [(Kind::RsaPkcs1, Kind::RsaPss), (Kind::RsaPss, Kind::RsaPkcs1)] {
        let key = node.key(signed.algorithm(), signed);
        let image = node.push(&format!("team/{}:1", signed.algorithm().to_lowercase()));
        signing::sign(&image.by_digest(), &key);
        let key = key.used_as(pinned);
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-valid-signature", "{signed:?} as {pinned:?}: {}", waiting.message);
        signing::sign(&image.by_digest(), &key);
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{pinned:?}: {pulled:?}");
    }
}

#[test]
fn all_required_authenticators_must_sign() {
    let node = Node::start(Release::V2_1);
    let security = node.key("security", Kind::RsaPss);
    let policy =
        Policy::deny().authenticator(RELEASE, &[&node.release]).authenticator("security", &[&security]);
    node.pullgate.reload(&policy.require("**", &[RELEASE, "security"]));
    let image = node.push_signed("team/app:1");
    let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
    assert_eq!(waiting.code(), "not-enough-signatures", "{}", waiting.message);
    assert!(waiting.message.contains("security"), "{}", waiting.message);
    signing::sign(&image.by_digest(), &security);
    let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
    assert!(pulled.is_ok(), "{pulled:?}");
}
