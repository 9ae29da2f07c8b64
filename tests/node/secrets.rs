//! A registry that requires a password gets the pod's: from pullgate for lookups, from containerd for the pull.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nix::sys::signal::Signal;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{self, Daemon};
use pullgate_test::node::registry::{PASSWORD, USER};
use pullgate_test::node::{Node, Release, directory, environment};
use pullgate_test::secrets::{self, MARK, REGISTERED};

on_every_release!(
    pull_secrets_of_the_pod_reach_the_registry,
    pull_secrets_are_checked_even_if_the_image_is_present
);

fn pull_secrets_of_the_pod_reach_the_registry(release: Release) {
    let mut node = Node::start(release);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.registry.restart_with_password();
    let kubelet = node.kubelet();
    for name in [signed.by_tag(), signed.by_digest()] {
        for stranger in [Pod::of(&name), Pod::of(&name).with_pull_secret(USER, "pg5ECRET-wrong")] {
            let waiting = kubelet.ensure_image(&stranger).unwrap_err();
            assert_eq!(waiting.code(), "registry-unauthorized", "{}", waiting.message);
            assert!(!waiting.message.contains(MARK), "the message contains a password: {}", waiting.message);
        }
    }
    let waiting =
        kubelet.ensure_image(&Pod::of(unsigned.by_tag()).with_pull_secret(USER, PASSWORD)).unwrap_err();
    assert_eq!(waiting.code(), "no-signature", "{}", waiting.message);
    let ran = kubelet.run(&Pod::of(signed.by_tag()).with_pull_secret(USER, PASSWORD));
    assert_eq!(ran.unwrap_or_else(|waiting| panic!("{waiting:?}")).user, 1000);
    let logged = node.pullgate.records().iter().any(|record| record.to_string().contains(PASSWORD));
    assert!(!logged, "a password is in the log");
}

/// kubelet pulls a present image again to check a pod's access to it, which a cached verdict does not show.
fn pull_secrets_are_checked_even_if_the_image_is_present(release: Release) {
    let mut node = Node::start(release);
    let image = node.push_signed("team/app:1");
    node.registry.restart_with_password();
    let kubelet = node.kubelet();
    kubelet.pull(&Pod::of(image.by_tag()).with_pull_secret(USER, PASSWORD)).unwrap();
    for name in [image.by_tag(), image.by_digest()] {
        let stranger = kubelet.pull(&Pod::of(&name));
        assert!(stranger.is_err(), "{name} without a secret: {stranger:?}");
        let direct = node.kubelet_without_pullgate().pull(&Pod::of(&name));
        assert!(direct.is_err(), "containerd alone admits {name}: {direct:?}");
        let friend = kubelet.pull(&Pod::of(&name).with_pull_secret(USER, PASSWORD));
        assert!(friend.is_ok(), "{name} with the secret: {friend:?}");
    }
}

/// A core dump would contain secrets in memory.
#[test]
fn a_daemon_that_aborts_leaves_no_core_file() {
    let mut node = Node::start(Release::V2_1);
    let unlimited = |id: u32| {
        let mut prlimit = Command::new("prlimit");
        process::must_run(prlimit.args(["--core=unlimited:unlimited", "--pid", &id.to_string()]));
    };
    unlimited(node.pullgate.id());
    let ended = node.pullgate.abort();
    assert_eq!(ended.signal(), Some(Signal::SIGABRT as i32), "{ended}");
    assert!(!ended.core_dumped(), "{ended}");
    assert!(core_in(&node.directory().join("pullgate")).is_none());
    // Another program leaves one with its memory, unless the machine does not write core files.
    let directory = node.directory().join("other");
    directory::make(&directory);
    let sleep = |command: &mut Command| {
        command.arg("60").current_dir(&directory).env("HELD", format!("{MARK}-held"));
    };
    let mut other = Daemon::start("/bin/sleep".as_ref(), sleep, &directory.join("sleep.log"));
    unlimited(other.id());
    other.signal(Signal::SIGABRT);
    let dumped = other.wait().core_dumped();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let elsewhere = !pattern.starts_with("core");
    match core_in(&directory) {
        Some(core) => {
            let held = format!("{MARK}-held");
            assert!(
                core.windows(held.len()).any(|window| window == held.as_bytes()),
                "the core file is incomplete"
            );
        }
        None if elsewhere => secrets::skipped(&format!(
            "no core file of another program was seen, because they go elsewhere here (core_pattern {:?}, dumped: {dumped})",
            pattern.trim()
        )),
        None => panic!("there is no core file to compare with (core_pattern {pattern:?}, dumped: {dumped})"),
    }
}

/// The core file in a directory.
fn core_in(directory: &Path) -> Option<Vec<u8>> {
    let mut entries = std::fs::read_dir(directory).unwrap().flatten();
    let core = entries.find(|entry| entry.file_name().to_string_lossy().starts_with("core"))?;
    Some(std::fs::read(core.path()).unwrap())
}

/// The search at the end of `make test` would find a secret.
#[test]
fn the_search_for_secrets_finds_what_is_planted() {
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXvD9fUe8b5VnLQnv";
    let basic = |name: &str| STANDARD.encode(format!("{name}:{MARK}-1"));
    let hex: String = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = MARK.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let list: Vec<String> = MARK.bytes().map(|byte| byte.to_string()).collect();
    for (written, code) in [
        ("no secret".to_owned(), 0),
        (MARK.to_lowercase(), 0),
        (STANDARD.encode("a password without a mark"), 0),
        (format!("password {MARK}-2 wrong"), 1),
        (REGISTERED[0].to_owned(), 1),
        (basic("u"), 1),
        (basic("us"), 1),
        (basic("use"), 1),
        (URL_SAFE_NO_PAD.encode(format!("??>{MARK}")), 1),
        (hex.clone(), 1),
        (hex.to_uppercase(), 1),
        (percent, 1),
        (format!("[{}]", list.join(", ")), 1),
        (key.to_owned(), 1),
    ] {
        let run = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(run.path().join(name), text).unwrap();
        write("registered", &format!("{}\n{MARK}\n", REGISTERED.join("\n")));
        write("keys-1", &format!("{key}\n"));
        write("empty.written", "");
        write("pullgate.log-1.written", &format!("{{\"message\":\"{written}\"}}\n"));
        let searched = Command::new(environment::script("secrets")).arg(run.path()).output().unwrap();
        assert_eq!(searched.status.code(), Some(code), "{written}: {searched:?}");
    }
    let empty = tempfile::tempdir().unwrap();
    let searched = Command::new(environment::script("secrets")).arg(empty.path()).output().unwrap();
    assert_eq!(searched.status.code(), Some(2), "nothing was searched");
}
