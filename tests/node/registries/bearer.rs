//! A registry that requires tokens, and a token service that signs them.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use rcgen::CertificateParams;
use reqwest::Url;
use serde_json::{Value, json};

use super::NAME;
use super::site::{Expect, Site};
use pullgate_test::node::Release;
use pullgate_test::node::registry::{PASSWORD, USER};
use pullgate_test::registry::{Options, Recorded, Registry, Scripted};
use pullgate_test::secrets::{self, MARK};

on_every_release!(tokens_are_requested_as_containerd_does);

/// Signs tokens for [`USER`] with [`PASSWORD`], over TLS.
struct TokenService {
    registry: Registry,
    /// The certificate that the registry trusts.
    certificate: String,
    // Last, because the registry's task runs in it.
    runtime: tokio::runtime::Runtime,
}

impl TokenService {
    fn start(site: &Site) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let tls = Some((Arc::clone(&site.authority), "127.0.0.1".to_owned()));
        let registry = runtime.block_on(Registry::with(Options { tls, ..Options::default() }));
        let key = secrets::new_key();
        let certificate = CertificateParams::new(vec!["token.invalid".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let signing = SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap();
        let chain = STANDARD.encode(certificate.der());
        registry.hook(move |request| Some(answer(request, &signing, &chain)));
        Self { registry, certificate: certificate.pem(), runtime }
    }

    /// The requests: the method, then the fields in order, without credentials.
    fn take_requests(&self) -> Vec<String> {
        let requests = self.registry.requests().iter().map(shown).collect();
        self.registry.forget_requests();
        requests
    }
}

fn fields(request: &Recorded) -> Vec<(String, String)> {
    let text = match request.method.as_str() {
        "POST" => String::from_utf8_lossy(&request.body).into_owned(),
        _ => request.uri.query().unwrap_or_default().to_owned(),
    };
    let url = Url::parse(&format!("http://x/?{text}")).unwrap();
    let mut fields: Vec<_> = url.query_pairs().into_owned().collect();
    fields.sort();
    fields
}

fn shown(request: &Recorded) -> String {
    let fields: Vec<String> = fields(request)
        .into_iter()
        .map(|(name, value)| if name == "password" { name } else { format!("{name}={value}") })
        .collect();
    format!("{} {} {}", request.method, request.uri.path(), fields.join(" "))
}

fn answer(request: &Recorded, key: &SigningKey, chain: &str) -> Scripted {
    let fields = fields(request);
    let field =
        |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let known = (field("username"), field("password")) == (USER, PASSWORD)
        || request.header("authorization") == Some(basic.as_str());
    if !known {
        return Scripted::status(401);
    }
    let granted = field("scope").split(' ').filter_map(|scope| {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
    });
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": "token.invalid", "sub": USER, "aud": field("service"), "jti": format!("{MARK}-{now}"),
        "nbf": now - 60, "iat": now, "exp": now + 300, "access": granted.collect::<Vec<Value>>(),
    });
    let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [chain] });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signature: Signature = key.sign(format!("{header}.{claims}").as_bytes());
    let token = format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
    let answer = json!({ "token": token, "access_token": token, "expires_in": 300 });
    Scripted::ok("application/json", answer.to_string())
}

fn tokens_are_requested_as_containerd_does(release: Release) {
    let mut site = Site::start(release);
    let service = TokenService::start(&site);
    let (tls, bundle) = (site.tls("127.0.0.1", false), site.file("token.pem", &service.certificate));
    let auth = format!(
        "auth:\n  token:\n    realm: https://{}/token\n    service: test-registry\n    issuer: token.invalid\n    \
         rootcertbundle: {}\n",
        service.registry.host(),
        bundle.display()
    );
    site.node.registry.restart_with(&format!("{tls}{auth}"));
    site.hosts(NAME, "server = \"@O\"\nca = @CA\n[host.\"@O\"]\nca = @CA\n");
    let wrong = format!("{MARK}-wrong");
    for (name, secret, code) in [
        ("password", Some((USER, PASSWORD)), ""),
        ("wrong password", Some((USER, wrong.as_str())), "registry-unauthorized"),
        ("no credentials", None, "registry-unauthorized"),
    ] {
        let (by_tag, by_digest) = (&["origin"][..], &["origin"][..]);
        site.assert_both(name, Expect { secret, by_tag, by_digest, code });
        let requests = service.take_requests();
        // containerd by tag and by digest, each before pullgate, and what pullgate forwards.
        let first = requests.first().unwrap_or_else(|| panic!("{name}: no token was requested"));
        assert!(first.contains("scope=repository:team/app:pull service=test-registry"), "{name}: {first}");
        let expected = if secret.is_some() { "POST /token" } else { "GET /token" };
        assert!(first.starts_with(expected), "{name}: {first}");
        let kinds: BTreeSet<_> = requests.iter().collect();
        let most = if code.is_empty() || secret.is_none() { 1 } else { 2 };
        assert_eq!(kinds.len(), most, "{name}: pullgate asks as containerd does: {kinds:?}");
    }
    drop(service.runtime.enter());
}
