//! The Debian packages.

use std::process::Command;

use crate::made::{NEXT, PACKAGES, VERSION, deb, output_of};
use crate::root_copy::RootCopy;

const UNITS: &str = "pullgate.socket pullgate.service pullgate-trust.timer pullgate-signer.service";

fn install(root: &RootCopy, package: &str, version: &str) {
    let path = root.put(&deb(package, version));
    root.run(&format!("apt-get install --quiet --yes {path}"));
}

#[test]
fn installing_starts_and_enables_nothing_and_leaves_kubelet_alone() {
    let root = RootCopy::new();
    for package in PACKAGES {
        install(&root, package, VERSION);
    }
    let enabled = root.try_run(&format!("systemctl is-enabled {UNITS}"));
    assert_eq!(String::from_utf8_lossy(&enabled.stdout), "disabled\n".repeat(4));
    // zsh wants files of completions to begin with `_`.
    let is_own = |path: &&String| path.contains("/pullgate") || path.contains("/_pullgate");
    let outside = |path: &&String| !is_own(path) && !path.starts_with("usr/share/lintian/");
    let changes = root.changes();
    assert_eq!(changes.iter().filter(outside).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(
        !changes.iter().any(|path| path.starts_with("etc/systemd") || path.starts_with("run")),
        "{changes:?}"
    );
}

#[test]
fn the_files_belong_to_root_and_nobody_else_can_change_them() {
    let root = RootCopy::new();
    for package in PACKAGES {
        install(&root, package, VERSION);
    }
    let listed = root.run(
        "dpkg -L pullgate pullgate-signer | sort -u | xargs -d '\\n' stat -c '%A %U:%G %n' | grep pullgate",
    );
    for line in listed.lines() {
        let is_program = ["/usr/bin/", "/usr/lib/pullgate/"].iter().any(|directory| line.contains(directory));
        let mode = if line.starts_with('d') || is_program { "rwxr-xr-x" } else { "rw-r--r--" };
        assert!(line[1..].starts_with(&format!("{mode} root:root ")), "{line}");
    }
    for path in [
        "/usr/bin/pullgate",
        "/usr/bin/pullgate-signer",
        "/usr/lib/systemd/system/pullgate.socket",
        "/usr/share/pullgate/npd/pullgate.json",
        "/usr/share/pullgate/kubelet/kubelet-image-service-endpoint.conf",
        "/usr/share/pullgate/kubelet/kubelet.service.d/10-pullgate.conf",
        "/usr/share/doc/pullgate/docs/install.md",
        "/usr/share/doc/pullgate-signer/sbom.cdx.json",
        "/usr/share/doc/pullgate/third-party-licences.txt.gz",
    ] {
        assert!(listed.lines().any(|line| line.ends_with(&format!(" {path}"))), "{path}\n{listed}");
    }
    root.run("test -d /etc/pullgate/policy.d -a -d /etc/pullgate/keys");
    assert_eq!(root.run("pullgate --version"), format!("pullgate {VERSION}\n"));
    root.run("pullgate policy check");
    root.run("systemd-analyze verify pullgate.service pullgate.socket pullgate-signer.service pullgate-trust.timer");
}

#[test]
fn an_update_keeps_edited_configuration_and_what_is_enabled() {
    let root = RootCopy::new();
    for package in PACKAGES {
        install(&root, package, VERSION);
        let configuration =
            root.run(&format!("dpkg-query --showformat '${{Conffiles}}' --show {package} | cut -d' ' -f2"));
        let expected = if package == "pullgate" {
            "/etc/pullgate/policy.toml\n/etc/pullgate/pullgate.toml"
        } else {
            "/etc/pullgate/signer.toml"
        };
        assert_eq!(configuration.trim(), expected);
    }
    // Also=: enabling the service enables its socket.
    root.run("systemctl enable pullgate.service");
    root.run("for file in policy pullgate signer; do echo '# edited' >>/etc/pullgate/$file.toml; done");
    root.run("chmod 0700 /etc/pullgate/keys");
    for package in PACKAGES {
        install(&root, package, NEXT);
        assert_eq!(root.run(&format!("dpkg-query --showformat '${{Version}}' --show {package}")), NEXT);
    }
    assert_eq!(root.run("cat /etc/pullgate/*.toml | grep -c '^# edited'"), "3\n");
    assert_eq!(root.run("stat --format=%a /etc/pullgate/keys"), "700\n");
    assert_eq!(root.run("ls /etc/pullgate"), "keys\npolicy.d\npolicy.toml\npullgate.toml\nsigner.toml\n");
    assert_eq!(root.run("systemctl is-enabled pullgate.socket pullgate.service"), "enabled\nenabled\n");
}

#[test]
fn removal_is_refused_while_kubelet_uses_the_socket_and_then_leaves_nothing_behind() {
    let root = RootCopy::new();
    let before = root.changes();
    install(&root, "pullgate", VERSION);
    root.run("systemctl enable pullgate.service pullgate-trust.timer");
    root.run(
        "mkdir -p /etc/systemd/system/kubelet.service.d /var/lib/kubelet /var/lib/pullgate/entries /run/pullgate
         cp /usr/share/pullgate/kubelet/kubelet.service.d/10-pullgate.conf /etc/systemd/system/kubelet.service.d
         cp /usr/share/pullgate/kubelet/kubelet-image-service-endpoint.conf /var/lib/kubelet/config.yaml
         touch /etc/pullgate/break-glass.toml /etc/pullgate/keys/release.pem",
    );
    let refused = root.fails("apt-get remove --quiet --yes pullgate");
    let line = "/var/lib/kubelet/config.yaml:5:imageServiceEndpoint: unix:///run/pullgate/pullgate.sock";
    assert!(refused.contains(line) && refused.contains("still uses it"), "{refused}");
    assert_eq!(root.run("systemctl is-enabled pullgate.service"), "enabled\n");
    root.run("test -e /etc/systemd/system/kubelet.service.d/10-pullgate.conf");
    root.run("rm -r /var/lib/kubelet; apt-get remove --quiet --yes pullgate");
    let kept = ["break-glass.toml", "keys", "keys/release.pem", "policy.d", "policy.toml", "pullgate.toml"];
    let mut left: Vec<_> = kept.iter().map(|path| format!("etc/pullgate/{path}")).collect();
    left.insert(0, "etc/pullgate".to_owned());
    left.extend(["var/lib/pullgate", "var/lib/pullgate/entries"].map(str::to_owned));
    assert_eq!(root.changes(), left);
    root.run("apt-get purge --quiet --yes pullgate");
    assert_eq!(root.changes(), before);
}

#[test]
fn each_package_leaves_the_configuration_and_state_of_the_other() {
    let root = RootCopy::new();
    for package in PACKAGES {
        install(&root, package, VERSION);
    }
    root.run(
        "mkdir -p /var/lib/pullgate/signer /var/lib/pullgate/entries; touch /etc/pullgate/keys/release.key",
    );
    root.run("apt-get purge --quiet --yes pullgate");
    assert_eq!(
        root.run("ls /etc/pullgate /etc/pullgate/keys /var/lib/pullgate"),
        "/etc/pullgate:\nkeys\nsigner.toml\n\n/etc/pullgate/keys:\nrelease.key\n\n/var/lib/pullgate:\nsigner\n"
    );
    install(&root, "pullgate", VERSION);
    root.run("mkdir /var/lib/pullgate/entries; apt-get purge --quiet --yes pullgate-signer");
    assert_eq!(root.run("ls /var/lib/pullgate; pullgate policy check >/dev/null; echo $?"), "entries\n0\n");
    root.run("apt-get purge --quiet --yes pullgate");
    // Alone, the signer leaves private keys.
    install(&root, "pullgate-signer", VERSION);
    root.run("touch /etc/pullgate/keys/release.key");
    let purged = root.try_run("apt-get purge --quiet --yes pullgate-signer");
    assert!(
        String::from_utf8_lossy(&purged.stderr).contains("keys are left in /etc/pullgate/keys"),
        "{purged:?}"
    );
    assert_eq!(root.changes(), ["etc/pullgate", "etc/pullgate/keys", "etc/pullgate/keys/release.key"]);
}

#[test]
fn a_purge_deletes_no_private_key() {
    let root = RootCopy::new();
    for package in PACKAGES {
        install(&root, package, VERSION);
    }
    root.run("cd /etc/pullgate/keys; openssl genpkey -algorithm ed25519 >release.key 2>/dev/null || echo 'PRIVATE KEY' >release.key; echo 'PUBLIC KEY' >release.pem");
    root.run("apt-get purge --quiet --yes pullgate-signer");
    let purged = root.try_run("apt-get purge --quiet --yes pullgate");
    let said = String::from_utf8_lossy(&purged.stderr);
    assert!(said.contains("private keys are left in /etc/pullgate/keys"), "{purged:?}");
    assert_eq!(root.changes(), ["etc/pullgate", "etc/pullgate/keys", "etc/pullgate/keys/release.key"]);
}

/// The package was removed, and then the chart or an archive installed pullgate again.
#[test]
fn a_purge_keeps_what_another_installation_uses() {
    let root = RootCopy::new();
    install(&root, "pullgate", VERSION);
    root.run("apt-get remove --quiet --yes pullgate");
    root.run("touch /usr/bin/pullgate; mkdir -p /run/pullgate /var/lib/pullgate; touch /run/pullgate/pullgate.sock /var/lib/pullgate/node.json");
    root.run("apt-get purge --quiet --yes pullgate");
    root.run("test -e /run/pullgate/pullgate.sock && test -e /var/lib/pullgate/node.json && test -d /etc/pullgate/policy.d");
}

#[test]
fn lintian_has_nothing_to_say() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error", "--tag-display-limit", "0"]);
    let report = output_of(lintian.args(PACKAGES.map(|package| deb(package, VERSION))));
    let has_pages = crate::made::source("docs/man").is_dir();
    let remarks: Vec<_> =
        report.lines().filter(|line| has_pages || !line.contains("no-manual-page")).collect();
    assert_eq!(remarks, Vec::<&str>::new());
}
