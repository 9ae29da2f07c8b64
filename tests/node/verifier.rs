//! containerd's own image verifier contract: what does not come through the CRI obeys the same policy.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, Daemon};
use pullgate_test::node::{Node, Release, directory, pullgate};

/// containerd 2.1 calls verifiers for what its transfer service pulls; older releases have none.
#[test]
fn ctr_pulls_what_is_signed_and_nothing_else() {
    let mut node = Node::start(Release::V2_1);
    // Without a verifier containerd pulls anything: the test would notice if it did not ask.
    let other = node.push("team/before:1");
    pull(&node, &other).unwrap_or_else(|told| panic!("{told}"));
    // Asking the daemon, and not; and where it is gone, by itself.
    for (number, (options, runs)) in
        [(["--daemon", "require"], true), (["--daemon", "off"], true), (["--daemon", "prefer"], false)]
            .into_iter()
            .enumerate()
    {
        if !runs {
            node.pullgate.stop();
        }
        install(&node, &options);
        let signed = node.push_signed(&format!("team/app-{number}:1"));
        let unsigned = node.push(&format!("team/unsigned-{number}:1"));
        let asked = node.pullgate.decisions().len();
        pull(&node, &signed).unwrap_or_else(|told| panic!("{options:?}: {told}"));
        let told = pull(&node, &unsigned).unwrap_err();
        assert!(told.contains("blocked pull") && told.contains("[no-signature]"), "{options:?}: {told}");
        let records = process::must_run(node.containerd.ctr().args(["images", "list", "--quiet"]));
        assert!(records.contains(&signed.by_tag()) && !records.contains(&unsigned.by_tag()), "{records}");
        let decisions = node.pullgate.decisions().split_off(asked);
        let verdicts: Vec<_> = decisions.iter().map(|record| record["verdict"].as_str().unwrap()).collect();
        let expected: &[&str] = if options[1] == "require" { &["admitted", "refused"] } else { &[] };
        assert_eq!(verdicts, expected, "{options:?}: what the daemon was asked");
        // kubelet without pullgate in front: containerd's CRI plugin asks as well.
        let refused = node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert!(refused.message().contains("[no-signature]"), "{options:?}: {refused}");
    }
    install(&node, &["--daemon", "require"]);
    let told = pull(&node, &node.push_signed("team/late:1")).unwrap_err();
    assert!(told.contains("cannot query the daemon"), "{told}");
}

/// The policy on disk would admit what the daemon, whose policy is older, refuses.
#[test]
fn what_the_daemon_refuses_is_refused() {
    let node = Node::start_with(Release::V2_1, |policy, _| policy);
    let image = node.push("team/app:1");
    Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n")
        .write(node.pullgate.control().parent().unwrap().parent().unwrap());
    for (option, code, reason) in [
        ("off", 0, "[unsigned-allowed]"),
        ("prefer", 1, "[denied-by-rule]"),
        ("require", 1, "[denied-by-rule]"),
    ] {
        let (exit, told) = ask(&node, &["--daemon", option], &image);
        assert_eq!(exit, Some(code), "{option}: {told}");
        assert!(told.contains(reason), "{option}: {told}");
    }
    let decisions = node.pullgate.decisions();
    assert_eq!(decisions.len(), 2, "{decisions:?}");
    assert!(decisions[0]["peer.uid"] == 0 && decisions[0]["reason"] == "denied-by-rule", "{decisions:?}");
}

/// What audit lets through is told, as for a pull.
#[test]
fn what_audit_would_refuse_is_in_the_log() {
    let node = Node::start_with(Release::V2_1, |policy, key| {
        policy.authenticator("release", &[key]).require("**", &["release"])
    });
    let image = node.push("team/app:1");
    let root = node.directory().join("pullgate");
    let text = fs::read_to_string(root.join("policy.toml")).unwrap();
    let before = node.pullgate.records().len();
    node.pullgate.reload(&Policy::text(&format!("{text}mode = \"audit\"\n")));
    let (exit, told) = ask(&node, &["--daemon", "require"], &image);
    assert_eq!(exit, Some(0), "{told}");
    assert!(told.contains("[audit-only]"), "{told}");
    let record = node.pullgate.wait_for_record(before, |record| {
        record["message"] == "would be refused, but the rule is in audit mode"
            && record["reason"] == "no-signature"
    });
    assert!(record["line"].as_str().unwrap().contains(&image.digest), "{record}");
}

