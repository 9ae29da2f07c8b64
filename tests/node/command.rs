//! The command line decides as the daemon does.

use std::process::Command;

use serde_json::Value;

use pullgate_test::node::keys::Kind;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, process, signing};

/// Runs a command and returns its exit code, standard output and standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = process::output(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn verify_shows_the_daemon_s_decision() {
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
    assert_eq!(exit, Some(1), "one refused image decides the exit code");
    assert!(node.pullgate.decisions().is_empty(), "the daemon was not queried");
    node.registry.stop();
    let (exit, output, errors) = run(node.pullgate.command().arg("verify").arg(signed.by_tag()));
    assert_eq!(exit, Some(3), "{output}{errors}");
}

#[test]
fn policy_check_reports_the_location() {
    let node = Node::start(Release::V2_1);
    let (exit, output, errors) = run(node.pullgate.command().args(["policy", "check"]));
    assert_eq!(exit, Some(0), "{output}{errors}");
    node.pullgate.reload(&Policy::text("default = \"deny\"\n\nsurprise = 1\ndefault = \"deny\"\n"));
    let (exit, _, errors) = run(node.pullgate.command().args(["policy", "check"]));
    assert_eq!(exit, Some(2), "{errors}");
    assert!(errors.contains("policy.toml:"), "{errors}");
}

const EXPLAINED: &str = r#"
default = "deny"
[[namespace]]
scope = "registry.example.com"
allow = "unsigned"
reason = "a test"
[[namespace]]
scope = "registry.example.com/team"
deny = "not this one"
[[namespace]]
scope = "registry.example.com/team"
pods = ["lab"]
allow = "unsigned"
reason = "a test"
mode = "audit"
"#;

#[test]
fn policy_explain_shows_the_rule_that_applies() {
    let node = Node::start_with(Release::V2_1, |_, _| Policy::text(EXPLAINED));
    let explain = |arguments: &[&str]| {
        run(node.pullgate.command().args(["policy", "explain", "--output", "json"]).args(arguments))
    };
    for (arguments, action, mode, not_applied) in [
        (&["registry.example.com/team/app:1", "--pod-namespace", "lab"][..], "allows unsigned", "audit", 2),
        (
            &["registry.example.com/team/app:1", "--pod-namespace", "other"],
            "denies: not this one",
            "enforce",
            2,
        ),
        (&["registry.example.com/app"], "allows unsigned", "enforce", 0),
        (&["elsewhere.example.com/app"], "denies", "enforce", 0),
    ] {
        let (exit, output, errors) = explain(arguments);
        assert_eq!(exit, Some(0), "{arguments:?}: {output}{errors}");
        let report: Value = serde_json::from_str(output.trim()).unwrap();
        let rule = &report["applies"][0];
        assert!(rule["action"].as_str().unwrap().contains(action), "{arguments:?}: {report}");
        assert_eq!(rule["mode"], mode, "{arguments:?}: {report}");
        let results = report["not_applied"].as_array().unwrap().len();
        assert!(results >= not_applied, "{arguments:?}: {report}");
        let (exit, text, _) = run(node.pullgate.command().args(["policy", "explain"]).args(arguments));
        assert_eq!(exit, Some(0), "{text}");
        assert!(text.contains("applies") && text.contains(action), "{text}");
    }
    let (_, output, _) = explain(&["registry.example.com/team/app:1"]);
    let report: Value = serde_json::from_str(output.trim()).unwrap();
    assert_eq!(report["applies"].as_array().unwrap().len(), 2, "without a namespace all apply: {report}");
    assert_eq!(explain(&["Not A Name"]).0, Some(2));
    assert_eq!(explain(&[]).0, Some(2), "without an image");
    node.pullgate.reload(&Policy::text("default = \"nothing\"\n"));
    assert_eq!(explain(&["registry.example.com/app"]).0, Some(2), "without a usable policy");
}

#[test]
pub(crate) fn policy_test_compares_the_policy_with_expectations() {
    let node = Node::start_with(Release::V2_1, |_, _| Policy::text(EXPLAINED));
    let file = node.directory().join("expectations.toml");
    let test = |text: &str, arguments: &[&str]| {
        std::fs::write(&file, text).unwrap();
        run(node.pullgate.command().args(["policy", "test"]).arg(&file).args(arguments))
    };
    let case =
        |expected: &str| format!("[[case]]\nimage = \"registry.example.com/team/app:1\"\n{expected}\n");
    let in_lab = |expected: &str| case(&format!("pod-namespace = \"lab\"\n{expected}"));
    for (expectations, code, holds) in [
        (case("action = \"deny\""), 0, vec![true]),
        (case("action = \"allow\""), 1, vec![false]),
        (in_lab("action = \"allow\""), 0, vec![true]),
        (in_lab("mode = \"audit\""), 0, vec![true]),
        (in_lab("mode = \"enforce\""), 1, vec![false]),
        (case("rule = \"registry.example.com/team\""), 0, vec![true]),
        (case("rule = \"registry.example.com\""), 1, vec![false]),
        (case("rule = \"default\""), 1, vec![false]),
        (format!("{}{}", case("action = \"deny\""), in_lab("action = \"deny\"")), 1, vec![true, false]),
    ] {
        let (exit, output, errors) = test(&expectations, &["--output", "json"]);
        assert_eq!(exit, Some(code), "{expectations}: {output}{errors}");
        let results: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let results: Vec<_> = results.iter().map(|result| result["passed"].as_bool().unwrap()).collect();
        assert_eq!(results, holds, "{expectations}");
        assert_eq!(test(&expectations, &[]).0, Some(code), "as text: {expectations}");
    }
    for broken in
        ["", "[[case]]\nimage = \"a\"\n", "[[case]]\nimage = \"a\"\naction = \"maybe\"\n", "surprise = 1\n"]
    {
        let (exit, _, errors) = test(broken, &[]);
        assert_eq!(exit, Some(2), "{broken}: {errors}");
        assert!(errors.contains("expectations.toml"), "{errors}");
    }
    assert_eq!(run(node.pullgate.command().args(["policy", "test", "/nonexistent"])).0, Some(2));
}
