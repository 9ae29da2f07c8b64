//! The rpm packages, by rpm into a root that is not an rpm distribution: dependencies are checked by their names only.

use std::process::Command;

use crate::made::{NEXT, PACKAGES, VERSION, output_of, rpm};
use crate::root_copy::RootCopy;

fn command(root: &RootCopy, arguments: &[&str]) -> Command {
    let mut command = root.outside("rpm");
    command.arg("--root").arg(root.root()).args(["--nodeps"]).args(arguments);
    command
}

#[test]
fn a_package_installs_updates_and_goes() {
    let root = RootCopy::new();
    output_of(command(&root, &["--install"]).args(PACKAGES.map(|package| rpm(package, VERSION))));
    let enabled =
        root.try_run("systemctl is-enabled pullgate.socket pullgate.service pullgate-signer.service");
    assert_eq!(String::from_utf8_lossy(&enabled.stdout), "disabled\n".repeat(3));
    assert_eq!(root.run("pullgate --version"), format!("pullgate {VERSION}\n"));
    root.run("systemctl enable pullgate.service; echo '# edited' >>/etc/pullgate/policy.toml");
    output_of(command(&root, &["--upgrade"]).args(PACKAGES.map(|package| rpm(package, NEXT))));
    assert_eq!(
        root.run("tail -n 1 /etc/pullgate/policy.toml; ls /etc/pullgate"),
        "# edited\nkeys\npolicy.d\npolicy.toml\npullgate.toml\nsigner.toml\n"
    );
    assert_eq!(root.run("systemctl is-enabled pullgate.socket pullgate.service"), "enabled\nenabled\n");

    root.run("mkdir -p /etc/rancher/k3s; echo '- image-service-endpoint=unix:///run/pullgate/pullgate.sock' >/etc/rancher/k3s/config.yaml");
    let refused = command(&root, &["--erase", "pullgate"]).output().unwrap();
    let line = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && line.contains("/etc/rancher/k3s/config.yaml:1:"), "{line}");
    assert_eq!(
        root.run("systemctl is-enabled pullgate.service; pullgate --version | cut -d' ' -f1"),
        "enabled\npullgate\n"
    );
    root.run("rm -r /etc/rancher; mkdir -p /run/pullgate");
    output_of(command(&root, &["--erase"]).args(PACKAGES));
    // What was edited is kept.
    assert_eq!(root.changes(), ["etc/pullgate", "etc/pullgate/policy.toml.rpmsave"]);
}

#[test]
fn configuration_is_marked_and_dependencies_are_those_of_the_program() {
    let query = |package: &str, arguments: &[&str]| {
        output_of(Command::new("rpm").args(arguments).arg(rpm(package, VERSION)))
    };
    assert_eq!(query("pullgate", &["-qpc"]), "/etc/pullgate/policy.toml\n/etc/pullgate/pullgate.toml\n");
    assert_eq!(query("pullgate-signer", &["-qpc"]), "/etc/pullgate/signer.toml\n");
    for package in PACKAGES {
        let needs = query(package, &["-qpR"]);
        assert!(needs.contains("glibc >= 2.34\n") && needs.contains("/bin/bash\n"), "{needs}");
        assert_eq!(
            query(package, &["-qp", "--queryformat", "%{BUILDHOST} %{LICENSE}"]),
            "localhost Apache-2.0"
        );
    }
}

#[test]
fn rpmlint_has_nothing_to_say() {
    let mut rpmlint = Command::new("rpmlint");
    rpmlint.arg("--config").arg(crate::made::source("packaging/rpmlint.toml"));
    let report = output_of(rpmlint.args(PACKAGES.map(|package| rpm(package, VERSION))));
    let without_pages = if crate::made::source("docs/man").is_dir() { 0 } else { 2 };
    let summary = format!(" 2 packages and 0 specfiles checked; 0 errors, {without_pages} warnings");
    assert!(report.contains(&summary), "{report}");
}
