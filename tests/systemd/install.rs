//! `pullgate node install` and `uninstall`, with a systemd and a kubelet whose unit and files are as kubeadm's packages write
//! them.

use std::path::PathBuf;
use std::process::Command;

use pullgate_test::node::debian::{Debian, Network, SOCKET};
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{directory, packages};
use pullgate_test::programs;

use super::denying;

const UNIT: &str = "[Unit]
Description=kubelet: The Kubernetes Node Agent
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=1
[Install]
WantedBy=multi-user.target
";
const KUBEADM: &str = "[Service]
Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_EXTRA_ARGS
";
const CONFIG: &str = "kind: KubeletConfiguration\nimageServiceEndpoint: \"\"\n";
const INSTALLED: &str = "/etc/kubernetes/kubelet.conf.d/50-pullgate.conf";
/// An operator's own directory, and what is installed into it.
const SITE: &str = "/etc/site/kubelet.d";
const INSTALLED_IN_SITE: &str = "/etc/site/kubelet.d/50-pullgate.conf";
const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/10-pullgate.conf";

/// A node with a kubelet that runs, without pullgate.
struct Node(Debian);

impl Node {
    fn boot() -> Self {
        Self::boot_with("")
    }

    /// With more arguments for kubelet.
    fn boot_with(arguments: &str) -> Self {
        let node = Debian::boot(Network::Own);
        // Not in the root, which is in memory.
        let program = node.shared().join("kubelet");
        process::must_run(
            Command::new("strip").arg("--strip-debug").arg("-o").arg(&program).arg(programs::kubelet()),
        );
        node.run(&format!("ln -s {} /usr/bin/kubelet", program.display()));
        for (path, text) in [
            ("/usr/lib/systemd/system/kubelet.service", UNIT),
            ("/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM),
            ("/var/lib/kubelet/config.yaml", CONFIG),
            ("/etc/default/kubelet", &format!("KUBELET_EXTRA_ARGS={arguments}\n")),
        ] {
            let path = node.path(path);
            directory::make(path.parent().unwrap());
            directory::write(&path, text);
        }
        directory::make(&node.path(SITE));
        node.run("systemctl daemon-reload && systemctl enable --now kubelet");
        let node = Self(node);
        node.wait_for_calls_to_containerd();
        node
    }

    /// What kubelet's endpoint says to its pulls from now on.
    fn wait_for_calls(&self, to: &str, is_wanted: impl Fn(&str) -> bool) {
        self.0.run("rm -f /run/kubelet-pull");
        let said = || self.0.try_run("cat /run/kubelet-pull").ok().filter(|text| is_wanted(text));
        let found = process::wait(LIMIT, said);
        assert!(found.is_some(), "no call to {to}: {:?}", self.0.try_run("cat /run/kubelet-pull"));
    }

    fn wait_for_calls_to_pullgate(&self) {
        self.wait_for_calls("pullgate", |text| text.contains("a test") && text.contains("[denied-by-rule]"));
    }

    fn wait_for_calls_to_containerd(&self) {
        self.wait_for_calls("containerd", |text| {
            text.contains("failed to") && !text.contains("[denied-by-rule]")
        });
    }

    /// All files that decide about kubelet and pullgate: kinds, modes, sizes, targets of links, contents.
    fn files(&self) -> String {
        let directories =
            "/etc /usr/bin /usr/lib/systemd /usr/share /var/lib/kubelet $(ls -d /usr/lib/pullgate || true)";
        let print = "-type d -printf '%y %m %U %p\\n' -o -printf '%y %m %U %s %p %l\\n'";
        self.0.run(&format!(
            "find {directories} {print} 2>/dev/null | sort
             find /etc /var/lib/kubelet -type f -exec sha256sum {{}} + | sort"
        ))
    }

    fn runs(&self) -> [String; 2] {
        ["kubelet.service", "pullgate.service"].map(|unit| self.0.property(unit, "InvocationID"))
    }

    fn assert_without_pullgate(&self, before: &str) {
        let after = self.files();
        let left: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
        let lost: Vec<_> = before.lines().filter(|line| !after.contains(line)).collect();
        assert!(left.is_empty() && lost.is_empty(), "left: {left:#?}\nlost: {lost:#?}");
        self.wait_for_calls_to_containerd();
        let states = "systemctl is-active kubelet.service pullgate.service pullgate.socket || true";
        assert_eq!(self.0.run(states), "active\ninactive\ninactive\n");
        assert!(self.0.try_run("systemctl is-enabled pullgate.service").is_err());
    }

    /// Makes the root of a pod with the files of the package, and /host; returns the command that runs a program in it.
    fn pod(&self) -> String {
        let package = self.0.package(packages::VERSION);
        let script = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/up /mnt/work /mnt/pod
            mount -t overlay overlay /mnt/pod -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work
            dpkg-deb --extract PACKAGE /mnt/pod; mkdir /mnt/pod/host
            mount --rbind / /mnt/pod/host; mount --rbind /proc /mnt/pod/proc
            exec chroot /mnt/pod \"$@\"";
        let file = self.0.shared().join("pod");
        directory::write(&file, script.replace("PACKAGE", &package.display().to_string()));
        format!("unshare --mount bash -eu {}", file.display())
    }
}

#[test]
fn node_install_puts_pullgate_before_a_running_kubelet_and_uninstall_takes_it_out() {
    let node = Node::boot_with(&format!("--config-dir={SITE}"));
    node.0.install(packages::VERSION);
    denying("a test").write(&node.0.path("/etc/pullgate"));
    let (before, [kubelet, _]) = (node.files(), node.runs());

    let said = node.0.run("pullgate node install --timeout 60");
    assert!(said.contains("kubelet 1.34 runs in kubelet.service (kubeadm)"), "{said}");
    node.wait_for_calls_to_pullgate();
    let runs = node.runs();
    assert_ne!(runs[0], kubelet);
    node.0.run("systemctl is-enabled pullgate.service pullgate.socket");
    let installed = node.files();
    assert!(installed.contains(INSTALLED_IN_SITE) && installed.contains(DROP_IN), "{installed}");

    let said = node.0.run("pullgate node install --timeout 60");
    assert!(said.contains("nothing to change"), "{said}");
    assert_eq!(node.runs(), runs, "nothing is restarted");
    assert_eq!(node.files(), installed);
    node.0.run("pullgate node plan");

    // Also while kubelet does not run, and wherever its files are.
    node.0.run("systemctl stop kubelet");
    let refused = node.0.try_run("apt-get remove --yes pullgate").unwrap_err();
    assert!(refused.contains(&format!("{INSTALLED_IN_SITE}:5:imageServiceEndpoint")), "{refused}");
    node.0.run("systemctl start kubelet");
    node.wait_for_calls_to_pullgate();

    node.0.run("pullgate node uninstall --timeout 60");
    node.assert_without_pullgate(&before);
    assert_ne!(node.runs()[0], runs[0]);
    assert!(node.0.run("pullgate node uninstall").contains("nothing to restore"));
    node.0.run("apt-get remove --yes pullgate");
}

#[test]
fn a_kubelet_that_does_not_become_ready_runs_on_containerd_again() {
    let node = Node::boot();
    node.0.install(packages::VERSION);
    denying("a test").write(&node.0.path("/etc/pullgate"));
    node.0.run("touch /etc/kubelet-fails");
    let before = node.files();
    let failed = node.0.try_run("pullgate node install --timeout 8").unwrap_err();
    assert!(failed.contains("kubelet.service did not become ready within 8 s"), "{failed}");
    assert!(failed.contains("the previous state was restored"), "{failed}");
    node.assert_without_pullgate(&before);
    let again = node.0.try_run("pullgate node install --timeout 8").unwrap_err();
    assert!(again.contains("--retry"), "{again}");

    node.0.run("rm /etc/kubelet-fails && pullgate node install --timeout 60 --retry");
    node.wait_for_calls_to_pullgate();
    // kubelet was not restarted since its file came back. Another program's connection does not count as that of kubelet.
    node.0.run(&format!("cp {INSTALLED} /run/kept && rm {INSTALLED} && systemctl restart kubelet"));
    node.wait_for_calls_to_containerd();
    node.0.run(&format!("cp /run/kept {INSTALLED}"));
    let connect = "IO::Socket::UNIX->new(Peer => shift) or die; sleep";
    node.0.run(&format!(
        "perl -MIO::Socket::UNIX -e '$socket = {connect}' {SOCKET} >/dev/null 2>&1 & echo $! >/run/client"
    ));
    let said = node.0.run("pullgate node install --timeout 15");
    assert!(said.contains("nothing to change") && said.contains("kubelet has no connection"), "{said}");
    node.wait_for_calls_to_pullgate();
}

/// As the chart does it: from a root of its own, whose program and units are copied to the node.
#[test]
fn node_install_works_from_a_pod() {
    let node = Node::boot();
    directory::make(&node.0.path("/etc/pullgate"));
    denying("a test").write(&node.0.path("/etc/pullgate"));
    let (before, pod) = (node.files(), node.pod());
    let run = |command: &str| node.0.run(&format!("{pod} pullgate node {command} --root /host --timeout 60"));
    let said = run("install");
    assert!(said.contains("write /usr/bin/pullgate"), "{said}");
    node.wait_for_calls_to_pullgate();
    let (runs, installed) = (node.runs(), node.files());
    assert!(run("install").contains("nothing to change"));
    assert_eq!((node.runs(), node.files()), (runs, installed));
    run("uninstall");
    node.assert_without_pullgate(&before);
    let left: Vec<PathBuf> = ["/usr/bin/pullgate", "/usr/lib/pullgate", "/var/lib/pullgate/node.json"]
        .into_iter()
        .map(|path| node.0.path(path))
        .filter(|path| path.exists())
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}
