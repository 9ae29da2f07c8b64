//! Every way to run an image without a pull, on real containerd: `docs/coverage.md` names the test of each.

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::{Kubelet, Pod, Waiting};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, RELEASE, Release};

on_every_release!(
    a_side_loaded_image_never_runs_under_a_protected_name,
    an_image_is_admitted_only_under_its_signed_name,
    a_tag_moved_on_the_node_is_decided_by_its_image,
    a_stricter_policy_applies_to_present_images,
    an_unsigned_image_volume_is_refused,
    a_permissive_namespace_does_not_open_a_strict_one,
    a_revoked_or_expired_key_refuses_present_images,
    an_image_denied_after_the_pull_is_refused,
    a_restart_without_a_registry_admits_known_images,
);

fn reason_and_code(waiting: &Waiting) -> (&str, &str) {
    (waiting.reason, waiting.code())
}

/// Asserts that no container of `pod` is created from the image `id`, through either endpoint.
fn assert_never_runs(node: &Node, name: &str, id: &str) {
    let (through, beside) = (node.kubelet_through_pullgate(), node.kubelet());
    let waiting = through.create(&Pod::of(name), id).unwrap_err();
    assert_eq!(waiting.reason, "CreateContainerError", "{}", waiting.message);
    assert!(waiting.message.starts_with("SignatureValidationFailed: image "), "{}", waiting.message);
    for kubelet in [&through, &beside] {
        for pod in [Pod::of(name), Pod::of(name).if_not_present(), Pod::of(name).never()] {
            let ran = kubelet.run(&pod);
            assert!(ran.as_ref().is_err(), "{name} runs: {ran:?}");
        }
    }
}

fn assert_runs(kubelet: &Kubelet, name: &str) -> String {
    for pod in [Pod::of(name), Pod::of(name).if_not_present(), Pod::of(name).never()] {
        let ran = kubelet.run(&pod).unwrap_or_else(|waiting| panic!("{name}: {}", waiting.message));
        assert_eq!(ran.user, 1000, "{name} runs as the image's own user");
    }
    kubelet.image_status(name).unwrap().expect("the image is there").id
}

/// `ctr images import`, a node image built with archives, k3s's preloads.
pub(crate) fn a_side_loaded_image_never_runs_under_a_protected_name(release: Release) {
    let mut node = Node::start(release);
    node.map_host("registry.example.com");
    let name = "registry.example.com/team/app:1";
    let id = node.import(name);
    let kubelet = node.kubelet();
    let waiting = kubelet.ensure_image(&Pod::of(name).if_not_present()).unwrap_err();
    assert_eq!(waiting.reason, "ErrImagePull", "kubelet pulls what is reported absent: {}", waiting.message);
    let waiting = kubelet.ensure_image(&Pod::of(name).never()).unwrap_err();
    assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
    // Also by its id, or the beginning of it: an answer without a user would mean root.
    let hex = id.strip_prefix("sha256:").unwrap();
    for requested in [name, &id, hex, &hex[..12]] {
        let status = kubelet.image_status(requested).unwrap_err();
        assert!(status.message().starts_with("SignatureValidationFailed: image "), "{requested}: {status}");
    }
    assert_never_runs(&node, name, &id);
    assert!(
        kubelet.list_images().unwrap().iter().any(|image| image.id == id),
        "ListImages is never filtered"
    );
    node.pullgate.restart_configured("[gate]\nimage-status = \"off\"");
    assert_eq!(node.kubelet().run(&Pod::of(name).never()).unwrap().image_id, id, "switched off");
}

fn an_image_is_admitted_only_under_its_signed_name(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let id = assert_runs(&node.kubelet_through_pullgate(), &signed.by_tag());
    let unsigned = signed.push_as(&node.registry, "team/other:1");
    node.retag(&signed.by_tag(), &unsigned.by_tag());
    let waiting = node.kubelet().ensure_image(&Pod::of(unsigned.by_tag()).if_not_present()).unwrap_err();
    assert_eq!(
        reason_and_code(&waiting),
        ("SignatureValidationFailed", "no-signature"),
        "{}",
        waiting.message
    );
    assert_never_runs(&node, &unsigned.by_tag(), &id);
    assert_eq!(assert_runs(&node.kubelet_through_pullgate(), &signed.by_tag()), id);
}

