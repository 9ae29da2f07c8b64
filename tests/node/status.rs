//! `pullgate status`, and the socket by which it asks.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{Node, RELEASE, Release, directory};

on_every_release!(tells_how_the_daemon_is);

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
    // containerd 2.1 does not tell it.
    node.pullgate.restart_configured(&format!("[gate]\nsandbox-image = \"{PAUSE}\""));
    node.pullgate.wait_for_record(0, |record| record["message"] == "the sandbox image is admitted");
    node
}

pub(crate) fn tells_how_the_daemon_is(release: Release) {
    let mut node = node(release);
    let (code, told, text) = status(&node);
    assert_eq!((code, &told["attention"]), (Some(0), &Value::Array(Vec::new())), "{told}");
    assert_eq!(told["pid"], node.pullgate.id());
    assert_eq!(told["policy"]["generation"], 1);
    assert_eq!(told["policy"]["failure"], Value::Null);
    assert!(told["runtime"]["version"].as_str().unwrap().starts_with("containerd "), "{told}");
    assert_eq!(told["gates"]["image_status"], true);
    assert_eq!(told["sandbox_image"]["state"], "admitted");
    assert_eq!((&told["last_scan"], &told["ledger"]["entries"]), (&Value::Null, &0.into()));
    let hash = told["policy"]["hash"].as_str().unwrap();
    assert!(text.contains(&format!("generation 1 ({hash})")) && text.contains(PAUSE), "{text}");

    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.kubelet().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    let (code, told, _) = status(&node);
    assert_eq!(
        (code, &told["ledger"]["entries"], &told["ledger"]["on_disk"]),
        (Some(0), &1.into(), &true.into())
    );
    assert!(told["ledger"]["bytes"].as_u64().unwrap() > 500, "{told}");
    assert_eq!(
        (&told["counters"]["admitted"], &told["counters"]["refused"]),
        (&1.into(), &1.into()),
        "{told}"
    );

    node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap();
    process::output(node.pullgate.command().arg("scan").stdin(Stdio::null()));
    let (code, told, text) = status(&node);
    assert_eq!((code, &told["last_scan"]["unknown"]), (Some(1), &0.into()), "{told}");
    assert!(told["last_scan"]["refused"].as_u64().unwrap() >= 1, "{told}");
    assert!(text.contains("on this node are not admitted"), "{text}");

    node.containerd.kill();
    let (code, told, text) = status(&node);
    assert_eq!((code, &told["runtime"]["version"]), (Some(1), &Value::Null), "{told}");
    assert!(text.contains("NO ANSWER"), "{text}");
    node.pullgate.stop();
    assert_eq!(status(&node).0, Some(3));
    assert!(!node.pullgate.control().exists(), "the socket is gone");
    directory::write(&configuration(&node).join("pullgate.toml"), "[surprise]\n");
    assert_eq!(status(&node).0, Some(2));
}

/// What was loaded, when, and why not, in the log and in the status.
#[test]
fn tells_what_became_of_a_reload() {
    let node = node(Release::V2_1);
    let first = status(&node).1["policy"].clone();
    let told = node.pullgate.reload(&Policy::text("default = \"deny\"\nsurprise = 1\n"));
    assert_eq!((&told["generation"], &told["hash"]), (&1.into(), &first["hash"]), "{told}");
    let (code, now, text) = status(&node);
    assert_eq!(code, Some(1), "{now}");
    let kept = ["generation", "hash", "loaded"].map(|key| now["policy"][key].clone());
    assert_eq!(kept, ["generation", "hash", "loaded"].map(|key| first[key].clone()), "the old one stays");
    let problem = now["policy"]["failure"]["problems"][0].as_str().unwrap();
    assert!(problem.contains("policy.toml:2:1: unknown key `surprise`"), "{problem}");
    assert!(text.contains("LOADING FAILED at ") && text.contains("unknown key `surprise`"), "{text}");

    let other = node.key("other", Kind::P256);
    let policy = Policy::deny().authenticator(RELEASE, &[&other]).require("**", &[RELEASE]);
    let told = node.pullgate.reload(&policy);
    let now = status(&node).1["policy"].clone();
    assert_eq!((&now["generation"], &now["failure"]), (&2.into(), &Value::Null), "{now}");
    assert_eq!((&now["generation"], &now["hash"]), (&told["generation"], &told["hash"]), "{now}");
    assert_ne!(now["hash"], first["hash"]);
}

#[test]
fn tells_what_break_glass_opens() {
    let node = node(Release::V2_1);
    let file = configuration(&node).join("break-glass.toml");
    directory::write(
        &file,
        format!(
            "[[open]]\nscope = \"registry.example.com/team\"\nreason = \"outage\"\nuntil = {}\n",
            jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)
        ),
    );
    let (code, told, text) = status(&node);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(told["break_glass"]["exceptions"][0]["what"], "registry.example.com/team");
    assert!(text.contains("BREAK-GLASS") && text.contains("outage"), "{text}");
    directory::write(&file, "[[open]]\n");
    let (code, told, _) = status(&node);
    assert_eq!((code, &told["break_glass"]["exceptions"]), (Some(1), &Value::Array(Vec::new())), "{told}");
    fs::remove_file(file).unwrap();
    assert_eq!(status(&node).0, Some(0));
}

/// Nothing but CRI crosses kubelet's socket, and nothing but questions of root is answered at the other.
#[test]
pub(crate) fn the_two_sockets_have_nothing_in_common() {
    let node = node(Release::V2_1);
    let control = node.pullgate.control();
    assert_eq!(fs::metadata(&control).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(say(&control, b"\"status\"\n").contains("\"generation\":1"));
    let told = say(&node.pullgate.socket(), b"\"status\"\n");
    assert!(!told.contains("generation"), "{told}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for nonsense in [preface.as_slice(), b"\"halt\"\n", b"\n", b"{\"verdict\":{\"name\":\"a\"}}\n"] {
        assert_eq!(say(&control, nonsense), "", "{nonsense:?}");
    }
    assert_eq!(say(&control, &[b'x'; 1 << 20]), "", "a line without end");
    assert!(say(&control, b"\"status\"\n").contains("\"generation\":1"), "nothing of this did any harm");
}

/// Whoever gets at the socket is asked for by the kernel's word.
#[test]
fn others_are_not_answered() {
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
    assert!(!ask("65534").1.contains("generation"), "and whoever gets there all the same is not answered");
    node.pullgate.wait_for_record(0, |record| {
        record["message"] == "question refused: not root" && record["peer.uid"] == 65534
    });
}

fn configuration(node: &Node) -> std::path::PathBuf {
    node.directory().join("pullgate")
}

/// What is answered to these bytes.
fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // It may be closed before all is written.
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
