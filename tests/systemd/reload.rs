//! `systemctl reload`, and what `systemctl status` shows.

use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;

use super::{DENIED, denying};

#[test]
fn a_reload_takes_a_good_policy_and_keeps_it_when_the_next_one_is_bad() {
    let node = Debian::with_pullgate(Network::Own, &denying("the first"), "");
    let process = node.property("pullgate.service", "MainPID");
    let kubelet = node.kubelet();
    let refusal = || kubelet.pull(&Pod::of(DENIED)).unwrap_err().message().to_owned();
    assert!(refusal().contains("the first"), "{}", refusal());
    // `systemctl status` shows the status text of the property.
    let status = |text: &str| {
        node.wait_for("pullgate.service", "StatusText", |status| status.contains(text));
        node.run("systemctl status --no-pager --full pullgate")
    };
    assert!(status("policy generation 1 (sha256:").contains("Status: \"policy generation 1 (sha256:"));
    let reload = |policy: &Policy| {
        policy.write(&node.path("/etc/pullgate"));
        node.run("systemctl reload pullgate");
    };

    reload(&denying("the second"));
    status("policy generation 2 (sha256:");
    assert!(refusal().contains("the second"), "{}", refusal());

    reload(&Policy::text("default = \"perhaps\"\n"));
    let shown = status("RELOAD FAILED");
    assert!(shown.contains("Status: \"RELOAD FAILED; still policy generation 2 (sha256:"), "{shown}");
    assert!(refusal().contains("the second"), "{}", refusal());
    // With journald's priority of an error, and with what is wrong.
    let errors = node.journal(&["--unit=pullgate", "--priority=err"]);
    assert!(errors.contains("policy.toml:1:") && errors.contains("perhaps"), "{errors}");
    assert_eq!(node.run("systemctl is-active pullgate"), "active\n");

    reload(&denying("the third"));
    status("policy generation 3 (sha256:");
    assert!(refusal().contains("the third"), "{}", refusal());
    assert_eq!(node.property("pullgate.service", "MainPID"), process);
    assert_eq!(node.number("pullgate.service", "NRestarts"), 0);
}

#[test]
fn a_node_that_starts_with_a_bad_policy_refuses_everything_and_says_so() {
    let node = Debian::with_pullgate(Network::Own, &Policy::text("default = \"perhaps\"\n"), "");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("NO USABLE POLICY"));
    let refused = node.kubelet().pull(&Pod::of(DENIED)).unwrap_err();
    assert!(refused.message().contains("[no-policy]"), "{refused}");
    denying("the first").write(&node.path("/etc/pullgate"));
    node.run("systemctl reload pullgate");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));
}
