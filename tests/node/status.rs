//! `pullgate status`, and the control socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{Node, RELEASE, Release, directory};
use pullgate_test::sigstore::{ISSUER, SUBJECT, Sigstore};

on_every_release!(shows_the_state_of_the_daemon);

const PAUSE: &str = "registry.k8s.io/pause:test";

fn status(node: &Node) -> (Option<i32>, Value, String) {
    let run = |arguments: &[&str]| {
        let output =
            process::output(node.pullgate.command().arg("status").args(arguments).stdin(Stdio::null()));
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, json) = run(&["--output", "json"]);
    let (same, text) = run(&[]);
    assert_eq!(code, same, "{json}\n{text}");
    (code, serde_json::from_str(&json).unwrap_or_default(), text)
}

fn node(release: Release) -> Node {
    let mut node = Node::start_with(release, |policy, key| {
        let policy = policy.authenticator(RELEASE, &[key]).require("**", &[RELEASE]);
        policy.allow_unsigned("registry.k8s.io")
    });
    // containerd 2.1 does not report it.
    node.pullgate.restart_configured(&format!("[gate]\nsandbox-image = \"{PAUSE}\""));
    node.pullgate.wait_for_record(0, |record| record["message"] == "the sandbox image is admitted");
    node
}

pub(crate) fn shows_the_state_of_the_daemon(release: Release) {
    let mut node = node(release);
    let (code, report, text) = status(&node);
    assert_eq!((code, &report["attention"]), (Some(0), &Value::Array(Vec::new())), "{report}");
    assert_eq!(report["pid"], node.pullgate.id());
    assert_eq!(report["policy"]["generation"], 1);
    assert_eq!(report["policy"]["failure"], Value::Null);
    assert!(report["runtime"]["version"].as_str().unwrap().starts_with("containerd "), "{report}");
    assert_eq!(report["gates"]["image_status"], true);
    assert_eq!(
        (&report["connections"]["limit"], &report["connections"]["refused"]),
        (&256.into(), &0.into())
    );
    assert_eq!(report["sandbox_image"]["state"], "admitted");
    assert_eq!((&report["last_scan"], &report["ledger"]["entries"]), (&Value::Null, &0.into()));
    let hash = report["policy"]["hash"].as_str().unwrap();
    let short = &hash[.."sha256:".len() + 12];
    assert!(text.contains(&format!("generation 1 ({short}…)")) && text.contains(PAUSE), "{text}");

    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.kubelet().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    let (code, report, _) = status(&node);
    assert_eq!(
        (code, &report["ledger"]["entries"], &report["ledger"]["on_disk"]),
        (Some(0), &1.into(), &true.into())
    );
    assert!(report["ledger"]["bytes"].as_u64().unwrap() > 500, "{report}");
    assert_eq!(
        (&report["counters"]["admitted"], &report["counters"]["refused"]),
        (&1.into(), &1.into()),
        "{report}"
    );

    node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap();
    process::output(node.pullgate.command().arg("scan").stdin(Stdio::null()));
    let (code, report, text) = status(&node);
    assert_eq!((code, &report["last_scan"]["unknown"]), (Some(1), &0.into()), "{report}");
    assert!(report["last_scan"]["refused"].as_u64().unwrap() >= 1, "{report}");
    assert!(text.contains("on this node are not admitted"), "{text}");

    node.containerd.kill();
    let (code, report, text) = status(&node);
    assert_eq!((code, &report["runtime"]["version"]), (Some(1), &Value::Null), "{report}");
    assert!(text.contains("NO ANSWER"), "{text}");
    node.pullgate.stop();
    assert_eq!(status(&node).0, Some(3));
    assert!(!node.pullgate.control().exists(), "the socket is gone");
    directory::write(&configuration(&node).join("pullgate.toml"), "[surprise]\n");
    assert_eq!(status(&node).0, Some(2));
}

/// Its last transparency log ends in 20 days.
#[test]
fn shows_that_a_trusted_root_will_end() {
    let mut node = node(Release::V2_1);
    let mut root = Sigstore::new().trusted_root();
    let end = Timestamp::now() + SignedDuration::from_hours(20 * 24);
    for log in root["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"]["end"] = end.to_string().into();
    }
    let lines = format!(
        "[authenticator.ci]\ntype = \"keyless\"\ntrust-root = \"root.json\"\nissuer = \"{ISSUER}\"\nsubject = \"{SUBJECT}\""
    );
    let policy = Policy::deny().file("root.json", root.to_string()).add_lines(&lines).require("**", &["ci"]);
    let policy = policy.allow_unsigned("registry.k8s.io");
    let warning = format!(
        "trusted root root.json will not cover signatures made after {end}, when its last transparency log expires"
    );
    let told = |node: &Node, from: usize| {
        let records = node.pullgate.records().into_iter().skip(from);
        records.filter(|record| record["warning"].as_str().is_some_and(|it| it.contains(&warning))).count()
    };
    let before = node.pullgate.records().len();
    node.pullgate.reload(&policy);
    assert_eq!(told(&node, before), 1, "{}", node.pullgate.log());
    let (code, report, text) = status(&node);
    assert_eq!((code, &report["attention"]), (Some(1), &json!([warning])), "{report}");
    let mut found = report["trust_roots"].clone();
    assert_eq!(
        found[0].take(),
        json!({ "file": "root.json", "authenticators": ["ci"], "end": end.to_string(), "what": "transparency log", "refresh": null })
    );
    assert!(text.contains("root.json of ci") && text.contains(&warning), "{text}");
    // Not yet where the operator wants to be told later.
    let before = node.pullgate.records().len();
    node.pullgate
        .restart_configured(&format!("[gate]\nsandbox-image = \"{PAUSE}\"\n[trust]\nnotice = \"19d\""));
    let (code, report, _) = status(&node);
    assert_eq!((code, &report["attention"], told(&node, before)), (Some(0), &json!([]), 0), "{report}");
}

