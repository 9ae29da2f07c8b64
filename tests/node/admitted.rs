//! Signed images are pulled, pinned to their digest, and run as kubelet would run them.

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::{Node, RELEASE, Release};

on_every_release!(
    runs_by_tag,
    runs_by_digest,
    runs_by_tag_and_digest,
    runs_by_the_name_of_another_registry,
    runs_by_a_name_without_registry,
    runs_an_index,
    is_known_by_its_tag_when_the_pull_returns,
    follows_a_tag_to_another_signed_image,
    pulls_a_present_image_again,
    runs_an_image_that_is_allowed_unsigned,
);

/// Asserts what every image that runs must have. A container that runs as root instead of the image's user means
/// that kubelet's ImageStatus found no image.
fn assert_runs(node: &Node, image: &Image, name: &str) {
    let kubelet = node.kubelet();
    let pod = Pod::of(name).in_namespace("payments");
    let before = node.pullgate.decisions().len();
    let ran = kubelet.run(&pod).unwrap_or_else(|waiting| panic!("{name}: {}", waiting.message));
    assert_eq!(ran.user, 1000, "{name} runs as the image's own user");
    let present = kubelet.image_status(name).unwrap();
    assert_eq!(present.map(|image| image.id), Some(ran.image_id), "ImageStatus of {name}");
    let decision = node.pullgate.decision(before);
    for (field, expected) in [
        ("verdict", "admitted"),
        ("image", name),
        ("pod.namespace", "payments"),
        ("pod.name", &pod.name()),
        ("digest", &image.digest),
    ] {
        assert_eq!(decision[field], expected, "{field} of {decision}");
    }
    assert_pinned(node, image);
}

/// containerd has not resolved a tag: it pulled the digest that pullgate resolved.
fn assert_pinned(node: &Node, image: &Image) {
    let by_containerd: Vec<_> =
        node.registry.requests().into_iter().filter(|request| request.is_by_containerd()).collect();
    assert!(!by_containerd.is_empty());
    for request in by_containerd {
        assert!(!request.path.contains(&format!("/manifests/{}", image.tag)), "{request:?}");
    }
}

fn tags(node: &Node, id: &str) -> Vec<String> {
    let images = node.kubelet().list_images().unwrap();
    images.into_iter().filter(|image| image.id == id).flat_map(|image| image.repo_tags).collect()
}

fn id_of(node: &Node, name: &str) -> String {
    node.kubelet().image_status(name).unwrap().expect("the image is there").id
}

fn runs_by_tag(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    assert_runs(&node, &image, &image.by_tag());
    assert_eq!(tags(&node, &id_of(&node, &image.by_tag())), [image.by_tag()], "ListImages shows the tag");
}

fn runs_by_digest(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    assert_runs(&node, &image, &image.by_digest());
}

/// containerd ignores the tag, and so does pullgate.
fn runs_by_tag_and_digest(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    node.push("team/app:1");
    assert_runs(&node, &image, &image.by_both());
}

fn runs_by_the_name_of_another_registry(release: Release) {
    let node = Node::start(release);
    node.map_host("registry.example.com");
    let image = node.push("team/app:1").at("registry.example.com");
    node.sign(&image);
    for name in [image.by_tag(), image.by_digest()] {
        assert_runs(&node, &image, &name);
    }
    assert_eq!(tags(&node, &id_of(&node, &image.by_tag())), [image.by_tag()], "ListImages shows the tag");
}

fn runs_by_a_name_without_registry(release: Release) {
    let node = Node::start(release);
    node.map_host("docker.io");
    let image = node.push("library/app:1").at("docker.io");
    node.sign(&image);
    assert_runs(&node, &image, "app:1");
    assert_runs(&node, &image, "docker.io/app:1");
    assert_eq!(tags(&node, &id_of(&node, "app:1")), ["docker.io/library/app:1"], "ListImages shows the tag");
    // kubelet adds it if there is neither tag nor digest.
    let latest = image.push_as(&node.registry, "library/app:latest").at("docker.io");
    assert_runs(&node, &latest, "app:latest");
}

fn runs_an_index(release: Release) {
    let node = Node::start(release);
    let image = node.push_index("team/app:1");
    node.sign(&image);
    assert_runs(&node, &image, &image.by_tag());
    assert_runs(&node, &image, &image.by_digest());
}

/// containerd's CRI plugin learns of a new tag by an event, a moment after the tag is recorded. Without waiting for it
/// most pulls succeed too, hence the many tags.
fn is_known_by_its_tag_when_the_pull_returns(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let manifest = node.registry.manifest(&image.repository, &image.tag);
    let kubelet = node.kubelet();
    for number in 0..50 {
        let tag = format!("other-{number}");
        node.registry.put_manifest(&image.repository, &tag, &manifest);
        let name = format!("{}/{}:{tag}", image.host, image.repository);
        let id = kubelet.pull(&Pod::of(&name)).unwrap();
        let present = kubelet.image_status(&name).unwrap();
        assert_eq!(present.map(|image| image.id), Some(id), "{name}");
    }
}

fn follows_a_tag_to_another_signed_image(release: Release) {
    let node = Node::start(release);
    let first = node.push_signed("team/app:1");
    assert_runs(&node, &first, &first.by_tag());
    let first_id = id_of(&node, &first.by_tag());
    let second = node.push_signed("team/app:1");
    assert_runs(&node, &second, &second.by_tag());
    assert_ne!(id_of(&node, &second.by_tag()), first_id, "the tag resolves to the new image");
    assert_runs(&node, &first, &first.by_digest());
}

/// kubelet pulls a present image to check the pod's credentials for it: the pull must reach the runtime.
fn pulls_a_present_image_again(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    let count = || node.registry.requests().iter().filter(|request| request.is_by_containerd()).count();
    let first = kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    let before = count();
    let second = kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    assert_eq!(first, second);
    assert!(count() > before, "the second pull is forwarded too");
}

fn runs_an_image_that_is_allowed_unsigned(release: Release) {
    let node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.example.com/public")
    });
    node.map_host("registry.example.com");
    let public = node.push("public/app:1").at("registry.example.com");
    let ran = node.kubelet().run(&Pod::of(public.by_tag())).unwrap();
    assert_eq!(ran.user, 1000);
    let private = node.push("public-not/app:1").at("registry.example.com");
    let waiting = node.kubelet().ensure_image(&Pod::of(private.by_tag())).unwrap_err();
    assert_eq!(waiting.code(), "no-signature");
}
