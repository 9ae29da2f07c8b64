//! What the tables of signatures by real tools assert of each row: what pullgate decides, and what the tool itself does.

use std::fmt::Debug;

use pullgate_test::node::Node;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::{self, Layout};

/// What becomes of the image of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It runs, and the tool accepts it.
    Runs,
    /// pullgate refuses it for this reason, and the tool refuses it too.
    Refused(&'static str),
    /// pullgate refuses it for this reason, and the tool does not check this.
    Stricter(&'static str),
}

/// Asserts the row by the policy in force; `real` is what the tool says.
pub(crate) fn assert_row(
    node: &Node,
    about: impl Debug,
    image: &Image,
    decision: Decision,
    real: &Result<String, String>,
) {
    let pod = Pod::of(image.by_tag());
    match decision {
        Decision::Runs => {
            let ran = node.kubelet().run(&pod).unwrap_or_else(|waiting| panic!("{about:?}: {waiting:?}"));
            assert_eq!(ran.user, 1000, "{about:?}");
        }
        Decision::Refused(code) | Decision::Stricter(code) => {
            let pulled = node.kubelet().ensure_image(&pod);
            let waiting = pulled.expect_err(&format!("{about:?} is refused"));
            assert_eq!(waiting.code(), code, "{about:?}: {}", waiting.message);
        }
    }
    let accepted = !matches!(decision, Decision::Refused(_));
    assert_eq!(real.is_ok(), accepted, "{about:?}: the tool: {real:?}");
}

/// Copies of the signature of an image: beside another image in its repository, and beside itself in another repository. cosign
/// does not compare the repository; pullgate does, where the signature names one.
pub(crate) fn copied(node: &Node, layout: Layout, signed: &Image) -> ([Image; 2], Decision) {
    let unsigned = node.push(&format!("{}:other", signed.repository));
    let elsewhere = signed.push_as(&node.registry, &format!("elsewhere/{}:1", signed.repository));
    for to in [&unsigned, &elsewhere] {
        signing::copy_signature(&node.registry, layout, signed, to);
    }
    let named = match layout {
        Layout::Classic => Decision::Stricter("other-repository"),
        Layout::Bundle => Decision::Runs,
    };
    ([unsigned, elsewhere], named)
}

/// Asserts that the evidence of images on the node decides, also after a restart with this configuration, and if nobody can be
/// asked; and that the same evidence decides otherwise under another policy.
pub(crate) fn assert_evidence_decides(
    node: &mut Node,
    configuration: &str,
    images: &[&Image],
    other: &Policy,
) {
    node.registry.stop();
    node.pullgate.restart_configured(configuration);
    for image in images {
        let again = node.kubelet().run(&Pod::of(image.by_tag()).if_not_present());
        assert!(again.is_ok(), "{image:?}: {again:?}");
    }
    node.pullgate.reload(other);
    for image in images {
        let again = node.kubelet().ensure_image(&Pod::of(image.by_tag()).if_not_present());
        assert!(again.is_err(), "{image:?}: {again:?}");
    }
}
