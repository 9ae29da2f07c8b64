//! `pullgate doctor`.

use std::collections::BTreeSet;
use std::process::Command;

use pullgate::gate::CANARY;
use pullgate_test::programs;
use pullgate_test::registry::Scripted;
use pullgate_test::world::World;
use serde_json::Value;

/// The name is of no use to run something: not with a mirror for every host, not if the policy admits everything.
#[tokio::test]
async fn the_canary_is_refused_whatever_the_policy_says_and_never_reaches_the_runtime_or_a_registry() {
    let world = World::builder().start().await;
    world.registry.hook(|_| Some(Scripted::status(503)));
    world.daemon.proxy.counters().decisions.record();
    let allow = "default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n";
    let audit = "default = \"deny\"\n[[namespace]]\nscope = \"**\"\nmode = \"audit\"\ndeny = \"later\"\n";
    for (policy, reason, inside) in [
        ("default = \"deny\"\n", "canary", "[denied-by-rule]"),
        (allow, "canary-admitted", "[unsigned-allowed]"),
        (audit, "canary-admitted", "[audit-only]"),
    ] {
        world.set_policy(policy);
        for image in [CANARY, "pullgate-canary.invalid/doctor:1", "pullgate-canary.invalid/doctor"] {
            let answer = world.pull(image).await;
            assert_eq!(answer.code, "2", "{policy}: {answer:?}");
            assert!(answer.message.starts_with("SignatureValidationFailed: image "), "{policy}: {answer:?}");
            assert!(answer.message.ends_with(&format!(" [{reason}]")), "{policy}: {answer:?}");
            assert!(answer.message.contains(inside), "{policy}: {answer:?}");
        }
    }
    assert!(world.runtime.calls().is_empty(), "{:?}", world.runtime.calls());
    assert!(world.registry.requests().is_empty());
    let pulls = &world.daemon.proxy.counters().pulls;
    assert_eq!((pulls.admitted(), pulls.refused()), (0, 0), "a canary is no pull of somebody");
    assert_eq!(pulls.refused.sum(), 9);
    let decisions = world.daemon.proxy.counters().decisions.take();
    assert!(decisions.tallies.is_empty(), "the report is about what somebody wants to run: {decisions:?}");
}

/// kubelet has one connection to its image endpoint and another to its runtime endpoint.
#[tokio::test]
async fn only_image_calls_are_a_connection_to_the_image_endpoint() {
    let world = World::builder().start().await;
    let proxy = &world.daemon.proxy;
    world.call("/runtime.v1.RuntimeService/Version", b"").await;
    assert_eq!((proxy.connections().open, proxy.image_callers()), (1, vec![]));
    world.call("/runtime.v1.ImageService/ImageFsInfo", b"").await;
    assert_eq!(proxy.image_callers(), [std::process::id()]);
}

/// The keys and values that node-problem-detector reads (pkg/custompluginmonitor/types/config.go and types.go), with the
/// condition of a permanent rule declared, and time for the program's own limits.
#[test]
fn the_configuration_of_node_problem_detector_has_its_shape() {
    let text = include_str!("../../packaging/npd/pullgate.json");
    let config: Value = serde_json::from_str(text).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let all = ["plugin", "pluginConfig", "source", "metricsReporting", "conditions", "rules"];
    assert_eq!(keys(&config), all.map(str::to_owned).into());
    assert_eq!(config["plugin"], "custom");
    let plugin = &config["pluginConfig"];
    let all = [
        "invoke_interval",
        "timeout",
        "max_output_length",
        "concurrency",
        "enable_message_change_based_condition_update",
    ];
    assert_eq!(keys(plugin), all.map(str::to_owned).into());
    assert_eq!(plugin["max_output_length"], 80);
    let [condition] = config["conditions"].as_array().unwrap().as_slice() else { panic!("{text}") };
    let [rule] = config["rules"].as_array().unwrap().as_slice() else { panic!("{text}") };
    assert_eq!(keys(condition), ["type", "reason", "message"].map(str::to_owned).into());
    assert_eq!(
        keys(rule),
        ["type", "condition", "reason", "path", "args", "timeout"].map(str::to_owned).into()
    );
    assert_eq!((&rule["type"], &rule["condition"]), (&"permanent".into(), &condition["type"]));
    assert_ne!(rule["reason"], condition["reason"]);
    let command = [rule["path"].as_str().unwrap()]
        .into_iter()
        .chain(rule["args"].as_array().unwrap().iter().filter_map(Value::as_str));
    assert_eq!(command.collect::<Vec<_>>(), ["/usr/bin/pullgate", "doctor", "--npd"]);
}

/// As node-problem-detector calls it: a line of at most 80 bytes, and an exit code that it knows.
#[test]
fn node_problem_detector_gets_one_line_and_its_codes() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(programs::pullgate());
        let output =
            command.arg("--config").arg(directory.path()).arg("doctor").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let socket = |name: &str| directory.path().join(name).display().to_string();
    let config = format!(
        "[listen]\nsocket = {:?}\n[control]\nsocket = {:?}\n[runtime]\nsocket = {:?}\n[ledger]\ndirectory = {:?}\n",
        socket("p.sock"),
        socket("c.sock"),
        socket("r.sock"),
        socket("ledger")
    );
    std::fs::write(directory.path().join("pullgate.toml"), config).unwrap();
    std::fs::write(
        directory.path().join("policy.toml"),
        "default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n",
    )
    .unwrap();
    let (code, line) = run(&["--npd"]);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.starts_with("not enforcing: ") && line.ends_with('\n') && line.len() <= 81, "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    let (code, report) = run(&["--output", "json"]);
    assert_eq!(code, Some(1), "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], "not-enforcing");
    let ids: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    for expected in ["daemon-down", "socket-dead", "nothing-enforced"] {
        assert!(ids.contains(&expected), "{expected} in {ids:?}");
    }
    let (code, text) = run(&[]);
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with("this node does NOT enforce its policy: ")
            && text.contains("\nERROR daemon-down: the daemon does not answer\n"),
        "{text}"
    );
    std::fs::write(directory.path().join("pullgate.toml"), "surprise = 1\n").unwrap();
    assert_eq!(run(&["--npd"]), (Some(2), "undetermined: pullgate doctor failed\n".to_owned()));
    assert_eq!(run(&[]).0, Some(2));
}
