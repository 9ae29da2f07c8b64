//! The gate accepts signatures by `pullgate-signer sign` with each algorithm, and only with the pinned one.

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, RELEASE, Release, signing};

#[test]
fn each_algorithm_is_accepted() {
    let node = Node::start(Release::V2_1);
    for kind in
        [Kind::P256, Kind::P384, Kind::P384Sha256, Kind::P521, Kind::RsaPkcs1, Kind::RsaPss, Kind::Ed25519]
    {
        let name = kind.algorithm().to_lowercase();
        let key = node.key(&name, kind);
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        let image = node.push(&format!("team/{name}:1"));
        signing::sign(&image.by_digest(), &key);
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{name}: {pulled:?}");
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