fn a_tag_moved_on_the_node_is_decided_by_its_image(release: Release) {
    let mut node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = assert_runs(&kubelet, &signed.by_tag());
    let evil = "registry.example.com/evil:1";
    let evil_id = node.import(evil);
    node.retag(evil, &signed.by_tag());
    let pod = || Pod::of(signed.by_tag()).if_not_present();
    let waiting = kubelet.run(&pod()).unwrap_err();
    assert_eq!(reason_and_code(&waiting), ("ImageInspectError", "not-verified"), "{}", waiting.message);
    let waiting = kubelet.create(&pod(), &evil_id).unwrap_err();
    assert_eq!(reason_and_code(&waiting), ("CreateContainerError", "not-verified"), "{}", waiting.message);
    // When kubelet no longer counts on the image, it is pulled, and the tag names the signed image again.
    node.pullgate.restart_configured("");
    assert_eq!(node.kubelet_through_pullgate().run(&pod()).unwrap().image_id, id);
}

fn a_stricter_policy_applies_to_present_images(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = assert_runs(&kubelet, &image.by_tag());
    let other = node.key("other", Kind::P256);
    for (policy, code) in [
        (Policy::deny().authenticator(RELEASE, &[&other]).require("**", &[RELEASE]), "no-valid-signature"),
        (Policy::deny(), "denied-by-rule"),
    ] {
        node.pullgate.reload(&policy);
        let waiting = kubelet.run(&Pod::of(image.by_tag()).if_not_present()).unwrap_err();
        assert_eq!(waiting.reason, "ImageInspectError", "{code}: {}", waiting.message);
        let waiting = kubelet.run(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(reason_and_code(&waiting), ("SignatureValidationFailed", code), "{}", waiting.message);
        assert_never_runs(&node, &image.by_tag(), &id);
    }
    node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&node.release]).require("**", &[RELEASE]));
    assert_eq!(assert_runs(&kubelet, &image.by_tag()), id, "the old policy is back");
}

fn an_unsigned_image_volume_is_refused(release: Release) {
    let node = Node::start(release);
    let (app, data) = (node.push_signed("team/app:1"), node.push("team/data:1"));
    let kubelet = node.kubelet_through_pullgate();
    let pod = Pod::of(app.by_tag()).mounting(data.by_tag());
    let waiting = kubelet.run(&pod).unwrap_err();
    assert_eq!(
        reason_and_code(&waiting),
        ("SignatureValidationFailed", "no-signature"),
        "{}",
        waiting.message
    );
    // Side-loaded, so that kubelet does not pull it.
    let side_loaded = "registry.example.com/team/data:1";
    node.import(side_loaded);
    let waiting = kubelet.run(&Pod::of(app.by_tag()).mounting(side_loaded).never()).unwrap_err();
    assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
    // kubelet has these ids already: only the mounted image is wrong.
    let app_id = kubelet.pull(&Pod::of(app.by_tag())).unwrap();
    let mounting = |name: &str| {
        let volume = (name.to_owned(), node.id_in_runtime(name));
        kubelet.create_mounting(&Pod::of(app.by_tag()), &app_id, volume)
    };
    let waiting = mounting(side_loaded).unwrap_err();
    assert_eq!(reason_and_code(&waiting), ("CreateContainerError", "not-verified"), "{}", waiting.message);
    node.sign(&data);
    // Older releases do not have image volumes.
    if release == Release::V2_1 {
        assert!(mounting(&app.by_tag()).is_ok());
        assert_eq!(kubelet.run(&pod).unwrap().user, 1000);
    }
}

/// An image that one namespace may run does not become available to another.
fn a_permissive_namespace_does_not_open_a_strict_one(release: Release) {
    let node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.example.com/lab").pods(&["sandbox"])
    });
    node.map_host("registry.example.com");
    let image = node.push("lab/app:1").at("registry.example.com");
    let (through, beside) = (node.kubelet_through_pullgate(), node.kubelet());
    let pod = |namespace: &str| Pod::of(image.by_tag()).in_namespace(namespace);
    for kubelet in [&through, &beside] {
        for pod in [pod("sandbox"), pod("sandbox").if_not_present(), pod("sandbox").if_not_present()] {
            let ran = kubelet.run(&pod).unwrap_or_else(|waiting| panic!("{}", waiting.message));
            assert_eq!(ran.user, 1000);
        }
    }
    let id = node.id_in_runtime(&image.by_tag());
    assert!(through.create(&pod("sandbox"), &id).is_ok());
    for kubelet in [&through, &beside] {
        for pod in [pod("payments"), pod("payments").if_not_present()] {
            let waiting = kubelet.run(&pod).unwrap_err();
            assert_eq!(
                reason_and_code(&waiting),
                ("SignatureValidationFailed", "no-signature"),
                "{}",
                waiting.message
            );
        }
        let waiting = kubelet.run(&pod("payments").never()).unwrap_err();
        assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
    }
    // The call for the user names no pod. Whoever makes it for the strict one learns the user, and still creates nothing.
    let user = through.image_status(&image.by_tag()).unwrap().expect("it was pulled a moment ago");
    assert_eq!(user.uid.map(|uid| uid.value), Some(1000));
    let waiting = through.create(&pod("payments"), &id).unwrap_err();
    assert_eq!(reason_and_code(&waiting), ("CreateContainerError", "not-verified"), "{}", waiting.message);
}

