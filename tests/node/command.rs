//! The command line decides as the daemon does.

use std::process::Command;

use serde_json::Value;

use crate::support::node::keys::Kind;
use crate::support::node::policy::Policy;
use crate::support::node::{Node, Release, signing};

/// Runs a command and gives its exit code and what it wrote to standard output and to standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn verify_says_what_the_daemon_would_do() {
    let mut node = Node::start(Release::V2_1);
    let signed = node.push_signed("team/app:1");
    let unsigned = node.push("team/unsigned:1");
    let wrong = node.push("team/wrong:1");
    signing::sign(&wrong.by_digest(), &node.key("other", Kind::P256));
    for (image, code, verdict, reason) in [
        (&signed, 0, "admitted", "verified"),
        (&unsigned, 1, "refused", "no-signature"),
        (&wrong, 1, "refused", "no-valid-signature"),
    ] {
        let (exit, output, errors) =
            run(node.pullgate.command().args(["verify", "--output", "json"]).arg(image.by_tag()));
        assert_eq!(exit, Some(code), "{output}{errors}");
        let report: Value = serde_json::from_str(output.trim()).unwrap();
        assert_eq!(report["verdict"], verdict, "{report}");
        assert_eq!(report["reason"], reason, "{report}");
        assert_eq!(report["digest"], image.digest.as_str(), "{report}");
        let (exit, output, errors) = run(node.pullgate.command().arg("verify").arg(image.by_tag()));
        assert_eq!(exit, Some(code), "{output}{errors}");
        assert!(output.contains(&image.digest) && output.contains(verdict), "{output}");
        assert!(!output.contains('\u{1b}'), "a pipe gets no colours: {output:?}");
    }
    let (exit, ..) = run(node.pullgate.command().arg("verify").args([signed.by_tag(), unsigned.by_tag()]));
    assert_eq!(exit, Some(1), "one that is refused decides");
    assert!(node.pullgate.decisions().is_empty(), "the daemon was not asked");
    node.registry.stop();
    let (exit, output, errors) = run(node.pullgate.command().arg("verify").arg(signed.by_tag()));
    assert_eq!(exit, Some(3), "{output}{errors}");
}

#[test]
fn policy_check_says_where_it_is_wrong() {
    let node = Node::start(Release::V2_1);
    let (exit, output, errors) = run(node.pullgate.command().args(["policy", "check"]));
    assert_eq!(exit, Some(0), "{output}{errors}");
    node.pullgate.reload(&Policy::text("default = \"deny\"\n\nsurprise = 1\ndefault = \"deny\"\n"));
    let (exit, _, errors) = run(node.pullgate.command().args(["policy", "check"]));
    assert_eq!(exit, Some(2), "{errors}");
    assert!(errors.contains("policy.toml:"), "{errors}");
}
