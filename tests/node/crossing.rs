//! What crosses the socket, and what does not.

use pullgate::api::{ImageFsInfoRequest, ImageSpec, PullImageRequest};
use tonic::Code;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{LIMIT, wait};
use pullgate_test::node::{Node, Release};

on_every_release!(
    answers_of_containerd_cross_unchanged,
    the_old_image_service_does_not_cross,
    containerd_s_own_services_do_not_cross,
    containerd_may_restart,
    tags_survive_a_restart_of_containerd,
    the_daemon_stops_on_request,
);

fn answers_of_containerd_cross_unchanged(release: Release) {
    let node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let (proxied, direct) = (node.kubelet(), node.kubelet_without_pullgate());
    proxied.pull(&Pod::of(image.by_tag())).unwrap();
    let sorted = |mut images: Vec<pullgate::api::Image>| {
        images.sort_by(|left, right| left.id.cmp(&right.id));
        images
    };
    let images = sorted(proxied.list_images().unwrap());
    assert_eq!(images, sorted(direct.list_images().unwrap()));
    assert_eq!(images.len(), 2, "the image and the pause image");
    for name in [image.by_tag(), image.by_digest(), "none:1".to_owned()] {
        assert_eq!(proxied.image_status(&name).unwrap(), direct.image_status(&name).unwrap(), "{name}");
    }
    let status =
        proxied.image_status("NONE//").map_err(|status| (status.code(), status.message().to_owned()));
    assert_eq!(
        status,
        direct.image_status("NONE//").map_err(|status| (status.code(), status.message().to_owned()))
    );
    let mountpoint = |info: pullgate::api::ImageFsInfoResponse| info.image_filesystems[0].fs_id.clone();
    assert_eq!(mountpoint(proxied.image_fs_info().unwrap()), mountpoint(direct.image_fs_info().unwrap()));
    proxied.remove_image(&image.by_tag()).unwrap();
    assert_eq!(direct.image_status(&image.by_tag()).unwrap(), None);
}

/// A pull through `runtime.v1alpha2`, which containerd serves until 2.0, would bypass the gate.
fn the_old_image_service_does_not_cross(release: Release) {
    let node = Node::start(release);
    let image = node.push("team/app:1");
    let before = node.containerd.content();
    let spec = ImageSpec { image: image.by_tag(), ..Default::default() };
    let pull = || PullImageRequest { image: Some(spec.clone()), ..Default::default() };
    for path in ["/runtime.v1alpha2.ImageService/PullImage", "/runtime.v1alpha2.ImageService/ListImages"] {
        assert_eq!(node.kubelet().call(path, pull()), Code::Unimplemented, "{path}");
    }
    assert_eq!(node.containerd.content_since(&before), [""; 0]);
    let direct = node.kubelet_without_pullgate().call("/runtime.v1alpha2.ImageService/PullImage", pull());
    let served = if release == Release::V2_1 { Code::Unimplemented } else { Code::Ok };
    assert_eq!(direct, served, "containerd's own answer");
}

fn containerd_s_own_services_do_not_cross(release: Release) {
    let node = Node::start(release);
    for path in [
        "/containerd.services.version.v1.Version/Version",
        "/containerd.services.images.v1.Images/List",
        "/containerd.services.content.v1.Content/List",
        "/containerd.services.transfer.v1.Transfer/Transfer",
        "/grpc.health.v1.Health/Check",
    ] {
        assert_eq!(node.kubelet().call(path, ()), Code::Unimplemented, "{path}");
    }
    let direct = node.kubelet_without_pullgate().call("/containerd.services.version.v1.Version/Version", ());
    assert_eq!(direct, Code::Ok, "containerd's own answer");
    let known = node.kubelet().call("/runtime.v1.ImageService/ImageFsInfo", ImageFsInfoRequest {});
    assert_eq!(known, Code::Ok);
}

fn containerd_may_restart(release: Release) {
    let mut node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    kubelet.image_fs_info().unwrap();
    node.containerd.kill();
    assert_eq!(kubelet.image_fs_info().unwrap_err().code(), Code::Unavailable);
    assert_eq!(kubelet.pull(&Pod::of(image.by_tag())).unwrap_err().code(), Code::Unavailable);
    node.containerd.start_again();
    // containerd serves before its CRI plugin is ready, and reports that itself.
    let ready = wait(LIMIT, || node.kubelet_without_pullgate().image_fs_info().ok());
    assert!(ready.is_some());
    assert!(kubelet.image_fs_info().is_ok(), "the next call works");
    let ran = kubelet.run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
    assert_eq!(ran.user, 1000);
}

/// Without the tag, a pod that does not pull again would run as root.
fn tags_survive_a_restart_of_containerd(release: Release) {
    let mut node = Node::start(release);
    let image = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    let id = kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    node.containerd.kill();
    node.containerd.start_again();
    let ready = wait(LIMIT, || node.kubelet_without_pullgate().image_fs_info().ok());
    assert!(ready.is_some());
    node.registry.stop();
    let ran = kubelet
        .run(&Pod::of(image.by_tag()).if_not_present())
        .unwrap_or_else(|waiting| panic!("{waiting:?}"));
    assert_eq!((ran.user, ran.image_id), (1000, id));
}

fn the_daemon_stops_on_request(release: Release) {
    let mut node = Node::start(release);
    assert_eq!(node.pullgate.stop(), Some(0));
    assert!(!node.pullgate.socket().exists(), "the socket is gone");
    assert!(node.kubelet_without_pullgate().image_fs_info().is_ok(), "containerd keeps running");
}
