//! `pullgate report`: a rule goes from audit to enforce mode by it.

use std::process::Stdio;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, process, require_release};
use pullgate_test::secrets;
use serde_json::Value;

/// Exit code, and verdict, reason, call and image of each row for pods of the namespace `shop`.
fn report(node: &Node, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut command = node.pullgate.command();
    command.args(["report", "--output", "json", "--namespace", "shop"]).args(arguments);
    let output = process::output(command.stdin(Stdio::null()));
    let text = String::from_utf8(output.stdout).unwrap();
    secrets::wrote("report", &text);
    let report: Value = serde_json::from_str(&text).unwrap();
    let row = |row: &Value| {
        let image = row["image"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        [text("verdict"), text("reason"), text("call"), image].join(" ")
    };
    (output.status.code(), report["rows"].as_array().unwrap().iter().map(row).collect())
}

#[test]
fn a_rule_goes_from_audit_to_enforce_by_what_the_report_shows() {
    let mut node = Node::start_with(Release::V2_1, |policy, key| {
        require_release(policy, key).continued("mode = \"audit\"")
    });
    let unsigned = node.push("team/unsigned:1");
    let signed = node.push_signed("team/signed:1");
    let kubelet = node.kubelet_through_pullgate();
    let pod = |image: String| Pod::of(image).in_namespace("shop");
    for image in [&signed, &unsigned, &unsigned] {
        assert_eq!(kubelet.run(&pod(image.by_tag())).unwrap().user, 1000, "{image:?}");
    }
    let warned = node.pullgate.records().into_iter().filter(|record| {
        record["message"] == "image would be refused, but the rule is in audit mode"
            && record["reason"] == "no-signature"
    });
    assert_eq!(warned.count(), 2);
    let audited = [
        "would-refuse no-signature pull unsigned:1",
        "would-withhold no-signature create-container unsigned:1",
        "admitted verified create-container signed:1",
        "admitted verified pull signed:1",
    ];
    let (code, mut rows) = report(&node, &[]);
    rows[2..].sort();
    assert_eq!((code, rows), (Some(1), audited.map(str::to_owned).to_vec()));

    // What was reported is signed, and everything is started again.
    node.sign(&unsigned);
    let now = jiff::Timestamp::now().to_string();
    node.pullgate.reload(&require_release(Policy::deny(), &node.release).continued("mode = \"audit\""));
    for image in [&signed, &unsigned] {
        kubelet.run(&pod(image.by_tag())).unwrap();
    }
    let last = |report: (Option<i32>, Vec<String>)| (report.0, report.1.len());
    assert_eq!(last(report(&node, &["--since", &now, "--verdict", "admitted"])), (Some(0), 4));

    // So the rule can be enforced.
    node.pullgate.reload(&require_release(Policy::deny(), &node.release));
    for image in [&signed, &unsigned] {
        kubelet.run(&pod(image.by_tag())).unwrap();
    }
    let forgotten = node.push("team/forgotten:1");
    assert_eq!(kubelet.run(&pod(forgotten.by_tag())).unwrap_err().code(), "no-signature");
    let refused = ["refused no-signature pull forgotten:1".to_owned()];
    assert_eq!(report(&node, &["--verdict", "refused"]), (Some(1), refused.to_vec()));
    let all = report(&node, &["--daemon", "require"]);
    node.pullgate.stop();
    assert_eq!(report(&node, &["--daemon", "off"]), all, "the file has the same");
    node.pullgate.start_again();
    assert_eq!(report(&node, &["--daemon", "require"]), all, "and so has the next daemon");
}
