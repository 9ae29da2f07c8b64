//! What the runtime has decides: denied digests that no name and no evidence shows, and records of a neighbour.

use serde_json::{Value, json};

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::{Kubelet, Pod};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::{Node, Release};

on_every_release!(
    a1_a_denied_part_of_an_unsigned_image_keeps_it_from_running,
    a1_a_denied_configuration_is_refused_at_the_pull,
    a1_an_index_in_an_index_is_refused,
    a2_a_checkpoint_does_not_reach_the_images_of_others,
);

const MODES: [&str; 2] = ["allow = \"unsigned\"\nreason = \"a test\"", "mode = \"off\"\ndeny = \"a test\""];

fn open(rule: &str) -> Policy {
    Policy::deny().add_lines(&format!("[[namespace]]\nscope = \"**\"\n{rule}"))
}

/// The manifest of an index that the runtime has, and its configuration.
fn parts(node: &Node, index: &Image, id: &str) -> (String, String) {
    let content = node.containerd.content();
    let mut children = index.children(&node.registry).into_iter();
    let manifest =
        children.find(|child| content.contains(child)).expect("the runtime has a manifest of the index");
    (manifest, id.to_owned())
}

fn assert_withheld(node: &Node, image: &Image, id: &str, case: &str) {
    let kubelet = node.kubelet_through_pullgate();
    let present = kubelet.image_status(&image.by_tag());
    assert!(!matches!(present, Ok(Some(_))), "{case}: {present:?}");
    let waiting = kubelet.create(&Pod::of(image.by_tag()), id).unwrap_err();
    assert_eq!(waiting.code(), "digest-denied", "{case}: {}", waiting.message);
    let mut scan = node.pullgate.command();
    scan.args(["scan", "--output", "json"]).stdin(std::process::Stdio::null());
    let output = pullgate_test::node::process::output(&mut scan);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = report["images"].as_array().unwrap();
    let scanned = images.iter().find(|found| found["name"] == image.by_tag().as_str()).unwrap();
    assert_eq!(scanned["verdict"], "refused", "{case}: {report}");
}

fn assert_used(kubelet: &Kubelet, image: &Image, id: &str, case: &str) {
    assert_eq!(
        kubelet.image_status(&image.by_tag()).unwrap().map(|image| image.id).as_deref(),
        Some(id),
        "{case}"
    );
    kubelet.create(&Pod::of(image.by_tag()), id).unwrap_or_else(|error| panic!("{case}: {error:?}"));
}

fn a1_a_denied_part_of_an_unsigned_image_keeps_it_from_running(release: Release) {
    for rule in MODES {
        let node = Node::start_with(release, |_, _| open(rule));
        let index = node.push_index("team/index:1");
        let kubelet = node.kubelet_through_pullgate();
        let id = kubelet.pull(&Pod::of(index.by_tag())).unwrap();
        assert_used(&kubelet, &index, &id, "before");
        let (manifest, configuration) = parts(&node, &index, &id);
        let other = pullgate::digest::Digest::of(b"another").to_string();
        for denied in [&manifest, &configuration, &index.digest] {
            node.pullgate.reload(&open(rule).deny_digest(denied));
            assert_withheld(&node, &index, &id, &format!("{rule}: {denied}"));
        }
        node.pullgate.reload(&open(rule).deny_digest(&other));
        assert_used(&kubelet, &index, &id, "another digest");
    }
}

fn a1_a_denied_configuration_is_refused_at_the_pull(release: Release) {
    for rule in MODES {
        let node = Node::start_with(release, |_, _| open(rule));
        let index = node.push_index("team/index:1");
        // The id of an image follows from its content: another node would have the same.
        let id = node.kubelet_without_pullgate().pull(&Pod::of(index.by_tag())).unwrap();
        node.kubelet_without_pullgate().remove_image(&id).unwrap();
        node.pullgate.reload(&open(rule).deny_digest(&id));
        let refused = node.kubelet_through_pullgate().pull(&Pod::of(index.by_tag())).unwrap_err();
        assert!(refused.message().ends_with("[digest-denied]"), "{rule}: {refused:?}");
    }
}

fn a1_an_index_in_an_index_is_refused(release: Release) {
    let node = Node::start_with(release, |_, _| open(MODES[0]));
    let inner = node.push_index("team/index:1");
    let size = node.registry.manifest("team/index", &inner.digest).len();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let outer = inner.edited(&node.registry, "outer", |document| {
        document["manifests"] = json!([{ "mediaType": media_type, "digest": inner.digest, "size": size }]);
    });
    let kubelet = node.kubelet_through_pullgate();
    let refused = kubelet.pull(&Pod::of(outer.by_tag())).unwrap_err();
    assert!(refused.message().contains("lists another index"), "{refused:?}");
    // Pulled around pullgate; the denied digest is two levels down.
    let id = node.kubelet_without_pullgate().pull(&Pod::of(outer.by_tag())).unwrap();
    let (manifest, _) = parts(&node, &inner, &id);
    node.pullgate.reload(&open(MODES[0]).deny_digest(&manifest));
    let present = kubelet.image_status(&outer.by_tag());
    assert!(!matches!(present, Ok(Some(_))), "{present:?}");
    let waiting = kubelet.create(&Pod::of(outer.by_tag()), &id).unwrap_err();
    assert_eq!(waiting.code(), "runtime-unavailable", "{}", waiting.message);
}

fn a2_a_checkpoint_does_not_reach_the_images_of_others(release: Release) {
    for rule in MODES {
        let node = Node::start_with(release, |_, _| open(rule));
        let victim = node.push("team/victim:1");
        let kubelet = node.kubelet_through_pullgate();
        let id = kubelet.pull(&Pod::of(victim.by_tag())).unwrap();
        assert_used(&kubelet, &victim, &id, "before");
        // The same configuration, and so the same image for the runtime; a name that it puts first.
        let neighbour = node.push("a/neighbour:1").edited(&node.registry, "checkpoint", |document| {
            document["annotations"] = json!({ "org.criu.checkpoint.container.name": "app" });
        });
        for name in [neighbour.by_tag(), neighbour.by_digest()] {
            let refused = kubelet.pull(&Pod::of(&name)).unwrap_err();
            assert!(refused.message().ends_with("[checkpoint]"), "{rule}: {refused:?}");
        }
        // containerd applies the removal of a name some milliseconds later.
        let gone = wait(LIMIT, || {
            let images = kubelet.list_images().unwrap();
            (!images.iter().any(|image| image.repo_tags.contains(&neighbour.by_tag()))).then_some(())
        });
        assert!(gone.is_some(), "the neighbour's name stays");
        assert_used(&kubelet, &victim, &id, rule);
    }
}
