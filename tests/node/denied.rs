//! What the runtime has decides: denied digests that no name and no evidence shows, and records of a neighbour.

use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;

use pullgate_test::node::between::Between;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::{Kubelet, Pod};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::{Node, Release};
use pullgate_test::runtime::framed;
use pullgate_test::world::pull_request;

on_every_release!(
    a1_a_denied_part_of_an_unsigned_image_keeps_it_from_running,
    a1_a_denied_configuration_is_refused_at_the_pull,
    a1_an_index_in_an_index_is_refused,
    a1_a_refused_neighbour_leaves_the_images_of_others_usable,
    a2_a_checkpoint_does_not_reach_the_images_of_others,
    a2_a_checkpoint_whose_pull_is_given_up_does_not_stay,
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

/// The runtime gives the record of the id to the image that was pulled last.
fn a1_a_refused_neighbour_leaves_the_images_of_others_usable(release: Release) {
    let other = pullgate::digest::Digest::of(b"another").to_string();
    let node = Node::start_with(release, |_, _| open(MODES[1]).deny_digest(&other));
    let victim = node.push_index("team/victim:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = kubelet.pull(&Pod::of(victim.by_tag())).unwrap();
    assert_used(&kubelet, &victim, &id, "before");
    let inner = node.push_index("a/neighbour:2");
    let size = node.registry.manifest("a/neighbour", &inner.digest).len();
    let nested = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": inner.digest, "size": size,
        "platform": { "os": "linux", "architecture": "s390x" },
    });
    let neighbour = victim.push_as(&node.registry, "a/neighbour:1");
    let neighbour = neighbour.edited(&node.registry, "nested", |document| {
        document["manifests"].as_array_mut().unwrap().push(nested);
    });
    for name in [neighbour.by_tag(), neighbour.by_digest()] {
        let refused = kubelet.pull(&Pod::of(&name)).unwrap_err();
        assert!(refused.message().ends_with("[runtime-unavailable]"), "{refused:?}");
        assert_used(&kubelet, &victim, &id, &name);
    }
    wait_until_forgotten(&kubelet, &neighbour);
    assert_used(&kubelet, &victim, &id, "afterwards");
}

/// A neighbour's image with the configuration of `victim`, and so the same image for the runtime; a name that it puts
/// first.
fn checkpoint(node: &Node, victim: &Image, tag: &str) -> Image {
    victim.push_as(&node.registry, "a/neighbour:1").edited(&node.registry, tag, |document| {
        document["annotations"] = json!({ "org.criu.checkpoint.container.name": "app" });
    })
}

/// containerd applies the removal of a name some milliseconds later.
fn wait_until_forgotten(kubelet: &Kubelet, image: &Image) {
    let gone = wait(LIMIT, || {
        let images = kubelet.list_images().unwrap();
        let mut names = images.iter().flat_map(|image| image.repo_tags.iter().chain(&image.repo_digests));
        (!names.any(|name| *name == image.by_tag() || *name == image.by_digest())).then_some(())
    });
    assert!(gone.is_some(), "the neighbour's name stays");
}

fn a2_a_checkpoint_whose_pull_is_given_up_does_not_stay(release: Release) {
    let mut node = Node::start_with(release, |_, _| open(MODES[0]));
    let between = Between::start(node.directory().join("between.sock"), &node.containerd.socket());
    node.pullgate.restart_before(between.socket());
    let victim = node.push("team/victim:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = kubelet.pull(&Pod::of(victim.by_tag())).unwrap();
    for case in ["cancelled", "late"] {
        let neighbour = checkpoint(&node, &victim, case);
        // containerd has pulled it, and its answer is on the way.
        between.hold().arm(|what| what == "after /runtime.v1.ImageService/PullImage");
        if case == "cancelled" {
            kubelet.pull_and_give_up(&Pod::of(neighbour.by_tag()), Duration::from_secs(2));
        } else {
            let message = framed(&pull_request(&neighbour.by_tag()).encode_to_vec()).to_vec();
            let path = "/runtime.v1.ImageService/PullImage";
            let status = kubelet.call_raw(path, &[("grpc-timeout", "2S")], message);
            assert_eq!(status.code(), Code::DeadlineExceeded, "{case}: {status:?}");
        }
        between.hold().reached(case);
        between.hold().release();
        wait_until_forgotten(&kubelet, &neighbour);
        assert_used(&kubelet, &victim, &id, case);
    }
}

fn a2_a_checkpoint_does_not_reach_the_images_of_others(release: Release) {
    for rule in MODES {
        let node = Node::start_with(release, |_, _| open(rule));
        let victim = node.push("team/victim:1");
        let kubelet = node.kubelet_through_pullgate();
        let id = kubelet.pull(&Pod::of(victim.by_tag())).unwrap();
        assert_used(&kubelet, &victim, &id, "before");
        let neighbour = checkpoint(&node, &victim, "checkpoint");
        for name in [neighbour.by_tag(), neighbour.by_digest()] {
            let refused = kubelet.pull(&Pod::of(&name)).unwrap_err();
            assert!(refused.message().ends_with("[checkpoint]"), "{rule}: {refused:?}");
        }
        wait_until_forgotten(&kubelet, &neighbour);
        assert_used(&kubelet, &victim, &id, rule);
    }
}
