//! containerd's image verifiers: the same policy applies to pulls outside the CRI.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, Daemon};
use pullgate_test::node::{Node, Release, directory, pullgate};

/// containerd 2.1 calls verifiers for pulls of its transfer service; older releases do not have them.
#[test]
fn ctr_pulls_only_signed_images() {
    let mut node = Node::start(Release::V2_1);
    // Without a verifier containerd pulls every image, so a verifier that is not called fails the test.
    let other = node.push("team/before:1");
    pull(&node, &other).unwrap_or_else(|output| panic!("{output}"));
    // With the daemon, without it, and with the fallback when it is gone.
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
        let before = node.pullgate.decisions().len();
        pull(&node, &signed).unwrap_or_else(|output| panic!("{options:?}: {output}"));
        let output = pull(&node, &unsigned).unwrap_err();
        assert!(
            output.contains("blocked pull") && output.contains("[no-signature]"),
            "{options:?}: {output}"
        );
        let records = process::must_run(node.containerd.ctr().args(["images", "list", "--quiet"]));
        assert!(records.contains(&signed.by_tag()) && !records.contains(&unsigned.by_tag()), "{records}");
        let decisions = node.pullgate.decisions().split_off(before);
        let verdicts: Vec<_> = decisions.iter().map(|record| record["verdict"].as_str().unwrap()).collect();
        let expected: &[&str] = if options[1] == "require" { &["admitted", "refused"] } else { &[] };
        assert_eq!(verdicts, expected, "{options:?}: what the daemon decided");
        // kubelet without pullgate: containerd's CRI plugin calls the verifier as well.
        let refused = node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert!(refused.message().contains("[no-signature]"), "{options:?}: {refused}");
    }
    install(&node, &["--daemon", "require"]);
    let output = pull(&node, &node.push_signed("team/late:1")).unwrap_err();
    assert!(output.contains("cannot query the daemon"), "{output}");
}

/// With containerd's arguments alone, `pullgate` is the verifier. It then reads /etc/pullgate.
#[test]
fn a_link_to_the_program_is_a_verifier() {
    let node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let verifiers = node.containerd.verifiers();
    directory::make(&verifiers);
    let link = verifiers.join("gate");
    symlink(pullgate::program(), &link).unwrap();
    let output = pull(&node, &signed).unwrap_err();
    assert!(output.contains("blocked pull") && output.contains("there is no policy"), "{output}");
    // This machine has no /etc/pullgate, so in a copy of /etc.
    let copy = tempfile::tempdir().unwrap();
    let script = "cp -a /etc \"$0\" && mkdir -p \"$0/etc/pullgate\" && mount --bind \"$0/etc\" /etc && \
        mount --bind \"$1\" /etc/pullgate && shift && exec \"$@\"";
    for (image, code, reason) in [(&signed, 0, "[verified]"), (&unsigned, 1, "[no-signature]")] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(copy.path());
        command.arg(node.directory().join("pullgate")).arg(&link);
        let (exit, output) = verify(command, image);
        assert_eq!(exit, Some(code), "{output}");
        assert!(output.contains(reason), "{output}");
    }
}

/// The daemon, with an older policy, refuses an image that the policy on disk admits.
#[test]
fn the_daemon_s_refusal_is_final() {
    let node = Node::start_with(Release::V2_1, |policy, _| policy);
    let image = node.push("team/app:1");
    Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n")
        .write(node.pullgate.control().parent().unwrap().parent().unwrap());
    for (option, code, reason) in [
        ("off", 0, "[unsigned-allowed]"),
        ("prefer", 1, "[denied-by-rule]"),
        ("require", 1, "[denied-by-rule]"),
    ] {
        let (exit, output) = run_verifier(&node, &["--daemon", option], &image);
        assert_eq!(exit, Some(code), "{option}: {output}");
        assert!(output.contains(reason), "{option}: {output}");
    }
    let decisions = node.pullgate.decisions();
    assert_eq!(decisions.len(), 2, "{decisions:?}");
    assert!(decisions[0]["peer.uid"] == 0 && decisions[0]["reason"] == "denied-by-rule", "{decisions:?}");
}