/// With a clock that is years off, a key is outside its validity.
fn a_revoked_or_expired_key_refuses_present_images(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = assert_runs(&kubelet, &image.by_tag());
    let with = |more: &str| {
        Policy::deny().authenticator_with(RELEASE, &node.release, more).require("**", &[RELEASE])
    };
    for more in ["not-after = 2024-01-01T00:00:00Z", "not-before = 2100-01-01T00:00:00Z"] {
        node.pullgate.reload(&with(more));
        let waiting = kubelet.run(&Pod::of(image.by_tag()).if_not_present()).unwrap_err();
        assert_eq!(
            reason_and_code(&waiting),
            ("ImageInspectError", "key-not-valid-now"),
            "{more}: {}",
            waiting.message
        );
        assert_never_runs(&node, &image.by_tag(), &id);
    }
    let in_time = "not-before = 2024-01-01T00:00:00Z, not-after = 2100-01-01T00:00:00Z";
    node.pullgate.reload(&with(in_time));
    assert_eq!(assert_runs(&kubelet, &image.by_tag()), id, "within its validity again");
    // The key is replaced by another one.
    let other = node.key("other", Kind::P256);
    node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&other]).require("**", &[RELEASE]));
    assert_never_runs(&node, &image.by_tag(), &id);
}

/// The deny list takes effect at once on images that were pulled, cached and recorded before.
fn an_image_denied_after_the_pull_is_refused(release: Release) {
    let node = Node::start(release);
    let (image, other) = (node.push_signed("team/app:1"), node.push_signed("team/other:1"));
    let kubelet = node.kubelet_through_pullgate();
    let id = assert_runs(&kubelet, &image.by_tag());
    assert_runs(&kubelet, &other.by_tag());
    let required = || Policy::deny().authenticator(RELEASE, &[&node.release]).require("**", &[RELEASE]);
    node.pullgate.reload(&required().deny_digest(&image.digest));
    let waiting = kubelet.run(&Pod::of(image.by_tag())).unwrap_err();
    assert_eq!(
        reason_and_code(&waiting),
        ("SignatureValidationFailed", "digest-denied"),
        "{}",
        waiting.message
    );
    assert_never_runs(&node, &image.by_tag(), &id);
    assert_runs(&kubelet, &other.by_tag());
    node.pullgate.reload(&required().deny_key(&node.release));
    for name in [image.by_tag(), other.by_tag()] {
        let waiting = kubelet.run(&Pod::of(&name)).unwrap_err();
        assert_eq!(waiting.reason, "SignatureValidationFailed", "{name}: {}", waiting.message);
        let waiting = kubelet.create(&Pod::of(&name), &node.id_in_runtime(&name)).unwrap_err();
        assert_eq!(waiting.code(), "key-revoked", "{name}: {}", waiting.message);
    }
    node.pullgate.reload(&required());
    assert_eq!(assert_runs(&kubelet, &image.by_tag()), id);
}

/// Admitted images start from evidence; others do not start while the registry is unreachable.
fn a_restart_without_a_registry_admits_known_images(release: Release) {
    let mut node = Node::start(release);
    let (image, unknown) = (node.push_signed("team/app:1"), node.push_signed("team/unknown:1"));
    let id = assert_runs(&node.kubelet_through_pullgate(), &image.by_tag());
    // Signed and present, but never admitted here.
    let unknown_id = node.kubelet_without_pullgate().pull(&Pod::of(unknown.by_tag())).unwrap();
    node.registry.stop();
    node.pullgate.restart_configured("");
    let kubelet = node.kubelet_through_pullgate();
    for pod in [Pod::of(image.by_tag()).if_not_present(), Pod::of(image.by_tag()).never()] {
        let ran = kubelet.run(&pod).unwrap_or_else(|waiting| panic!("{}", waiting.message));
        assert_eq!((ran.image_id.as_str(), ran.user), (id.as_str(), 1000));
    }
    let waiting = kubelet.run(&Pod::of(unknown.by_tag()).if_not_present()).unwrap_err();
    assert_eq!(
        reason_and_code(&waiting),
        ("RegistryUnavailable", "registry-unavailable"),
        "{}",
        waiting.message
    );
    let waiting = kubelet.run(&Pod::of(unknown.by_tag()).never()).unwrap_err();
    assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
    let waiting = kubelet.create(&Pod::of(unknown.by_tag()), &unknown_id).unwrap_err();
    assert_eq!(reason_and_code(&waiting), ("CreateContainerError", "not-verified"), "{}", waiting.message);
}
