//! Ways around a pull that need more than a present image: ambiguous requests, ids, forged records, moving tags,
//! checkpoints, and guests that pull again.

use std::process::Command;

use prost::Message;
use pullgate::api::{
    ContainerConfig, CreateContainerRequest, ImageSpec, ImageStatusRequest, PodSandboxConfig,
    PullImageRequest,
};
use serde_json::Value;
use tonic::{Code, Status};

use crate::held::{At, Held};
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::{Pod, Waiting};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, process};

on_every_release!(
    ambiguous_requests_are_refused,
    an_id_is_decided_like_its_image,
    a_call_for_the_user_is_never_answered_with_absent,
    a_forged_digest_record_admits_nothing,
    a_tag_that_moves_before_the_pull_has_no_effect,
    a_checkpoint_in_a_file_is_refused,
    a8_a_container_is_created_by_the_name_of_its_image,
    a_checkpoint_in_an_admitted_image_is_refused,
    checkpoints_of_pods_are_refused,
);

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";
const EVIL: &str = "registry.example.com/evil:1";

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [[flag].as_slice(), &length, message].concat()
}

fn gzipped(node: &Node, message: &[u8]) -> Vec<u8> {
    let file = node.directory().join("message");
    std::fs::write(&file, message).unwrap();
    process::must_run(Command::new("gzip").arg("--force").arg("--keep").arg(&file));
    std::fs::read(node.directory().join("message.gz")).unwrap()
}

fn spec(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec { image: image.to_owned(), ..Default::default() })
}

fn create(image: &str) -> CreateContainerRequest {
    CreateContainerRequest {
        pod_sandbox_id: "none".to_owned(),
        config: Some(ContainerConfig { image: spec(image), ..Default::default() }),
        sandbox_config: Some(PodSandboxConfig::default()),
    }
}

/// Asserts that a container from `image` is refused because of a checkpoint, and for no other reason.
fn assert_is_checkpoint(answer: Result<(), Waiting>, case: &str) {
    let waiting = answer.unwrap_err();
    assert_eq!(
        (waiting.reason, waiting.code()),
        ("CreateContainerError", "checkpoint"),
        "{case}: {}",
        waiting.message
    );
}

fn assert_refused(status: &Status, codes: &[Code], case: &str) {
    assert!(codes.contains(&status.code()), "{case}: {status:?}");
    assert!(
        status.message().starts_with("pullgate: "),
        "{case}: it is not containerd that answers: {status:?}"
    );
}

/// Requests that pullgate and containerd could parse differently: two messages, a compressed one, a field twice.
fn ambiguous_requests_are_refused(release: Release) {
    let node = Node::start(release);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let kubelet = node.kubelet_through_pullgate();
    let id = kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
    let evil = node.import(EVIL);
    let before = node.containerd.content();
    let pull = |name: &str| PullImageRequest { image: spec(name), ..Default::default() }.encode_to_vec();
    let status = |name: &str| ImageStatusRequest { image: spec(name), verbose: false }.encode_to_vec();
    let made = |image: &str| create(image).encode_to_vec();
    for (path, good, bad) in [
        (PULL, pull(&signed.by_tag()), pull(&unsigned.by_tag())),
        (STATUS, status(&signed.by_tag()), status(EVIL)),
        (CREATE, made(&id), made(&evil)),
    ] {
        // One message in one frame is accepted: the others are not refused for another reason.
        let read = kubelet.call_raw(path, &[], frame(0, &good));
        assert!(!read.message().starts_with("pullgate: "), "{path}: {read:?}");
        for (one, other) in [(&good, &bad), (&bad, &good)] {
            let two = [frame(0, one), frame(0, other)].concat();
            assert_refused(&kubelet.call_raw(path, &[], two), &[Code::InvalidArgument, Code::Internal], path);
            let twice = [one.as_slice(), other].concat();
            assert_refused(&kubelet.call_raw(path, &[], frame(0, &twice)), &[Code::InvalidArgument], path);
            let compressed = frame(1, &gzipped(&node, one));
            let answer = kubelet.call_raw(path, &[("grpc-encoding", "gzip")], compressed);
            assert_refused(&answer, &[Code::Unimplemented, Code::InvalidArgument], path);
        }
    }
    assert_eq!(node.containerd.content_since(&before), [] as [String; 0]);
    let containers = process::must_run(node.containerd.ctr().args(["containers", "list", "--quiet"]));
    assert_eq!(containers, "");
}