/// Images that audit mode admits are logged, as for a pull.
#[test]
fn audit_refusals_are_logged() {
    let node = Node::start_with(Release::V2_1, |policy, key| {
        policy.authenticator("release", &[key]).require("**", &["release"])
    });
    let image = node.push("team/app:1");
    let root = node.directory().join("pullgate");
    let text = fs::read_to_string(root.join("policy.toml")).unwrap();
    let before = node.pullgate.records().len();
    node.pullgate.reload(&Policy::text(&format!("{text}mode = \"audit\"\n")));
    let (exit, output) = run_verifier(&node, &["--daemon", "require"], &image);
    assert_eq!(exit, Some(0), "{output}");
    assert!(output.contains("[audit-only]"), "{output}");
    let record = node.pullgate.wait_for_record(before, |record| {
        record["message"] == "image would be refused, but the rule is in audit mode"
            && record["reason"] == "no-signature"
    });
    assert!(record["line"].as_str().unwrap().contains(&image.digest), "{record}");
}

/// A daemon that accepts the connection and does not answer, for example when stopped by a debugger.
#[test]
fn a_hanging_daemon_is_not_waited_for() {
    let node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let process = Pid::from_raw(node.pullgate.id().try_into().unwrap());
    kill(process, Signal::SIGSTOP).unwrap();
    for (option, image, code, output) in [
        ("prefer", &signed, 0, "[verified]"),
        ("prefer", &unsigned, 1, "[no-signature]"),
        ("require", &signed, 1, "cannot query the daemon"),
    ] {
        let (exit, line) = run_verifier(&node, &["--daemon", option, "--daemon-timeout", "1"], image);
        assert_eq!(exit, Some(code), "{option}: {line}");
        assert!(line.contains(output), "{option}: {line}");
    }
    // A scan may take minutes, but a missing daemon must fail at once.
    let scanned = process::output(node.pullgate.command().args(["scan", "--daemon", "require"]));
    assert_eq!(scanned.status.code(), Some(3));
    kill(process, Signal::SIGCONT).unwrap();
    assert_eq!(run_verifier(&node, &["--daemon", "require"], &signed).0, Some(0));
}

/// Answers each request as scripted, as another user.
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
pub(crate) fn only_a_daemon_of_root_is_trusted() {
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
        // It cannot create one there itself.
        fs::rename(&at, node.pullgate.control()).unwrap();
        daemon
    };
    for (user, answer, option, code, output) in [
        // A forged answer in the right form would be accepted.
        ("0", ADMITTED, "prefer", 0, "trust me"),
        ("65534", ADMITTED, "prefer", 1, "[no-signature]"),
        ("65534", ADMITTED, "require", 1, "neither root nor this user"),
        // An invalid answer, or one to another request, admits nothing.
        ("0", "{}", "require", 1, "cannot query the daemon"),
        ("0", "{}", "prefer", 1, "[no-signature]"),
        ("0", r#"{"verdict":{"admitted":true}}"#, "require", 1, "cannot query the daemon"),
        ("0", r#"{"failed":"no"}"#, "prefer", 1, "no"),
        ("0", r#"{"scan":{"images":[],"containers":[]}}"#, "prefer", 1, "unexpected reply type"),
    ] {
        let _daemon = serve(user, answer);
        let (exit, line) = run_verifier(&node, &["--daemon", option], &unsigned);
        assert_eq!(exit, Some(code), "{user} {answer} {option}: {line}");
        assert!(line.contains(output), "{user} {answer} {option}: {line}");
    }
}

fn pull(node: &Node, image: &Image) -> Result<(), String> {
    process::run(node.containerd.ctr().args(["images", "pull", "--plain-http", &image.by_tag()])).map(drop)
}

/// Calls it as containerd does. Returns the exit code and the output, including standard error.
fn run_verifier(node: &Node, options: &[&str], image: &Image) -> (Option<i32>, String) {
    let mut command = node.pullgate.command();
    command.arg("image-verifier").args(options);
    verify(command, image)
}

fn verify(mut command: Command, image: &Image) -> (Option<i32>, String) {
    command.args(["-name", &image.by_tag(), "-digest", &image.digest]);
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
