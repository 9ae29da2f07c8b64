//! The daemon ends, for one reason or another: kubelet's calls wait for the next one.

use std::io::Write as _;

use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::load::Load;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{directory, packages};

use super::{DENIED, denying};

#[test]
fn restarts_and_an_update_under_200_calls_per_second_cost_no_call() {
    let node = Debian::with_pullgate(Network::Own, &denying("a test"), "");
    let next = node.package(packages::NEXT);
    let restart = || drop(node.run("systemctl restart pullgate"));
    let restart_twice =
        || drop(node.run("systemctl stop pullgate.service; systemctl start pullgate.service"));
    let update = || {
        node.run(&format!("dpkg --install {}", next.display()));
        assert_eq!(node.run("dpkg-query --show --showformat='${Version}' pullgate"), packages::NEXT);
    };
    let changes: [(&str, &dyn Fn()); 3] =
        [("restart", &restart), ("stop and start", &restart_twice), ("update by dpkg", &update)];
    for (name, change) in changes {
        let before = node.property("pullgate.service", "MainPID");
        let load = Load::start(node.socket(super::SOCKET), DENIED);
        load.wait_for(50);
        change();
        load.wait_for(50);
        let answers = load.stop();
        assert_ne!(node.property("pullgate.service", "MainPID"), before, "{name}");
        assert_eq!(answers.failures, Vec::<String>::new(), "{name}");
        assert!(answers.calls >= 100, "{name}: {}", answers.calls);
        // Not with `eprintln!`, which is not shown for a test that passes.
        let (calls, longest) = (answers.calls, answers.longest);
        let _ =
            writeln!(std::io::stderr(), "{name}: {calls} calls, none failed, the longest took {longest:?}");
    }
}

#[test]
fn a_daemon_that_was_killed_or_hangs_is_started_again_and_calls_wait_for_it() {
    let node = Debian::with_pullgate(Network::Own, &denying("a test"), "");
    assert_eq!(node.property("pullgate.service", "WatchdogUSec"), "30s");
    let kill = |signal: &str| {
        let before = node.property("pullgate.service", "MainPID");
        node.run(&format!("systemctl kill --kill-whom=main --signal={signal} pullgate.service"));
        before
    };
    let calls = |text: &str| {
        // A new connection, as kubelet's after the end of the old one; systemd holds the socket that it waits at.
        let kubelet = node.kubelet();
        assert_eq!(kubelet.image_status(DENIED).unwrap(), None, "{text}");
        assert_eq!(kubelet.image_fs_info().unwrap().image_filesystems.len(), 1, "{text}");
    };
    for restarts in 1..=3 {
        let before = kill("KILL");
        let gone = process::wait(LIMIT, || node.try_run(&format!("test ! -e /proc/{before}")).ok());
        assert!(gone.is_some(), "it is still there");
        calls("killed");
        assert_eq!(node.number("pullgate.service", "NRestarts"), restarts);
        assert_eq!(node.property("pullgate.socket", "ActiveState"), "active");
    }

    let drop_in = node.path("/etc/systemd/system/pullgate.service.d");
    directory::make(&drop_in);
    directory::write(&drop_in.join("soon.conf"), "[Service]\nWatchdogSec=2\n");
    node.run("systemctl daemon-reload && systemctl restart pullgate");
    let before = kill("STOP");
    calls("hung");
    assert_ne!(node.property("pullgate.service", "MainPID"), before);
    let log = node.journal(&["--unit=pullgate"]);
    assert!(log.contains("Watchdog timeout"), "{log}");
}
