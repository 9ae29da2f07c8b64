//! What the packages find on a node before their removal.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::made::{VERSION, deb, source};
use crate::root_copy::RootCopy;

const ENDPOINT: &str = "imageServiceEndpoint: unix:///run/pullgate/pullgate.sock\n";

fn users(root: &Path) -> Output {
    Command::new(source("packaging/maintain")).arg("users").env("MAINTAIN_ROOT", root).output().unwrap()
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_place_that_names_the_socket_is_found() {
    let flag = "KUBELET_EXTRA_ARGS=\"--image-service-endpoint=unix:///run/pullgate/pullgate.sock\"\n";
    for (path, text) in [
        ("var/lib/kubelet/config.yaml", ENDPOINT),
        ("var/lib/kubelet/kubeadm-flags.env", flag),
        (
            "etc/kubernetes/kubelet/config.json",
            "{\"imageServiceEndpoint\": \"unix:///run/pullgate/pullgate.sock\"}\n",
        ),
        ("etc/kubernetes/kubelet/config.json.d/90-gate.conf", ENDPOINT),
        ("etc/default/kubelet", flag),
        ("etc/sysconfig/kubelet", flag),
        (
            "etc/rancher/k3s/config.yaml.d/gate.yaml",
            "kubelet-arg: [\"image-service-endpoint=/run/pullgate/pullgate.sock\"]\n",
        ),
        ("etc/rancher/rke2/config.yaml", "image-service-endpoint: /run/pullgate/pullgate.sock\n"),
        ("var/lib/rancher/k3s/agent/etc/kubelet.conf.d/10-gate.conf", ENDPOINT),
        (
            "etc/systemd/system/kubelet.service.d/20-extra.conf",
            "[Service]\nEnvironment=X=/run/pullgate/pullgate.sock\n",
        ),
        (
            "etc/systemd/system/k3s.service",
            "ExecStart=k3s server --image-service-endpoint /run/pullgate/pullgate.sock\n",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), path, &format!("# {ENDPOINT}{text}"));
        let found = users(root.path());
        let line = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!((found.status.code(), line.lines().count()), (Some(1), 1), "{path}: {line}");
        assert!(line.starts_with(&format!("{}/{path}:", root.path().display())), "{path}: {line}");
    }
}

#[test]
fn what_does_not_name_the_socket_is_not_found() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "var/lib/kubelet/config.yaml",
        &format!("#{ENDPOINT}imageServiceEndpoint: unix:///run/other.sock\n"),
    );
    let drop_in = std::fs::read_to_string(source("systemd/kubelet.service.d/10-pullgate.conf")).unwrap();
    write(root.path(), "etc/systemd/system/kubelet.service.d/10-pullgate.conf", &drop_in);
    write(
        root.path(),
        "opt/containerd/image-verifier/bin/other",
        "#!/bin/sh\n# not pullgate image-verifier\nexit 1\n",
    );
    let found = users(root.path());
    assert!(found.status.success() && found.stdout.is_empty() && found.stderr.is_empty(), "{found:?}");
}

#[test]
fn other_paths_of_the_socket_are_known() {
    for (path, text) in [
        (
            "etc/pullgate/pullgate.toml",
            "[control]\nsocket = \"/run/c.sock\"\n[listen]\nsocket = \"/run/own.sock\"\n",
        ),
        (
            "etc/systemd/system/pullgate.socket.d/override.conf",
            "[Socket]\nListenStream=\nListenStream=/run/own.sock\n",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), path, text);
        write(root.path(), "var/lib/kubelet/config.yaml", "imageServiceEndpoint: unix:///run/own.sock\n");
        assert_eq!(users(root.path()).status.code(), Some(1), "{path}");
        write(root.path(), "var/lib/kubelet/config.yaml", "imageServiceEndpoint: unix:///run/c.sock\n");
        assert_eq!(users(root.path()).status.code(), Some(0), "{path}");
    }
}

