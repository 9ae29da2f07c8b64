//! What pullgate needs works in the sandbox of pullgate.service.

use std::fs;

use pullgate::trust::{Algorithm, PssSalt, PublicKey};
use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::directory::Directory;
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::registry::{PASSWORD, Registry, USER};
use pullgate_test::node::signer::free_port;
use pullgate_test::node::{RELEASE, http, images, packages, signing};
use pullgate_test::secrets;
use pullgate_test::signer::key_file;
use pullgate_test::vault::Vault;

use super::proxied::Proxied;

/// The registry in the image names.
const NAME: &str = "registry.example.invalid";

#[test]
fn a_signed_pull_through_a_proxy_the_ledger_and_metrics_work_in_the_sandbox() {
    let home = Directory::new();
    let release = PrivateKey::make(home.path(), RELEASE, Kind::P256);
    let mut registry = Registry::start(home.path().join("registry"));
    let push = |name: &str| images::make(home.path(), &[]).push(&registry, name);
    let (signed, unsigned) = (push("team/app:1"), push("team/unsigned:1"));
    signing::sign(&signed.by_digest(), &release);
    let policy = Policy::deny().authenticator(RELEASE, &[&release]).allow_unsigned("registry.k8s.io");
    let policy = policy.require_with_aliases(NAME, &[RELEASE], &[registry.host()]);

    let proxied = Proxied::hide(&mut registry, home.path(), NAME);

    let node = Debian::boot(Network::Shared);
    proxied.lead(&node);
    node.run("mkdir -p /var/lib/prometheus/node-exporter");
    node.import_pause();
    let port = free_port();
    let exported = "/var/lib/prometheus/node-exporter/pullgate.prom";
    node.install(packages::VERSION);
    node.set_up(
        &policy,
        &format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\ntextfile = \"{exported}\"\ntextfile-interval = \"1s\"\n"),
    );

    let pod = |name: String| Pod::of(name).with_pull_secret(USER, PASSWORD);
    let kubelet = node.kubelet();
    let ran = kubelet.run(&pod(signed.at(NAME).by_tag()));
    assert_eq!(ran.unwrap_or_else(|waiting| panic!("{waiting:?}")).user, 1000);
    let refused = kubelet.ensure_image(&pod(unsigned.at(NAME).by_tag())).unwrap_err();
    assert_eq!(refused.code(), "no-signature", "{}", refused.message);
    let stranger = kubelet.ensure_image(&Pod::of(signed.at(NAME).by_tag())).unwrap_err();
    assert_eq!(stranger.code(), "registry-unauthorized", "{}", stranger.message);
    proxied.assert_asked();

    let page = http::get(&format!("127.0.0.1:{port}"), "/metrics", "*/*").text();
    secrets::wrote("metrics", &page);
    let pulls = |page: &str, verdict: &str| {
        let sample = |line: &&str| line.starts_with("pullgate_pulls_total{") && line.contains(verdict);
        page.lines().filter(sample).count()
    };
    assert!(pulls(&page, "\"admitted\"") > 0 && pulls(&page, "\"refused\"") > 0, "{page}");
    let written = process::wait(LIMIT, || {
        let page = fs::read_to_string(node.path(exported)).ok()?;
        (pulls(&page, "\"admitted\"") > 0).then_some(page)
    });
    assert!(written.is_some(), "the file for node_exporter has no pull");

    // What the ledger says is enough for an image that is present, without a registry.
    registry.stop();
    assert_eq!(node.property("pullgate.service", "NRestarts"), "0");
    node.run("systemctl restart pullgate");
    let kubelet = node.kubelet();
    assert!(kubelet.image_status(&signed.at(NAME).by_tag()).unwrap().is_some());
    assert!(node.run("find /var/lib/pullgate -type f | wc --lines").trim() != "0");
    node.run("rm -r /var/lib/pullgate/*; systemctl restart pullgate");
    let refused = node.kubelet().image_status(&signed.at(NAME).by_tag()).unwrap_err();
    assert!(refused.message().contains("[not-verified]"), "{refused}");
}

#[test]
fn a_key_is_fetched_from_a_key_service_in_the_sandbox() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vault = runtime.block_on(Vault::start("p256", "ecdsa-p256", None));
    let pem = fs::read_to_string(key_file("p256", "pub")).unwrap();
    let key = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let policy = Policy::deny().add_lines(&format!(
        "[authenticator.{RELEASE}]\nalgorithm = \"ECDSA_SHA_256\"\n\
         keys = [{{ source = \"{}&version=2\", fingerprint = \"{}\" }}]\n\
         [[namespace]]\nscope = \"{NAME}\"\nrequire = {{ all = [\"{RELEASE}\"] }}",
        vault.location(),
        key.fingerprint(),
    ));
    let node = Debian::boot(Network::Shared);
    node.install(packages::VERSION);
    secrets::file(node.path("/etc/pullgate"), "token", "hvs.pg5ECRET-token");
    node.set_up(&policy, "[keys.vault]\ntoken-file = \"/etc/pullgate/token\"\n");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));
    assert!(vault.asked() > 0);
    let kept = || node.run("find /var/lib/pullgate/keys -type f | wc --lines");
    assert_ne!(kept(), "0\n");
    // From now on without the service.
    drop(vault);
    node.run("systemctl restart pullgate");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));
}
