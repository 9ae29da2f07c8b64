//! `pullgate doctor` on a node as it is installed, and the daemon's own examination in its sandbox.

use serde_json::Value;

use pullgate_test::node::debian::{Debian, Network, SOCKET};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{directory, process};

/// A process with kubelet's name and arguments that makes a call at its image endpoint and keeps the connection. The digits are
/// HTTP/2: the preface, SETTINGS, HEADERS of `/runtime.v1.ImageService/ImageFsInfo`, and DATA with an empty message.
const KUBELET: &str = "[Service]
ExecStart=/bin/bash -c 'exec -a /usr/bin/kubelet perl -MIO::Socket::UNIX -e \\
 \"push @ARGV, (IO::Socket::UNIX->new(Peer => q(/run/pullgate/pullgate.sock)) or die); \\
 (grep { ref } @ARGV)[0]->syswrite(pack(q(H*), q(\
505249202a20485454502f322e300d0a0d0a534d0d0a0d0a000000040000000000000053010400000001838604242f72756e74696d652e76312e49\
6d616765536572766963652f496d6167654673496e666f01096c6f63616c686f73740f10106170706c69636174696f6e2f67727063000274650874\
7261696c6572730000050001000000010000000000))); sleep 1000\" -- \\
 --image-service-endpoint=unix:///run/pullgate/pullgate.sock'
";

fn findings(node: &Debian) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&node.run("pullgate doctor --output json || true")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["id"]), text(&finding["evidence"]))).collect()
}

#[test]
fn the_installed_node_enforces_until_somebody_changes_its_units() {
    let node = Debian::with_pullgate(Network::Own, &Policy::deny(), "");
    let status =
        || serde_json::from_str::<Value>(&node.run("pullgate status --output json || true")).unwrap();
    let own =
        process::wait(process::LIMIT, || Some(status()["doctor"].clone()).filter(Value::is_object)).unwrap();
    assert_eq!(own["verdict"], "undetermined", "the daemon does not see kubelet: {own}");

    directory::write(&node.path("/etc/systemd/system/kubelet.service"), KUBELET);
    node.run("systemctl daemon-reload && systemctl start kubelet");
    let found = findings(&node);
    let evidence =
        |id: &str| found.iter().find(|(found, _)| found == id).map(|(_, evidence)| evidence.as_str());
    assert!(evidence("kubelet").is_some_and(|it| it.contains("connected")), "{found:?}");
    assert_eq!(evidence("socket"), Some(&*format!("{SOCKET}: systemd holds it for pullgate")), "{found:?}");
    assert!(evidence("canary").is_some(), "{found:?}");
    for id in ["unit-changed", "unit-stale", "socket-access", "image-endpoint", "daemon-down"] {
        assert_eq!(evidence(id), None, "{found:?}");
    }
    node.run("pullgate doctor && pullgate doctor --npd | grep --line-regexp enforcing");

    let drop_in = node.path("/etc/systemd/system/pullgate.service.d");
    directory::make(&drop_in);
    directory::write(&drop_in.join("override.conf"), "[Service]\nProtectSystem=no\n");
    node.run("systemctl daemon-reload");
    let found = findings(&node);
    let is_override =
        |(id, evidence): &(String, String)| id == "unit-changed" && evidence.contains("sets ProtectSystem");
    assert!(found.iter().any(is_override), "{found:?}");
    // systemd sees changes of directories that it has read, but no new ones.
    directory::write(&drop_in.join("override.conf"), "[Service]\nProtectSystem=yes\n");
    let found = findings(&node);
    assert!(found.iter().any(|(id, _)| id == "unit-stale"), "{found:?}");
    node.run("systemctl stop pullgate.socket");
    assert!(node.try_run("pullgate doctor").is_err());
    let found = findings(&node);
    assert!(found.iter().any(|(id, _)| id == "socket-dead"), "{found:?}");
}
