//! `pullgate doctor` on a node that enforces, and on nodes that do not.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use pullgate::doctor::Verdict;
use pullgate_test::node::examination::Examination;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, process};
use serde_json::Value;

#[test]
fn a_node_that_enforces_is_told_from_one_that_does_not() {
    let mut it = Examination::of(Node::start(Release::V2_1));
    let image = it.node.push_signed("team/app:1");
    it.kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    assert!(it.node.containerd.log().contains("team/app"), "containerd logs what it pulls");
    assert_finds(&it, "enforcing", Verdict::Enforcing, &["kubelet", "socket", "canary", "policy"]);
    let decided = process::must_run(it.node.pullgate.command().args(["report", "--output", "json"]));
    assert!(decided.contains("team/app") && !decided.contains("pullgate-canary"), "{decided}");

    let (ours, containerd) = (it.node.pullgate.socket(), it.node.containerd.socket());
    it.configure("10.conf", &containerd, &containerd);
    assert_finds(&it, "kubelet at containerd", Verdict::NotEnforcing, &["image-endpoint"]);
    it.configure("10.conf", &ours, &containerd);
    assert_finds(&it, "containers past pullgate", Verdict::Enforcing, &["runtime-endpoint", "canary"]);
    it.configure("10.conf", &ours, &ours);

    it.start_kubelet(&format!("--image-service-endpoint=unix://{}", containerd.display()));
    assert_finds(&it, "a second endpoint that wins", Verdict::NotEnforcing, &["image-endpoint"]);
    it.start_kubelet("");
    it.configure("05.conf", &containerd, &containerd);
    assert_finds(
        &it,
        "a second endpoint that loses",
        Verdict::Enforcing,
        &["several-image-endpoints", "canary"],
    );
    fs::remove_file(it.directory().join("05.conf")).unwrap();

    let allow = Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n");
    it.node.pullgate.reload(&allow);
    assert_finds(
        &it,
        "everything is allowed",
        Verdict::NotEnforcing,
        &["canary-admitted", "nothing-enforced"],
    );
    let audit = "default = \"deny\"\n[[namespace]]\nscope = \"**\"\nmode = \"audit\"\ndeny = \"later\"\n";
    it.node.pullgate.reload(&Policy::text(audit));
    assert_finds(&it, "audit only", Verdict::NotEnforcing, &["canary-admitted", "audit-rules"]);
    it.node.pullgate.reload(&Policy::text("surprise = 1\n"));
    assert_finds(&it, "a reload failed", Verdict::NotEnforcing, &["reload-failed", "policy-invalid"]);
    it.node.pullgate.reload(&Policy::deny());
    assert_finds(&it, "mended", Verdict::Enforcing, &["canary"]);

    it.node.pullgate.stop();
    assert_finds(&it, "stopped", Verdict::NotEnforcing, &["socket-dead", "daemon-down"]);
    // Somebody else answers in its place.
    let other = UnixListener::bind(&ours).unwrap();
    let closing = std::thread::spawn(move || {
        for stream in other.incoming().take(2) {
            drop(stream);
        }
    });
    assert_finds(&it, "another program", Verdict::NotEnforcing, &["daemon-down", "canary-not-refused"]);
    closing.join().unwrap();
    fs::remove_file(&ours).unwrap();
}

/// The daemon examines itself after its start, and root's `pullgate doctor` replaces that.
#[test]
fn the_status_shows_the_last_examination() {
    let mut node = Node::start_with(Release::V2_1, |_, _| {
        Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n")
    });
    let run = |node: &Node, arguments: &[&str]| {
        let output = process::output(node.pullgate.command().args(arguments).stdin(Stdio::null()));
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let status = |node: &Node| {
        let (_, status) = run(node, &["status", "--output", "json"]);
        serde_json::from_str::<Value>(&status).unwrap()
    };
    node.pullgate.wait_for_record(0, |record| record["id"] == "canary-admitted");
    let first =
        process::wait(process::LIMIT, || Some(status(&node)["doctor"].clone()).filter(Value::is_object))
            .unwrap();
    assert_eq!(first["verdict"], "not-enforcing", "{first}");
    let attention = status(&node)["attention"].to_string();
    assert!(attention.contains("(canary-admitted)"), "{attention}");

    let (code, text) = run(&node, &["doctor"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("\nERROR canary-admitted: "), "{text}");
    let second = status(&node)["doctor"].clone();
    let ids: Vec<_> = second["findings"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert!(ids.contains(&"kubelet-unknown".into()), "the whole node was examined: {second}");
    assert_eq!((&first["examined"], &second["examined"]), (&"daemon".into(), &"node".into()));
    let (_, page) = run(&node, &["status"]);
    let row = page.lines().find_map(|line| line.trim_start().strip_prefix("doctor ")).unwrap_or_default();
    assert!(row.trim_start().starts_with("this node does NOT enforce its policy: "), "{page}");
    assert_eq!(status(&node)["counters"]["refused"], 0, "a canary is no pull");

    node.pullgate.restart_with(&Policy::deny());
    let quiet =
        process::wait(process::LIMIT, || Some(status(&node)["doctor"].clone()).filter(Value::is_object))
            .unwrap();
    assert_eq!(quiet["verdict"], "undetermined", "the daemon does not see kubelet: {quiet}");
    assert!(quiet["findings"].to_string().contains("\"canary\""), "{quiet}");
    assert_eq!(quiet["examined"], "daemon", "the result before the restart was that of the whole node");
    assert!(run(&node, &["status"]).1.contains("only what the daemon sees; `pullgate doctor`"));
}

fn assert_finds(it: &Examination, name: &str, verdict: Verdict, expected: &[&str]) {
    let report = it.examine();
    assert_eq!(report.verdict, verdict, "{name}: {report:#?}");
    for id in expected {
        assert!(report.findings.iter().any(|finding| finding.id == *id), "{name}: {id} in {report:#?}");
    }
    let log = it.node.containerd.log();
    assert!(!log.contains("pullgate-canary"), "{name}: the canary reached containerd");
}
