//! pullgate-signer.service signs with the keys of a token and of a key service, in its sandbox; the node runs what it signed.
//!
//! The key service is behind TLS and a proxy, for the signer and for the daemon. The policy names both keys by `source`.

use pullgate_test::kms::Kms;
use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::directory::{self, Directory};
use pullgate_test::node::images::{self, Image};
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::packages;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::registry::Registry;
use pullgate_test::node::signer::free_port;
use pullgate_test::registry::Authority;
use pullgate_test::secrets;
use pullgate_test::signer::key_file;
use pullgate_test::tunnel::Tunnel;

use super::proxied::set_proxy;

/// The token, as Debian's SoftHSM keeps it, and its key. The PIN is in a file.
const TOKEN: &str = "pkcs11:token=ci;object=release?module-name=softhsm2&pin-source=/etc/pullgate/pin";
const SECRET: &str = "pg5ECRET-notifications";

#[test]
fn a_token_and_a_key_service_sign_in_the_sandbox_and_the_node_runs_what_they_signed() {
    let home = Directory::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let authority = Authority::new();
    let kms = runtime.block_on(Kms::start_as_public("rsa-2048", &authority));
    let proxy = Tunnel::start(&kms.server.host(), Some("proxy:pg5ECRET-proxy"));
    let mut registry = Registry::start(home.path().join("registry"));
    let (host, port) = (registry.host().to_owned(), free_port());

    let node = Debian::boot(Network::Shared);
    node.install_debian();
    node.install(packages::VERSION);
    node.install_signer();
    let etc = node.path("/etc/pullgate");
    directory::write(&etc.join("ca.pem"), authority.pem());
    for (name, secret) in [("pin", "pg5ECRET-pin"), ("kms", "pg5ECRET-key"), ("notifications", SECRET)] {
        secrets::file(&etc, name, secret);
    }
    node.run("softhsm2-util --init-token --free --label ci --so-pin pg5ECRET-so-pin --pin pg5ECRET-pin");
    node.run(&format!("pullgate-signer keys generate '{TOKEN}' --kind EC_P256"));
    let public = home.path().join("token.pem");
    directory::write(&public, node.run(&format!("pullgate-signer keys public '{TOKEN}'")));
    let token =
        PrivateKey { name: "token".into(), kind: Kind::P256, file: TOKEN.into(), public_file: public };
    let service = PrivateKey {
        name: "service".into(),
        kind: Kind::RsaPss,
        file: kms.location().into(),
        public_file: key_file("rsa-2048", "pub"),
    };

    let access = "[keys.kms]\naccess-key-id = \"LTAI\"\naccess-key-secret-file = \"/etc/pullgate/kms\"\n";
    let authorities = "authorities = [\"/etc/pullgate/ca.pem\"]\n";
    let mut config = format!(
        "[registry]\nhost = {host:?}\n[listen]\naddress = \"127.0.0.1:{port}\"\n\
         secret-file = \"/etc/pullgate/notifications\"\n{access}{authorities}"
    );
    for key in [&token, &service] {
        let (name, algorithm) = (&key.name, key.kind.algorithm());
        config += &format!(
            "[authenticator.{name}]\nkey = \"{}\"\nalgorithm = \"{algorithm}\"\n\
             [[rule]]\nname = \"{name}\"\nauthenticator = \"{name}\"\nscope = \"{host}/{name}\"\n",
            key.file.display()
        );
    }
    directory::write(&etc.join("signer.toml"), config);
    for service in ["containerd", "pullgate-signer"] {
        set_proxy(&node, service, &proxy);
    }
    node.run("systemctl enable --now pullgate-signer");
    registry.restart_with_notifications(&format!("http://127.0.0.1:{port}/notify"), SECRET);

    let mut policy = Policy::deny();
    for key in [&token, &service] {
        let (name, algorithm) = (&key.name, key.kind.algorithm());
        policy = policy.add_lines(&format!(
            "[authenticator.{name}]\nalgorithm = \"{algorithm}\"\n\
             keys = [{{ source = \"{}\", fingerprint = \"{}\" }}]",
            key.file.display(),
            key.fingerprint(),
        ));
    }
    let policy = policy
        .require(&format!("{host}/token"), &["token"])
        .require(&format!("{host}/service"), &["service"]);
    node.set_up(&policy.require(&host, &["token"]), &format!("[keys]\n{authorities}{access}"));
    // The daemon fetches the public key of the service, but loads no module for that of the token.
    let kept = || node.run("find /var/lib/pullgate/keys -type f | wc --lines");
    assert!(process::wait(LIMIT, || (kept() == "1\n").then_some(())).is_some(), "{}", kept());
    node.run("pullgate-signer keys fetch && systemctl reload pullgate");
    assert_eq!(kept(), "2\n");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));

    let push = |name: &str| images::make(home.path(), &[]).push(&registry, name);
    let (by_token, by_service) = (push("token/app:1"), push("service/app:1"));
    let unsigned = push("other/app:1");
    let kubelet = node.kubelet();
    let ensure = |image: &Image| kubelet.ensure_image(&Pod::of(image.by_tag()));
    for image in [&by_token, &by_service] {
        let admitted = process::wait(LIMIT, || ensure(image).ok());
        assert!(admitted.is_some(), "{}: {:?}", image.by_tag(), ensure(image));
    }
    assert_eq!(ensure(&unsigned).unwrap_err().code(), "no-signature");
    assert!(kms.asked() > 0);
    assert_eq!(node.property("pullgate-signer.service", "NRestarts"), "0");
    let audit = node.run("cat /var/lib/pullgate/signer/audit.jsonl");
    assert_eq!(audit.lines().filter(|line| line.contains("\"signed\"")).count(), 2, "{audit}");

    // SoftHSM would like to write.
    let log = || {
        let run = node.property("pullgate-signer.service", "InvocationID");
        node.run("journalctl --sync");
        node.journal(&[&format!("_SYSTEMD_INVOCATION_ID={run}")])
    };
    assert!(log().contains("Read-only file system"));
    node.add_drop_in("pullgate-signer", "token", "ReadWritePaths=/var/lib/softhsm/tokens");
    assert!(!log().contains("Read-only file system"), "{}", log());
}
