//! Options of `pullgate.toml` for the daemon itself, tested with the program.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::unistd::Group;

use crate::effects;

use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::Daemon;
use pullgate_test::node::pullgate::{Pullgate, program};
use pullgate_test::node::{Node, Release, directory};
use pullgate_test::secrets;

/// The mode and group of the socket, and the log, of a daemon with `from` replaced by `to` in its pullgate.toml.
fn serve(node: &Node, from: &str, to: &str) -> (u32, u32, String) {
    let home = directory::Directory::new();
    let config = home.path().join("pullgate");
    let text = Pullgate::configure(&config, &node.containerd, &Policy::deny());
    assert!(text.contains(from), "{from}");
    directory::write(&config.join("pullgate.toml"), text.replacen(from, to, 1));
    let log = home.path().join("pullgate.log");
    let configure = |command: &mut Command| {
        command.arg("--config").arg(&config).arg("serve");
    };
    let mut daemon = Daemon::start(&program(), configure, &log);
    // The last step before it reports that it serves.
    daemon.wait_until("there", || config.join("run/control.sock").exists().then_some(()));
    let found = fs::metadata(config.join("run/pullgate.sock")).unwrap();
    daemon.stop();
    (found.mode() & 0o777, found.gid(), fs::read_to_string(log).unwrap())
}

#[test]
pub(crate) fn group_and_mode_decide_who_may_connect() {
    let node = Node::start(Release::V2_1);
    let group = Group::from_gid(1.into()).unwrap().expect("there is a group 1");
    let listen = "[listen]\n";
    for (more, mode, gid) in [
        (String::new(), 0o600, 0),
        ("mode = \"0660\"\n".to_owned(), 0o660, 0),
        (format!("group = {:?}\n", group.name), 0o660, 1),
        (format!("group = {:?}\nmode = \"0600\"\n", group.name), 0o600, 1),
    ] {
        let (found, owner, log) = serve(&node, listen, &format!("{listen}{more}"));
        assert_eq!((found, owner), (mode, gid), "{more}{log}");
    }
}

#[test]
pub(crate) fn log_level_and_format_are_applied() {
    let node = Node::start(Release::V2_1);
    // The output goes where it is searched for secrets afterwards.
    let level = if secrets::run().is_some() { "level = \"trace\"" } else { "level = \"info\"" };
    for (from, to, info, json) in [
        (level, "level = \"info\"", true, true),
        (level, "level = \"error\"", false, true),
        ("format = \"json\"", "format = \"text\"", true, false),
    ] {
        let (.., log) = serve(&node, from, to);
        assert_eq!(log.contains("policy in force"), info, "{to}: {log}");
        let lines = || log.lines().map(serde_json::from_str::<serde_json::Value>);
        assert_eq!(lines().all(|line| line.is_ok()), json, "{to}: {log}");
    }
}

/// A test, and the options that change its outcome.
type Effects = (fn(), &'static [&'static str]);

/// The tests that are named by [`effects::TESTED`] for the test program without containerd.
#[test]
fn every_listed_option_has_its_test() {
    let tests: &[Effects] = &[
        (crate::status::the_two_sockets_are_separate, &["[listen] socket"]),
        (group_and_mode_decide_who_may_connect, &["[listen] group", "[listen] mode"]),
        (crate::verifier::only_a_daemon_of_root_is_trusted, &["[control] socket"]),
        (|| crate::status::shows_the_state_of_the_daemon(Release::V2_1), &["[runtime] socket"]),
        (crate::lazy::images_are_pulled_by_a_lazy_pulling_snapshotter, &["[runtime] image-socket"]),
        (
            || crate::ways::a_side_loaded_image_never_runs_under_a_protected_name(Release::V2_1),
            &["[gate] image-status"],
        ),
        (crate::sandbox::a_runtime_that_does_not_report_it_needs_the_option, &["[gate] sandbox-image"]),
        (
            || crate::scan::removes_only_finally_refused_images(Release::V2_1),
            &["[scan] interval", "[scan] remove-unused"],
        ),
        (
            || crate::scan::uses_evidence_while_the_registry_is_unreachable(Release::V2_1),
            &["[ledger] directory"],
        ),
        (
            crate::metrics::metrics_are_served_and_written_as_configured,
            &["[metrics] listen", "[metrics] textfile", "[metrics] textfile-interval"],
        ),
        (log_level_and_format_are_applied, &["[log] format", "[log] level"]),
        (
            crate::command::policy_test_compares_the_policy_with_expectations,
            &[
                "[[case]] image",
                "[[case]] pod-namespace",
                "[[case]] rule",
                "[[case]] action",
                "[[case]] mode",
            ],
        ),
        (crate::keys::the_signer_uses_keys_in_softhsm, &["[keys] pkcs11.module", "[keys] pkcs11.pin-file"]),
    ];
    let tested: Vec<&str> = tests.iter().flat_map(|(_, options)| options.iter().copied()).collect();
    let listed: Vec<&str> = effects::TESTED.iter().map(|(_, option)| *option).collect();
    assert_eq!(tested, listed);
}
