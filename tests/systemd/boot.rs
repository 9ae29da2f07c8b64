//! Installation starts nothing; afterwards, everything starts in the right order at each boot.

use pullgate_test::node::debian::{Debian, Network, SOCKET};
use pullgate_test::node::{directory, packages};

/// Ends with an error if pullgate's socket does not exist, as kubelet does.
const KUBELET: &str = "[Unit]
After=containerd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => \"/run/pullgate/pullgate.sock\") or die $!'
[Install]
WantedBy=multi-user.target
";

#[test]
fn installing_starts_nothing_and_enabling_starts_socket_and_service_in_order_at_each_boot() {
    let mut node = Debian::boot(Network::Own);
    node.install(packages::VERSION);
    let units = "pullgate.socket pullgate.service pullgate-trust.timer";
    let states = |query: &str| node.run(&format!("systemctl {query} {units} || true"));
    assert_eq!(states("is-enabled"), "disabled\n".repeat(3));
    assert_eq!(states("is-active"), "inactive\n".repeat(3));
    assert!(node.try_run(&format!("test -e {SOCKET}")).is_err());

    node.run("systemctl enable --now pullgate");
    assert_eq!(states("is-enabled"), "enabled\nenabled\ndisabled\n");
    assert_eq!(states("is-active"), "active\nactive\ninactive\n");
    // Only root may connect.
    let owner = |path: &str| node.run(&format!("stat --format='%F %U:%G %a' {path}"));
    assert_eq!(owner(SOCKET), "socket root:root 600\n");
    assert_eq!(owner("/run/pullgate"), "directory root:root 755\n");
    assert_eq!(owner("/run/pullgate/control.sock"), "socket root:root 600\n");
    assert_eq!(owner("/var/lib/pullgate"), "directory root:root 700\n");
    assert!(node.try_run(&format!("setpriv --reuid nobody --clear-groups {}", connect())).is_err());
    node.run(&connect());

    let units = node.path("/etc/systemd/system");
    directory::make(&units.join("kubelet.service.d"));
    directory::write(&units.join("kubelet.service"), KUBELET);
    node.run("cp /usr/share/pullgate/kubelet/kubelet.service.d/10-pullgate.conf /etc/systemd/system/kubelet.service.d");
    node.run("systemctl daemon-reload && systemctl enable kubelet");
    for _ in 0..2 {
        // Fails if kubelet did.
        node.reboot();
        let began = |unit: &str| node.number(unit, "InactiveExitTimestampMonotonic");
        let ready = |unit: &str| node.number(unit, "ActiveEnterTimestampMonotonic");
        assert!(ready("containerd.service") <= began("pullgate.service"));
        assert!(ready("pullgate.socket") <= began("pullgate.service"));
        assert!(ready("pullgate.service") <= began("kubelet.service"));
        // Each of the three can restart without the others.
        let processes = |units: [&str; 2]| units.map(|unit| node.property(unit, "InvocationID"));
        for (unit, others) in [
            ("containerd.service", ["pullgate.service", "kubelet.service"]),
            ("pullgate.service", ["containerd.service", "kubelet.service"]),
            ("kubelet.service", ["containerd.service", "pullgate.service"]),
        ] {
            let before = processes(others);
            node.run(&format!("systemctl restart {unit}"));
            assert_eq!(processes(others), before, "{unit}");
            node.kubelet().image_fs_info().unwrap();
        }
    }
}

fn connect() -> String {
    let line = KUBELET.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    line.to_owned()
}