/// A daemon that takes the connection and says nothing; one that is stopped, as by a debugger, is such.
#[test]
fn a_daemon_that_hangs_is_not_waited_for() {
    let node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let process = Pid::from_raw(node.pullgate.id().try_into().unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    for (option, image, code, told) in [
        ("prefer", &signed, 0, "[verified]"),
        ("prefer", &unsigned, 1, "[no-signature]"),
        ("require", &signed, 1, "cannot query the daemon"),
    ] {
        let (exit, line) = ask(&node, &["--daemon", option, "--daemon-timeout", "1"], image);
        assert_eq!(exit, Some(code), "{option}: {line}");
        assert!(line.contains(told), "{option}: {line}");
    }
    // A scan may take minutes, but not if nobody is there.
    let scanned = process::output(node.pullgate.command().args(["scan", "--daemon", "require"]));
    assert_eq!(scanned.status.code(), Some(3));
    kill(process, Signal::SIGCONT).unwrap();
    assert_eq!(ask(&node, &["--daemon", "require"], &signed).0, Some(0));
}

/// Answers each question as it is told to, as a user that it becomes.
const ANSWER: &str = r#"
import os, socket, sys
user, path, answer = sys.argv[1:4]
os.setuid(int(user))
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen(16)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(answer.encode() + b"\n")
    connection.close()
"#;

const ADMITTED: &str = r#"{"verdict":{"admitted":true,"reason":"verified","rule":null,"line":"trust me"}}"#;

#[test]
pub(crate) fn only_a_daemon_of_root_is_believed() {
    let mut node = Node::start(Release::V2_1);
    let unsigned = node.push("team/unsigned:1");
    node.pullgate.stop();
    let stranger = tempfile::tempdir().unwrap();
    fs::set_permissions(stranger.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let serve = |user: &str, answer: &str| {
        let at = stranger.path().join("socket");
        let log = node.directory().join("stranger.log");
        let configure = |command: &mut Command| {
            command.args(["-c", ANSWER, user]).arg(&at).arg(answer);
        };
        let mut daemon = Daemon::start(Path::new("python3"), configure, &log);
        daemon.wait_until("listening", || at.exists().then_some(()));
        // It cannot make one there by itself.
        fs::rename(&at, node.pullgate.control()).unwrap();
        daemon
    };
    for (user, answer, option, code, told) in [
        // That is how a forged answer would be believed.
        ("0", ADMITTED, "prefer", 0, "trust me"),
        ("65534", ADMITTED, "prefer", 1, "[no-signature]"),
        ("65534", ADMITTED, "require", 1, "neither root nor this user"),
        // What is no answer, or one to another question, admits nothing.
        ("0", "{}", "require", 1, "cannot query the daemon"),
        ("0", "{}", "prefer", 1, "[no-signature]"),
        ("0", r#"{"verdict":{"admitted":true}}"#, "require", 1, "cannot query the daemon"),
        ("0", r#"{"failed":"no"}"#, "prefer", 1, "no"),
        ("0", r#"{"scan":{"images":[],"containers":[]}}"#, "prefer", 1, "unexpected reply type"),
    ] {
        let _daemon = serve(user, answer);
        let (exit, line) = ask(&node, &["--daemon", option], &unsigned);
        assert_eq!(exit, Some(code), "{user} {answer} {option}: {line}");
        assert!(line.contains(told), "{user} {answer} {option}: {line}");
    }
}

fn pull(node: &Node, image: &Image) -> Result<(), String> {
    process::run(node.containerd.ctr().args(["images", "pull", "--plain-http", &image.by_tag()])).map(drop)
}

/// Asks as containerd does. Gives the exit code and what is written, to standard error too.
fn ask(node: &Node, options: &[&str], image: &Image) -> (Option<i32>, String) {
    let mut command = node.pullgate.command();
    command.arg("image-verifier").args(options).args(["-name", &image.by_tag(), "-digest", &image.digest]);
    command.args(["-stdin-media-type", "application/vnd.oci.descriptor.v1+json"]);
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    let descriptor = format!("{{\"digest\":{:?},\"size\":1}}", image.digest);
    child.stdin.take().unwrap().write_all(descriptor.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

fn install(node: &Node, options: &[&str]) {
    let verifiers = node.containerd.verifiers();
    directory::make(&verifiers);
    let command = node.pullgate.command();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.display().to_string()).collect();
    let script = verifiers.join("pullgate");
    let text = format!(
        "#!/bin/sh\nexec {} {} image-verifier {} \"$@\"\n",
        pullgate::program().display(),
        arguments.join(" "),
        options.join(" ")
    );
    directory::write(&script, text);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
}
