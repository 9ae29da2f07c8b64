//! The signer accepts the configuration that its chart writes, from the files as kubelet mounts them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use pullgate_test::node::directory::{self, Directory};
use pullgate_test::node::process;
use pullgate_test::{programs, repository, secrets};

use super::render::{SIGNER, find};

#[test]
fn the_signer_accepts_its_configuration() {
    for (variant, arguments) in [
        ("plain", &[][..]),
        ("with TLS", &["--set", "listen.tlsSecret=tls,listen.clientCertificates=true"]),
        ("on other ports", &["--set", "listen.port=9443,metrics.port=9100"]),
    ] {
        let objects = SIGNER.render(arguments);
        let config = &find(&objects, "ConfigMap", "pullgate-signer")["data"]["signer.toml"];
        let directory = Directory::new();
        let etc = directory.path().join("etc");
        for name in ["secrets", "tls"] {
            directory::make(&etc.join(name));
        }
        let text = config.as_str().unwrap().replace("/etc/pullgate", &etc.display().to_string());
        directory::write(&etc.join("signer.toml"), text);
        let fixtures = repository().join("tests/fixtures/keys");
        for (name, from) in [
            ("secrets/release.key", "throw-away-p256.key.pem"),
            ("tls/tls.key", "throw-away-p256.key.pem"),
            ("tls/tls.crt", "throw-away-p256.certificate.pem"),
            ("tls/ca.crt", "throw-away-p256.certificate.pem"),
        ] {
            mounted(&etc.join(name), &fs::read_to_string(fixtures.join(from)).unwrap());
        }
        for name in ["registry.password", "notify.secret"] {
            mounted(
                &etc.join("secrets").join(name),
                secrets::Secret::marked(&format!("pg5ECRET-{name}")).as_str(),
            );
        }
        let mut check = Command::new(programs::signer());
        let output = process::output(check.arg("--config").arg(&etc).arg("check"));
        assert!(output.status.success(), "{variant}: {output:?}");
    }
}

/// A file of a Secret: for root, and readable by the group of the pod.
fn mounted(path: &std::path::Path, text: &str) {
    directory::write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o440)).unwrap();
}
