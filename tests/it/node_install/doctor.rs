//! `pullgate doctor` on each layout: the kubelet that runs is found, with the endpoint that it uses.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pullgate::doctor::Report;
use pullgate::node::doctor::Examined;
use pullgate::node_install::{self, Host, Ran};

use super::fake::{Fake, LAYOUTS};

/// A node without timedatectl.
struct NodeHost<'a>(&'a Fake);

impl Host for NodeHost<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        if program == "timedatectl" {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.0.run(program, arguments)
    }
}

/// What is in /proc for the kubelet of a layout, once pullgate is installed.
fn command_line(layout: &str) -> &'static str {
    match layout {
        "kubeadm" => {
            "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --v=2 --config-dir=/etc/kubernetes/kubelet.conf.d"
        }
        "kubeadm with a directory" => "/usr/bin/kubelet --v=2 --config-dir=/etc/site/kubelet.d",
        "plain" => "/opt/bin/kubelet --config=/etc/k.yaml --config-dir=/etc/kubernetes/kubelet.conf.d",
        "EKS" | "EKS with user data" => {
            "/usr/bin/kubelet --config=/etc/kubernetes/kubelet/config.json --config-dir=/etc/kubernetes/kubelet/config.json.d"
        }
        "k3s agent" => "/usr/local/bin/k3s agent",
        "k3s server" => "/usr/local/bin/k3s server",
        // RKE2 runs kubelet as a process of its own.
        "RKE2 server" => "kubelet --config-dir=/data/rke2/agent/etc/kubelet.conf.d",
        "RKE2 1.31 agent" => "kubelet --v=2 --image-service-endpoint=unix:///run/pullgate/pullgate.sock",
        other => panic!("{other}"),
    }
}

fn examine(node: &Fake, proc: &Path) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = NodeHost(node);
    let examined = Examined {
        host: &host,
        root: node.settings.root.clone(),
        proc: proc.to_owned(),
        config: PathBuf::from("/etc/pullgate"),
    };
    runtime.block_on(examined.examine()).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

#[test]
fn the_kubelet_of_every_layout_is_found_before_and_after_pullgate_is_installed() {
    for layout in &LAYOUTS {
        let name = layout.name;
        let node = Fake::new(layout);
        let proc = tempfile::tempdir().unwrap();
        let start = |line: &str| pullgate_test::proc::start(proc.path(), 812, line);
        let line = command_line(name);
        start(line.split(" --image-service-endpoint").next().unwrap());
        let before = examine(&node, proc.path());
        assert!(ids(&before).contains(&"image-endpoint"), "{name}: {before:?}");

        node.with(node_install::install).unwrap();
        start(line);
        let after = examine(&node, proc.path());
        let found = ids(&after);
        assert!(found.contains(&"kubelet") && found.contains(&"canary"), "{name}: {after:?}");
        assert!(!found.contains(&"image-endpoint"), "{name}: {after:?}");
        // The fake daemon has no control socket.
        assert!(found.contains(&"daemon-down"), "{name}: {after:?}");

        fs::remove_dir_all(proc.path().join("812")).unwrap();
        let stopped = examine(&node, proc.path());
        let unknown = stopped.findings.iter().find(|finding| finding.id == "kubelet-unknown");
        assert!(unknown.is_some_and(|it| it.evidence.contains("cannot be seen")), "{name}: {stopped:?}");
    }
}

#[test]
fn a_kubelet_in_the_wrong_version_and_a_stopped_one_are_told() {
    let node = Fake::new(LAYOUTS.first().unwrap());
    node.with(node_install::install).unwrap();
    let proc = tempfile::tempdir().unwrap();
    node.stop_kubelet();
    let blind = examine(&node, proc.path());
    let unknown = blind.findings.iter().find(|finding| finding.id == "kubelet-unknown").unwrap();
    assert!(unknown.evidence.contains("/1/ns/mnt: "), "{blind:?}");
    pullgate_test::proc::start(proc.path(), 1, "/sbin/init");
    assert!(ids(&examine(&node, proc.path())).contains(&"kubelet-stopped"));
    let line = "/usr/bin/kubelet --image-service-endpoint=/run/pullgate/pullgate.sock";
    pullgate_test::proc::start(proc.path(), 9, line);
    let program = node.settings.root.join("usr/bin/kubelet");
    node.write("usr/bin/kubelet", "");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!ids(&examine(&node, proc.path())).contains(&"kubelet-version"));
    node.version("Kubernetes v1.30.9");
    assert!(ids(&examine(&node, proc.path())).contains(&"kubelet-version"));
    // A program that others can change is not run.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!ids(&examine(&node, proc.path())).contains(&"kubelet-version"));
}