/// A pod may name its image by an id, or the beginning of one: the decision is about the image.
fn an_id_is_decided_like_its_image(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
    let evil = node.import(EVIL);
    let forms = |id: &str| {
        let hex = id.strip_prefix("sha256:").unwrap().to_owned();
        [id.to_owned(), hex[..12].to_owned(), hex]
    };
    for name in forms(&id) {
        let ran = kubelet
            .run(&Pod::of(&name).never())
            .unwrap_or_else(|waiting| panic!("{name}: {}", waiting.message));
        assert_eq!((ran.image_id.as_str(), ran.user), (id.as_str(), 1000), "{name}");
    }
    for name in forms(&evil) {
        let waiting = kubelet.run(&Pod::of(&name).never()).unwrap_err();
        assert_eq!(waiting.reason, "ErrImageNeverPull", "{name}: {}", waiting.message);
        assert!(kubelet.run(&Pod::of(&name).if_not_present()).is_err(), "{name}");
        assert!(kubelet.image_status(&name).is_err(), "{name}: its user must not be reported as root");
        let waiting = kubelet.create(&Pod::of(&name), &evil).unwrap_err();
        assert_eq!(waiting.code(), "not-verified", "{name}: {}", waiting.message);
    }
}

/// For kubelet an absent image runs as root.
fn a_call_for_the_user_is_never_answered_with_absent(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
    let user = |name: &str| {
        kubelet.image_status(name).map(|image| image.and_then(|image| image.uid).map(|id| id.value))
    };
    assert_eq!(user(&signed.by_tag()).unwrap(), Some(1000));
    assert_eq!(user("registry.example.com/none:1").unwrap(), None, "a missing image is absent");
    node.import(EVIL);
    assert!(user(EVIL).is_err());
    // The policy changes between the call for presence and the call for the user.
    assert!(kubelet.ensure_image(&Pod::of(signed.by_tag()).if_not_present()).is_ok());
    node.pullgate.reload(&Policy::deny());
    let status = user(&signed.by_tag()).unwrap_err();
    assert!(status.message().ends_with("[denied-by-rule]"), "{status}");
    let waiting = kubelet.run(&Pod::of(signed.by_tag()).if_not_present()).unwrap_err();
    assert_eq!(
        (waiting.reason, waiting.code()),
        ("ImageInspectError", "denied-by-rule"),
        "{}",
        waiting.message
    );
}

/// A record in the images API can give any image any name, also the digest of another one.
fn a_forged_digest_record_admits_nothing(release: Release) {
    let node = Node::start(release);
    let (known, unknown) = (node.push_signed("team/app:1"), node.push_signed("team/later:1"));
    let kubelet = node.kubelet_through_pullgate();
    let good = kubelet.pull(&Pod::of(known.by_tag())).unwrap();
    let evil = node.import(EVIL);
    for image in [&known, &unknown] {
        node.retag(EVIL, &image.by_digest());
        let forged = image.by_digest();
        let waiting = kubelet.ensure_image(&Pod::of(&forged).never()).unwrap_err();
        assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
        assert!(kubelet.image_status(&forged).is_err());
        for name in [forged.clone(), image.by_tag(), evil.clone()] {
            let waiting = kubelet.create(&Pod::of(&name), &evil).unwrap_err();
            assert_eq!(waiting.code(), "not-verified", "{name}: {}", waiting.message);
        }
    }
    // kubelet pulls the image that is reported absent, and the name resolves to the right image again.
    for (image, id) in [(&known, Some(&good)), (&unknown, None)] {
        let ran = kubelet.run(&Pod::of(image.by_digest()).if_not_present());
        let ran = ran.unwrap_or_else(|waiting| panic!("{}", waiting.message));
        assert!(ran.image_id != evil && id.is_none_or(|id| ran.image_id == *id), "{ran:?}");
        assert_eq!(node.id_in_runtime(&image.by_digest()), ran.image_id);
    }
    // The signed image under the digest of another one: its evidence is only for its own digest.
    node.retag(&known.by_digest(), &unknown.by_digest());
    let waiting = kubelet.create(&Pod::of(unknown.by_digest()), &good).unwrap_err();
    assert_eq!(waiting.code(), "not-verified", "{}", waiting.message);
    assert!(kubelet.create(&Pod::of(known.by_tag()), &good).is_ok());
}

