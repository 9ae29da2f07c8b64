//! The policy appears, changes and breaks while the node runs.

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, RELEASE, Release};

const BROKEN: &str = "default = \"allow\"\n";

/// kubelet would not start without ImageFsInfo, and running containers would be unmanaged.
#[test]
fn a_broken_policy_at_startup_refuses_only_pulls() {
    let mut node = Node::start(Release::V2_1);
    let image = node.push_signed("team/app:1");
    let present = node.push_signed("team/present:1");
    node.kubelet().pull(&Pod::of(present.by_tag())).unwrap();
    node.pullgate.restart_with(&Policy::text(BROKEN));
    let kubelet = node.kubelet();
    for name in [image.by_tag(), image.by_digest(), present.by_tag(), present.by_digest()] {
        let waiting = kubelet.ensure_image(&Pod::of(&name)).unwrap_err();
        let result = (waiting.reason, waiting.code());
        assert_eq!(result, ("SignatureValidationFailed", "no-policy"), "{name}: {}", waiting.message);
    }
    assert!(kubelet.image_fs_info().is_ok());
    assert_eq!(kubelet.list_images().unwrap().len(), 2, "the pause image and the present one");
    let waiting = kubelet.run(&Pod::of(present.by_tag()).never()).unwrap_err();
    assert_eq!(waiting.reason, "ErrImageNeverPull", "{}", waiting.message);
    let mended = Policy::deny().authenticator(RELEASE, &[&node.release]).require("**", &[RELEASE]);
    node.pullgate.reload(&mended);
    assert!(kubelet.pull(&Pod::of(image.by_tag())).is_ok(), "a repaired policy comes into force");
}

#[test]
fn a_broken_policy_leaves_the_old_one_in_force() {
    let node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    for broken in
        [BROKEN, "", "default = \"deny\"\ndefault = \"deny\"\n", "default = \"deny\"\nsurprise = 1\n"]
    {
        let result = node.pullgate.reload(&Policy::text(broken));
        assert_eq!(result["level"], "ERROR", "{result}");
        let pulled = node.kubelet().ensure_image(&Pod::of(signed.by_tag()));
        assert!(pulled.is_ok(), "{broken:?}: {pulled:?}");
        let waiting = node.kubelet().ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-signature", "{broken:?}: {}", waiting.message);
    }
}

/// A cached verdict counts only under its policy.
#[test]
fn a_changed_policy_applies_from_the_next_pull() {
    let node = Node::start(Release::V2_1);
    let image = node.push_signed("team/app:1");
    let pod = Pod::of(image.by_digest());
    node.kubelet().pull(&pod).unwrap();
    let other = node.key("other", Kind::P256);
    node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&other]).require("**", &[RELEASE]));
    let waiting = node.kubelet().ensure_image(&pod).unwrap_err();
    assert_eq!(waiting.code(), "no-valid-signature", "{}", waiting.message);
    node.pullgate.reload(&Policy::deny());
    let waiting = node.kubelet().ensure_image(&pod).unwrap_err();
    assert_eq!(waiting.code(), "denied-by-rule", "{}", waiting.message);
}
