//! The daemon has no file descriptors left.

use std::os::unix::net::UnixStream;

use tonic::Code;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::{Node, Release};

/// How many file descriptors it may have.
const MAX: usize = 40;

/// It refuses what it cannot verify, answers in time, and recovers when descriptors are free again.
#[test]
fn exhausted_descriptors_refuse_pulls_until_some_are_free() {
    let mut node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.pullgate.stop();
    node.pullgate.start_in(&["prlimit", &format!("--nofile={MAX}:{MAX}"), "--"]);
    // kubelet's connection was opened before.
    let kubelet = node.kubelet();
    assert!(kubelet.image_fs_info().is_ok());
    let taken: Vec<_> = (0..2 * MAX).map(|_| UnixStream::connect(node.pullgate.socket()).unwrap()).collect();
    for image in [&unsigned, &signed] {
        let status = kubelet.pull(&Pod::of(image.by_tag())).unwrap_err();
        assert_ne!(status.code(), Code::DeadlineExceeded, "nobody answers");
        assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
    }
    assert!(kubelet.image_fs_info().is_ok(), "calls that need no descriptor still work");
    drop(taken);
    // A new connection is served too.
    let kubelet = node.kubelet();
    assert!(kubelet.pull(&Pod::of(unsigned.by_tag())).unwrap_err().message().ends_with("[no-signature]"));
    kubelet.pull(&Pod::of(signed.by_tag())).unwrap();
}