/// The registry's tag moves to an unsigned image while the signed one is being pulled.
fn a_tag_that_moves_before_the_pull_has_no_effect(release: Release) {
    let mut held = Held::start(release);
    for (when, at) in [
        (
            "while signatures are looked up",
            At::Ours(&["/team/app/manifests/sha256-", "/team/app/referrers/"]),
        ),
        ("between verdict and pull", At::Call("before /runtime.v1.ImageService/PullImage")),
        ("between pull and tag record", At::Call("after /runtime.v1.ImageService/PullImage")),
    ] {
        held.forget(true);
        held.hold(at);
        let mut moved = None;
        held.pull_with(when, |held| held.held(when, at), |node| moved = Some(node.push("team/app:1")));
        let moved: Image = moved.unwrap();
        let known = held.kubelet.image_status(&held.signed.by_tag()).unwrap();
        assert_eq!(
            known.map(|image| image.id).as_ref(),
            Some(&held.id),
            "{when}: the tag is what was verified"
        );
        held.assert_nothing_unverified(when);
        assert!(!held.node.containerd.content().contains(&moved.digest), "{when}");
        let waiting = held.kubelet.ensure_image(&Pod::of(held.signed.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-signature", "{when}: from now on it is another image");
        held.signed.push_as(&held.node.registry, "team/app:1");
        held.assert_in_order(when);
    }
}

/// containerd 2.1 restores a container if the image is the path of a file. The refusal comes before CRIU is needed.
fn a_checkpoint_in_a_file_is_refused(release: Release) {
    let mut node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    node.kubelet_through_pullgate().pull(&Pod::of(signed.by_tag())).unwrap();
    let archive = node.directory().join("checkpoint.tar");
    process::must_run(Command::new("tar").arg("-cf").arg(&archive).args(["-T", "/dev/null"]));
    let path = archive.display().to_string();
    for image in [path.as_str(), "/no/such/checkpoint.tar", "no-such-image", "etc/hosts"] {
        for name in [signed.by_tag(), image.to_owned()] {
            assert_is_checkpoint(node.kubelet_through_pullgate().create(&Pod::of(name), image), image);
        }
    }
    node.pullgate.restart_configured("[gate]\ncheckpoint-restore = \"allow\"");
    let kubelet = node.kubelet_through_pullgate();
    let waiting = kubelet.create(&Pod::of(signed.by_tag()), &path).unwrap_err();
    assert_ne!(waiting.code(), "checkpoint", "now containerd answers: {}", waiting.message);
    assert!(kubelet.create(&Pod::of(signed.by_tag()), &signed.by_tag()).is_ok(), "a name, if it is admitted");
}

/// crictl and critest name images by their names, also the empty `user_specified_image` of crictl. containerd gets the id.
fn a8_a_container_is_created_by_the_name_of_its_image(release: Release) {
    let node = Node::start(release);
    let signed = node.push_signed("team/app:1");
    let kubelet = node.kubelet_through_pullgate();
    let id = kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
    node.import(EVIL);
    for image in [signed.by_tag(), signed.by_digest(), signed.by_both(), id[..20].to_owned(), id.clone()] {
        for name in [signed.by_tag(), String::new()] {
            kubelet
                .create(&Pod::of(&name), &image)
                .unwrap_or_else(|error| panic!("{image} {name}: {error:?}"));
        }
    }
    for name in [EVIL.to_owned(), String::new()] {
        let waiting = kubelet.create(&Pod::of(&name), EVIL).unwrap_err();
        assert_eq!(waiting.reason, "CreateContainerError", "{}", waiting.message);
    }
}

/// A signed image that declares that it is a checkpoint: containerd 2.1 would restore it, and pull the base image
/// without pullgate.
fn a_checkpoint_in_an_admitted_image_is_refused(release: Release) {
    let mut node = Node::start(release);
    let (index, manifest) = (node.push_index("team/index:1"), node.push("team/image:1"));
    let annotated = |image: &Image, annotation: &str| {
        let edited =
            image.edited(&node.registry, &format!("{}-{}", image.tag, annotation.len()), |document| {
                document["annotations"] = serde_json::json!({ annotation: "app" });
            });
        node.sign(&edited);
        edited
    };
    let name = "org.criu.checkpoint.container.name";
    // A separate image: the runtime treats images with the same configuration as one, and may use the records of either.
    let harmless = annotated(&node.push_index("team/harmless:1"), "org.example.name");
    let checkpoints = [annotated(&index, name), annotated(&manifest, name)];
    let kubelet = node.kubelet_through_pullgate();
    assert_eq!(kubelet.run(&Pod::of(harmless.by_tag())).unwrap().user, 1000);
    let mut pulled = Vec::new();
    for image in &checkpoints {
        let before = node.containerd.content();
        let refused = kubelet.pull(&Pod::of(image.by_tag())).unwrap_err();
        assert!(refused.message().ends_with("[checkpoint]"), "{refused:?}");
        assert_eq!(node.containerd.content(), before, "refused before the runtime saw it");
        // Pulled without pullgate, with the evidence of a digest that pullgate knows: containers are refused.
        node.pullgate.restart_configured("[gate]\ncheckpoint-restore = \"allow\"");
        let kubelet = node.kubelet_through_pullgate();
        let id = kubelet.pull(&Pod::of(image.by_tag())).unwrap();
        node.pullgate.restart_configured("");
        let kubelet = node.kubelet_through_pullgate();
        assert_eq!(kubelet.image_status(&image.by_tag()).unwrap().map(|image| image.id).as_ref(), Some(&id));
        for requested in [image.by_tag(), image.by_digest(), String::new()] {
            assert_is_checkpoint(kubelet.create(&Pod::of(&requested), &id), &requested);
        }
        pulled.push((image, id));
    }
    node.pullgate.restart_configured("[gate]\ncheckpoint-restore = \"allow\"");
    for (image, id) in pulled {
        let created = node.kubelet_through_pullgate().create(&Pod::of(image.by_tag()), &id);
        if release == Release::V2_1 {
            let waiting = created.unwrap_err();
            assert_ne!(waiting.code(), "checkpoint", "containerd treats it as one: {}", waiting.message);
        } else {
            assert!(created.is_ok(), "older releases do not have checkpoint images: {created:?}");
        }
    }
}

/// `RestorePod` and `CheckpointPod` of Kubernetes 1.37, whose images pullgate never sees.
fn checkpoints_of_pods_are_refused(release: Release) {
    let mut node = Node::start(release);
    for (allowed, expected) in [(false, Code::Unknown), (true, Code::Unimplemented)] {
        if allowed {
            node.pullgate.restart_configured("[gate]\ncheckpoint-restore = \"allow\"");
        }
        for method in ["RestorePod", "CheckpointPod"] {
            let path = format!("/runtime.v1.RuntimeService/{method}");
            let status = node.kubelet_through_pullgate().call_raw(&path, &[], frame(0, &[]));
            assert_eq!(status.code(), expected, "{method}: {status:?}");
            assert_eq!(status.message().ends_with("[checkpoint]"), !allowed, "{method}: {status:?}");
        }
    }
}

/// A runtime that pulls inside a virtual machine uses an annotation, which containerd 2 sets to the name in the pod.
#[test]
fn a_guest_that_pulls_gets_the_name_with_the_digest() {
    let mut node = Node::start(Release::V2_1);
    let signed = node.push_signed("team/app:1");
    let id = node.kubelet_through_pullgate().pull(&Pod::of(signed.by_tag())).unwrap();
    let annotated_name = |node: &Node, name: &str| {
        let info = |container: &str| {
            process::must_run(node.containerd.ctr().args(["containers", "info", container]))
        };
        let info = node.kubelet_through_pullgate().create_while(&Pod::of(name), &id, info).unwrap();
        let info: Value = serde_json::from_str(&info).unwrap();
        info["Spec"]["annotations"]["io.kubernetes.cri.image-name"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        annotated_name(&node, &signed.by_tag()),
        signed.by_tag(),
        "the guest would resolve the tag again"
    );
    node.pullgate.restart_configured("[gate]\npin-user-specified-image = true");
    for name in [signed.by_tag(), signed.by_both(), signed.by_digest()] {
        assert_eq!(annotated_name(&node, &name), signed.by_digest(), "{name}");
    }
}
