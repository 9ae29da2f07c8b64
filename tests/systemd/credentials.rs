//! Credential programs in the sandbox of pullgate.service: the credential helper of Amazon ECR, and a provider of kubelet.
//!
//! The images are scanned: no call of kubelet brings credentials for that.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_test::authority::Authority;
use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::directory::{self, Directory};
use pullgate_test::node::images::{self, Layout};
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::registry::{PASSWORD, Registry, USER};
use pullgate_test::node::{RELEASE, packages, signing};
use pullgate_test::registry::{self, Options, Scripted};
use pullgate_test::tunnel::Tunnel;
use serde_json::Value;

use super::proxied::Proxied;

/// The registry in the image names, as the helper wants it.
const NAME: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
/// What the helper asks for a password.
const API: &str = "api.ecr.eu-west-1.amazonaws.com";
const HELPER: &str = "/usr/bin/docker-credential-ecr-login";
const PROVIDER: &str = "/usr/local/libexec/ecr-provider";

/// kubelet's protocol around the helper, with a file in between.
const PROVIDER_TEXT: &str = r#"#!/bin/bash
set -euo pipefail
image=$(sed --quiet 's/.*"image":"\([^"]*\)".*/\1/p')
answer=$(mktemp)
docker-credential-ecr-login get <<<"${image%%/*}" >"$answer"
field() { sed --quiet "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$answer"; }
cat <<END
{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry",
"auth":{"${image%%/*}":{"username":"$(field Username)","password":"$(field Secret)"}}}
END
"#;

/// The API of ECR, which gives everybody with a signed request the registry's password.
struct Ecr {
    server: registry::Registry,
    proxy: Tunnel,
}

impl Ecr {
    async fn start(authority: &Arc<Authority>) -> Self {
        let tls = Some((Arc::clone(authority), API.to_owned()));
        let server = registry::Registry::with(Options { tls, ..Options::default() }).await;
        server.hook(|request| {
            let is_signed = request
                .header("authorization")
                .is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 Credential=AKIA/"));
            let action = request.header("x-amz-target")?;
            assert!(action.ends_with(".GetAuthorizationToken") && is_signed, "{action}");
            let token = STANDARD.encode(format!("{USER}:{PASSWORD}"));
            Some(Scripted::ok(
                "application/x-amz-json-1.1",
                format!(
                    r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":4102444800,"proxyEndpoint":"https://{NAME}"}}]}}"#
                ),
            ))
        });
        let proxy = Tunnel::start(&server.host(), None);
        Self { server, proxy }
    }

    /// The environment of the helper, in TOML.
    fn environment(&self) -> String {
        format!(
            "environment = [\"HTTPS_PROXY={}\", \"SSL_CERT_FILE=/etc/pullgate/aws.pem\", \
             \"AWS_ACCESS_KEY_ID=AKIA\", \"AWS_SECRET_ACCESS_KEY=pg5ECRET-aws\"]\n",
            self.proxy.url()
        )
    }
}

#[test]
fn credential_programs_work_in_the_sandbox() {
    let home = Directory::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let release = PrivateKey::make(home.path(), RELEASE, Kind::P256);
    let mut registry = Registry::start(home.path().join("registry"));
    let make = |name: &str| images::make(home.path(), &["--name", &format!("{NAME}/{name}")]);
    let push = |layout: &Layout, name: &str| layout.push(&registry, name);
    let layouts = ["team/app:1", "team/unsigned:1"].map(|name| (make(name), name));
    let [signed, unsigned] = layouts.each_ref().map(|(layout, name)| push(layout, name));
    signing::sign(&signed.by_digest(), &release);
    let policy = Policy::deny().authenticator(RELEASE, &[&release]);
    let policy = policy.require_with_aliases(NAME, &[RELEASE], &[registry.host()]);
    let proxied = Proxied::hide(&mut registry, home.path(), NAME);
    let ecr = runtime.block_on(Ecr::start(&proxied.authority));

    let node = Debian::boot(Network::Shared);
    proxied.lead(&node);
    layouts.iter().for_each(|(layout, _)| node.import(layout));
    node.install_debian();
    node.install(packages::VERSION);
    directory::write(&node.path("/etc/pullgate/aws.pem"), proxied.authority.pem());
    directory::make(&node.path("/usr/local/libexec"));
    directory::write(&node.path(PROVIDER), PROVIDER_TEXT);
    node.run(&format!("chmod 755 {PROVIDER}"));

    // The daemon runs the scan, and with it the programs.
    let reasons = || {
        node.run(
            "systemctl stop pullgate.service; rm -rf /var/lib/pullgate/*; systemctl start pullgate.service",
        );
        let report = node.run("pullgate scan --daemon require --output json || true");
        let report: Value = serde_json::from_str(&report).unwrap();
        let images = report["images"].as_array().unwrap();
        [&signed, &unsigned].map(|image| {
            let name = image.at(NAME).by_tag();
            let found = images.iter().find(|image| image["name"] == name.as_str());
            found.unwrap_or_else(|| panic!("{name}: {report}"))["reason"].as_str().unwrap().to_owned()
        })
    };
    let helper = format!("[[registry.credential-helper]]\ncommand = \"{HELPER}\"\nhosts = [\"{NAME}\"]\n");
    let provider =
        format!("[[registry.credential-provider]]\ncommand = \"{PROVIDER}\"\nmatch-images = [\"{NAME}\"]\n");
    for lines in [&helper, &provider] {
        node.set_up(&policy, &format!("{lines}{}", ecr.environment()));
        ecr.server.forget_requests();
        assert_eq!(reasons(), ["verified", "not-verified"], "{lines}");
        assert!(!ecr.server.requests().is_empty(), "{lines}");
        proxied.assert_asked();
    }
    // Without a program, the registry requires a password.
    node.set_up(&policy, "");
    assert_eq!(reasons(), ["registry-unauthorized", "registry-unauthorized"]);
}
