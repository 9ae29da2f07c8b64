//! An image that is not signed as the policy requires is refused before containerd sees it.

use pullgate_test::node::images::Image;
use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, RELEASE, Release, signing};

on_every_release!(
    unsigned,
    signed_by_another_key,
    with_a_signature_that_was_changed,
    with_a_payload_that_was_changed,
    with_the_signature_of_another_repository,
    whose_tag_was_moved_to_an_unsigned_image,
    that_no_rule_matches,
    an_index_of_which_only_the_images_are_signed,
    an_image_of_which_only_the_index_is_signed,
    when_the_registry_does_not_answer,
    that_do_not_exist,
    with_names_that_containerd_rejects,
);

/// Pulls `name` and asserts that it is refused for this reason, that containerd has nothing new, and that it has
/// not contacted the registry. Returns the message that kubelet shows.
fn assert_refused(node: &Node, name: &str, code: &str) -> String {
    let kubelet = node.kubelet();
    let before = node.containerd.content();
    let requests = node.registry.requests().len();
    let decisions = node.pullgate.decisions().len();
    let pod = Pod::of(name);
    let status = kubelet.pull(&pod).expect_err("the pull is refused");
    assert_eq!(status.code(), tonic::Code::Unknown, "{status}");
    assert!(status.message().starts_with("SignatureValidationFailed: "), "{status}");
    assert!(status.message().contains(name), "{status}");
    // kubelet pulls once for every pull secret, and recognises the reason only if all answers are the same.
    assert_eq!(kubelet.pull(&pod).unwrap_err().message(), status.message());
    let waiting = kubelet.ensure_image(&pod).unwrap_err();
    assert_eq!((waiting.reason, waiting.code()), ("SignatureValidationFailed", code), "{}", waiting.message);
    assert_eq!(node.containerd.content_since(&before), [""; 0], "containerd's content");
    for request in node.registry.requests().into_iter().skip(requests) {
        assert!(!request.is_by_containerd(), "{request:?}");
    }
    let decision = node.pullgate.decision(decisions);
    for (field, expected) in
        [("verdict", "refused"), ("image", name), ("reason", code), ("pod.name", &pod.name())]
    {
        assert_eq!(decision[field], expected, "{field} of {decision}");
    }
    waiting.message
}

fn assert_image_refused(node: &Node, image: &Image, code: &str) {
    for name in [image.by_tag(), image.by_digest(), image.by_both()] {
        let message = assert_refused(node, &name, code);
        assert!(message.contains(&image.digest), "{message}");
    }
}

fn unsigned(release: Release) {
    let node = Node::start(release);
    let image = node.push("team/app:1");
    assert_image_refused(&node, &image, "no-signature");
    node.sign(&image);
    let signed = node.kubelet().pull(&Pod::of(image.by_tag()));
    assert!(signed.is_ok(), "the same image, when it is signed: {signed:?}");
}

fn signed_by_another_key(release: Release) {
    let node = Node::start(release);
    let image = node.push("team/app:1");
    signing::sign(&image.by_digest(), &node.key("other", Kind::P256));
    assert_image_refused(&node, &image, "no-valid-signature");
    node.sign(&image);
    let both = node.kubelet().pull(&Pod::of(image.by_tag()));
    assert!(both.is_ok(), "a bad signature beside a good one: {both:?}");
}

fn with_a_signature_that_was_changed(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    signing::tamper_with_signature(&node.registry, &image);
    assert_image_refused(&node, &image, "no-valid-signature");
}

fn with_a_payload_that_was_changed(release: Release) {
    let node = Node::start(release);
    let other = node.push_signed("team/other:1");
    let image = other.push_as(&node.registry, "team/app:1");
    signing::copy_signatures(&other, &image);
    signing::tamper_with_payload(&node.registry, &image, &format!("{}/team/app", image.host));
    assert_image_refused(&node, &image, "no-valid-signature");
}

fn with_the_signature_of_another_repository(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let image = signed.push_as(&node.registry, "team/evil:1");
    signing::copy_signatures(&signed, &image);
    assert_image_refused(&node, &image, "other-repository");
    let good = node.kubelet().pull(&Pod::of(signed.by_tag()));
    assert!(good.is_ok(), "the same image by the name that was signed: {good:?}");
    // Also refused when containerd has all of its content.
    assert_image_refused(&node, &image, "other-repository");
}