/// What was loaded and when, or why not, in the log and in the status.
#[test]
fn shows_the_result_of_a_reload() {
    let node = node(Release::V2_1);
    let first = status(&node).1["policy"].clone();
    let report = node.pullgate.reload(&Policy::text("default = \"deny\"\nsurprise = 1\n"));
    assert_eq!((&report["generation"], &report["hash"]), (&1.into(), &first["hash"]), "{report}");
    let (code, now, text) = status(&node);
    assert_eq!(code, Some(1), "{now}");
    let kept = ["generation", "hash", "loaded"].map(|key| now["policy"][key].clone());
    assert_eq!(kept, ["generation", "hash", "loaded"].map(|key| first[key].clone()), "the old one stays");
    let problem = now["policy"]["failure"]["problems"][0].as_str().unwrap();
    assert!(problem.contains("policy.toml:2:1: unknown key `surprise`"), "{problem}");
    assert!(text.contains("LOADING FAILED at ") && text.contains("unknown key `surprise`"), "{text}");

    let other = node.key("other", Kind::P256);
    let policy = Policy::deny().authenticator(RELEASE, &[&other]).require("**", &[RELEASE]);
    let report = node.pullgate.reload(&policy);
    let now = status(&node).1["policy"].clone();
    assert_eq!((&now["generation"], &now["failure"]), (&2.into(), &Value::Null), "{now}");
    assert_eq!((&now["generation"], &now["hash"]), (&report["generation"], &report["hash"]), "{now}");
    assert_ne!(now["hash"], first["hash"]);
}

#[test]
fn shows_the_break_glass_exceptions() {
    let node = node(Release::V2_1);
    let file = configuration(&node).join("break-glass.toml");
    directory::write(
        &file,
        format!(
            "[[open]]\nscope = \"registry.example.com/team\"\nreason = \"outage\"\nuntil = {}\n",
            Timestamp::now() + SignedDuration::from_hours(1)
        ),
    );
    let (code, report, text) = status(&node);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["break_glass"]["exceptions"][0]["what"], "registry.example.com/team");
    assert!(text.contains("BREAK-GLASS") && text.contains("outage"), "{text}");
    directory::write(&file, "[[open]]\n");
    let (code, report, _) = status(&node);
    assert_eq!(
        (code, &report["break_glass"]["exceptions"]),
        (Some(1), &Value::Array(Vec::new())),
        "{report}"
    );
    fs::remove_file(file).unwrap();
    assert_eq!(status(&node).0, Some(0));
}

/// Only CRI crosses kubelet's socket, and only root gets answers at the other.
#[test]
pub(crate) fn the_two_sockets_are_separate() {
    let node = node(Release::V2_1);
    let control = node.pullgate.control();
    assert_eq!(fs::metadata(&control).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(say(&control, b"\"status\"\n").contains("\"generation\":1"));
    let report = say(&node.pullgate.socket(), b"\"status\"\n");
    assert!(!report.contains("generation"), "{report}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for nonsense in [preface.as_slice(), b"\"halt\"\n", b"\n", b"{\"verdict\":{\"name\":\"a\"}}\n"] {
        assert_eq!(say(&control, nonsense), "", "{nonsense:?}");
    }
    assert_eq!(say(&control, &[b'x'; 1 << 20]), "", "an endless line");
    assert!(say(&control, b"\"status\"\n").contains("\"generation\":1"), "the daemon still works");
}

/// The kernel identifies every caller at the socket.
#[test]
fn other_users_get_no_answer() {
    let node = node(Release::V2_1);
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(node.directory(), 0o755);
    let ask = |user: &str| {
        let script = "import os, socket, sys\nos.setuid(int(sys.argv[1]))\ns = socket.socket(socket.AF_UNIX)\n\
                      s.connect(sys.argv[2])\ns.sendall(b'\"status\"\\n')\nprint(s.recv(65536).decode())";
        let mut command = Command::new("python3");
        command.args(["-c", script, user]);
        let output = process::output(command.arg(node.pullgate.control()));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(ask("0").1.contains("generation"));
    assert!(!ask("65534").0, "the socket is closed to others");
    open(&node.pullgate.control(), 0o666);
    assert!(!ask("65534").1.contains("generation"), "and other users get no answer");
    node.pullgate.wait_for_record(0, |record| {
        record["message"] == "control request refused: not root" && record["peer.uid"] == 65534
    });
}

fn configuration(node: &Node) -> std::path::PathBuf {
    node.directory().join("pullgate")
}

/// The answer to these bytes.
fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // It may be closed before everything is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
        if answer.ends_with(b"\n") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