/// Wherever kubelet's directory is, and while kubelet does not run.
#[test]
fn the_files_that_node_install_wrote_for_kubelet_are_found() {
    let root = tempfile::tempdir().unwrap();
    // As `node install` writes it, which tests/systemd does with the package's own `maintain`.
    let file = |path: &str, part: &str| {
        format!(
            "    {{\n      \"path\": \"{path}\",\n      \"part\": \"{part}\",\n      \"previous\": null\n    }}"
        )
    };
    let files = ["/data/rke2/agent/etc/kubelet.conf.d/50-pullgate.conf", "/etc/site/50-pullgate.conf"];
    let listed =
        [file("/usr/lib/pullgate/maintain", "program"), file(files[0], "kubelet"), file(files[1], "kubelet")];
    let record = format!("{{\n  \"files\": [\n{}\n  ]\n}}", listed.join(",\n"));
    write(root.path(), "var/lib/pullgate/node.json", &record);
    write(root.path(), "usr/lib/pullgate/maintain", "/run/pullgate/pullgate.sock\n");
    for file in files {
        assert_eq!(users(root.path()).status.code(), Some(0), "it is not there: {file}");
        write(root.path(), file.trim_start_matches('/'), ENDPOINT);
        let found = users(root.path());
        let line = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!((found.status.code(), line.lines().count()), (Some(1), 1), "{line}");
        assert!(line.starts_with(&format!("{}{file}:1:", root.path().display())), "{line}");
        std::fs::remove_file(root.path().join(file.trim_start_matches('/'))).unwrap();
    }
}

#[test]
fn an_image_verifier_of_containerd_is_found() {
    let script = "#!/bin/sh\nexec /usr/bin/pullgate image-verifier \"$@\"\n";
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "opt/containerd/image-verifier/bin/pullgate", script);
    assert_eq!(users(root.path()).status.code(), Some(1));
    write(
        root.path(),
        "etc/containerd/config.toml",
        "bin_dir = \"/opt/cni/bin\"\n bin_dir = \"/srv/verifiers\"\n",
    );
    assert_eq!(users(root.path()).status.code(), Some(0), "it is not in the configured directory");
    std::fs::create_dir_all(root.path().join("srv/verifiers")).unwrap();
    symlink("/usr/bin/pullgate", root.path().join("srv/verifiers/gate")).unwrap();
    let found = users(root.path());
    assert!(
        String::from_utf8_lossy(&found.stdout).contains("srv/verifiers/gate: containerd runs pullgate"),
        "{found:?}"
    );
}

/// A kubelet that was not restarted yet: its configuration does not name the socket any more.
#[test]
fn a_running_kubelet_is_found_by_its_arguments_and_by_its_connection() {
    let root = RootCopy::new();
    let package = root.put(&deb("pullgate", VERSION));
    root.run(&format!("apt-get install --quiet --yes {package}"));
    root.run("/usr/lib/pullgate/maintain users");
    let named = root.run(
        "printf 'echo kubelet >/proc/$$/comm; /usr/lib/pullgate/maintain users; exit 0' >/tmp/kubelet
         bash /tmp/kubelet --image-service-endpoint=unix:///run/pullgate/pullgate.sock",
    );
    assert!(named.contains("(kubelet): its arguments name pullgate's socket"), "{named}");
    let configured = root.run(
        "mkdir /srv/kubelet; echo 'imageServiceEndpoint: /run/pullgate/pullgate.sock' >/srv/kubelet/config.yaml
         bash /tmp/kubelet --config=/srv/kubelet/config.yaml; bash /tmp/kubelet --config-dir /srv/kubelet",
    );
    assert_eq!(
        configured,
        "/srv/kubelet/config.yaml:1:imageServiceEndpoint: /run/pullgate/pullgate.sock\n".repeat(2)
    );
    let connected = root.run(
        "mkdir /run/pullgate; perl -MIO::Socket::UNIX -e '
           $listener = IO::Socket::UNIX->new(Local => \"/run/pullgate/pullgate.sock\", Listen => 4) or die;
           $client = IO::Socket::UNIX->new(Peer => \"/run/pullgate/pullgate.sock\") or die;
           $accepted = $listener->accept;
           system(\"/usr/lib/pullgate/maintain users\");'",
    );
    assert!(connected.starts_with("/run/pullgate/pullgate.sock: 1 open connections"), "{connected}");
}
