//! Removal: refused while kubelet points at pullgate; afterwards nothing is left.

use std::collections::BTreeSet;

use pullgate_test::node::debian::{Debian, Network, SOCKET};
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{directory, packages};

use super::{DENIED, denying};

/// Where dpkg, systemd and containerd keep records of their own.
const RECORDS: &str = "^/(proc|sys|dev|tmp|run/(systemd|containerd|udev|log)|var/(log|cache|lib/(dpkg|apt|containerd|systemd/(catalog|timers))))(/|$)";

/// All files of the node.
fn files(node: &Debian) -> BTreeSet<String> {
    let find = "find / -regextype posix-extended -regex '^/(proc|sys)$' -prune -o -print";
    let listed = node.run(&format!("{find} | grep --extended-regexp --invert-match '{RECORDS}'"));
    listed.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn removal_is_refused_while_kubelet_uses_it_and_purging_leaves_nothing() {
    let node = Debian::boot(Network::Own);
    let before = files(&node);
    node.install(packages::VERSION);
    denying("a test").write(&node.path("/etc/pullgate"));
    node.run("systemctl enable --now pullgate pullgate-trust.timer");
    node.kubelet().image_status(DENIED).unwrap();
    let is_up = || node.run("systemctl is-active pullgate.socket pullgate.service");

    // It still has a connection. In the node: a connection belongs to the network of the one who makes it.
    let connect = "IO::Socket::UNIX->new(Peer => shift) or die; sleep";
    node.run(&format!(
        "perl -MIO::Socket::UNIX -e '$socket = {connect}' {SOCKET} >/dev/null 2>&1 & echo $! >/run/client"
    ));
    let state = format!("grep --quiet ' 03 .* {SOCKET}$' /proc/net/unix");
    assert!(process::wait(LIMIT, || node.try_run(&state).ok()).is_some(), "it does not connect");
    let refused = node.try_run("apt-get remove --yes pullgate").unwrap_err();
    assert!(refused.contains("/run/pullgate/pullgate.sock: 1 open connections"), "{refused}");
    node.run("kill $(cat /run/client); rm /run/client");
    // It will have one at its next start.
    let config = node.path("/var/lib/kubelet");
    directory::make(&config);
    let endpoint = "imageServiceEndpoint: unix:///run/pullgate/pullgate.sock";
    directory::write(&config.join("config.yaml"), format!("{endpoint}\n"));
    let refused = node.try_run("apt-get remove --yes pullgate").unwrap_err();
    assert!(refused.contains(&format!("/var/lib/kubelet/config.yaml:1:{endpoint}")), "{refused}");
    assert_eq!(is_up(), "active\nactive\n");
    node.kubelet().image_fs_info().unwrap();

    std::fs::remove_dir_all(config).unwrap();
    node.run("apt-get remove --yes pullgate");
    let units = "pullgate.socket pullgate.service pullgate-trust.timer";
    assert_eq!(node.run(&format!("systemctl is-active {units} || true")), "inactive\n".repeat(3));
    assert_eq!(node.run("pgrep --count --exact pullgate || true"), "0\n");
    let left: Vec<_> = files(&node).difference(&before).cloned().collect();
    assert!(!left.is_empty(), "configuration and state are kept until the package is purged");
    for path in &left {
        assert!(path.starts_with("/etc/pullgate") || path.starts_with("/var/lib/pullgate"), "{path}");
    }
    node.run("apt-get purge --yes pullgate");
    assert_eq!(files(&node), before);
    // The package can be installed again.
    node.install(packages::VERSION);
    node.run("systemctl enable --now pullgate");
    node.kubelet().image_fs_info().unwrap();
}