fn whose_tag_was_moved_to_an_unsigned_image(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let id = node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    let unsigned = node.push("team/app:1");
    assert_image_refused(&node, &unsigned, "no-signature");
    let present = node.kubelet().image_status(&signed.by_tag()).unwrap();
    assert_eq!(present.map(|image| image.id), Some(id), "the tag still resolves to the signed image");
}

fn that_no_rule_matches(release: Release) {
    let node = Node::start_with(release, |policy, key| {
        policy.authenticator(RELEASE, &[key]).require("registry.example.com/team", &[RELEASE])
    });
    node.map_host("registry.example.com");
    for (name, code) in [
        ("team-evil/app:1", "denied-by-rule"),
        ("teams/app:1", "denied-by-rule"),
        ("other/team/app:1", "denied-by-rule"),
    ] {
        let image = node.push(name).at("registry.example.com");
        node.sign(&image);
        assert_refused(&node, &image.by_tag(), code);
        assert_refused(&node, &image.by_digest(), code);
    }
    let image = node.push("team/app:1").at("registry.example.com");
    node.sign(&image);
    let spoken_for = node.kubelet().pull(&Pod::of(image.by_tag()));
    assert!(spoken_for.is_ok(), "{spoken_for:?}");
}

/// The policy requires a signature of the digest that the name resolves to, not of a part of it.
fn an_index_of_which_only_the_images_are_signed(release: Release) {
    let node = Node::start(release);
    let image = node.push_index("team/app:1");
    for child in image.children(&node.registry) {
        signing::sign(&format!("{}/{}@{child}", image.host, image.repository), &node.release);
    }
    assert_image_refused(&node, &image, "no-signature");
}

fn an_image_of_which_only_the_index_is_signed(release: Release) {
    let node = Node::start(release);
    let image = node.push_index("team/app:1");
    node.sign(&image);
    for child in image.children(&node.registry) {
        assert_refused(&node, &format!("{}/{}@{child}", image.host, image.repository), "no-signature");
    }
}

fn when_the_registry_does_not_answer(release: Release) {
    let mut node = Node::start(release);
    let image = node.push_signed("team/app:1");
    node.registry.stop();
    let before = node.containerd.content();
    for name in [image.by_tag(), image.by_digest()] {
        let waiting = node.kubelet().ensure_image(&Pod::of(name)).unwrap_err();
        let result = (waiting.reason, waiting.code());
        assert_eq!(result, ("RegistryUnavailable", "registry-unavailable"), "{}", waiting.message);
    }
    assert_eq!(node.containerd.content_since(&before), [""; 0]);
}

fn that_do_not_exist(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    for name in [
        format!("{}/team/app:2", image.host),
        format!("{}/team/none:1", image.host),
        format!("{}/team/app@sha256:{}", image.host, "0".repeat(64)),
    ] {
        let status = node.kubelet().pull(&Pod::of(&name)).unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
        assert!(status.message().ends_with("[not-found]"), "{status}");
        let waiting = node.kubelet().ensure_image(&Pod::of(&name)).unwrap_err();
        assert_eq!(waiting.reason, "ErrImagePull", "{}", waiting.message);
    }
}

fn with_names_that_containerd_rejects(release: Release) {
    let node = Node::start_with(release, |_, _| Policy::text("default = \"deny\"\n").allow_unsigned("**"));
    let image = node.push("team/app:1");
    for name in [
        format!("{}/Team/app:1", image.host),
        format!("{}/team/app:1:2", image.host),
        format!("{}/team/app@sha256:12", image.host),
        format!("{}//team/app:1", image.host),
        format!(" {}", image.by_tag()),
        format!("{}\n", image.by_tag()),
    ] {
        let waiting = node.kubelet().ensure_image(&Pod::of(&name)).unwrap_err();
        let result = (waiting.reason, waiting.code());
        assert_eq!(result, ("SignatureValidationFailed", "invalid-reference"), "{}", waiting.message);
        assert!(node.kubelet_without_pullgate().pull(&Pod::of(&name)).is_err(), "containerd takes {name:?}");
    }
    let good = node.kubelet().pull(&Pod::of(image.by_tag()));
    assert!(good.is_ok(), "{good:?}");
}
