//! Each option of `pullgate.toml` changes an outcome: `effects` names the test of each.
//!
//! The configuration is read from a file, and the gate is built from it as in the daemon.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use prost::Message as _;
use pullgate::api;
use pullgate::config::{self, DaemonConfig};
use pullgate::digest::Digest;
use pullgate::gate::{AdmissionRequest, Explanation, Gate};
use pullgate::node;
use pullgate::registry::Credentials;
use pullgate::trust::Algorithm;
use serde_json::json;
use tokio::net::TcpListener;

use pullgate_test::gate;
use pullgate_test::policy::RELEASE;
use pullgate_test::proxy::{Daemon, call};
use pullgate_test::registry::{
    Body, INDEX, MANIFEST, Options, Recorded, Registry, Scripted, descriptor, index, manifest,
};
use pullgate_test::runtime::{Runtime, framed};
use pullgate_test::signer::{
    Signer, attach_classic, attach_notation, bundle, gpg, gpg_file, key_file, notation, notation_file,
    notation_image, payload, sign_annotated, sign_bundle, sign_classic,
};
use pullgate_test::world::World as Node;

mod attestations;
pub(crate) mod documents;
mod effects;
mod generated;
mod policy;
pub(crate) mod programs;
mod samples;
pub(crate) mod settings;

struct World(Node);

pullgate_test::extends_world!(World, 0);

fn p256() -> Signer {
    Signer::of("p256", Algorithm::EcdsaSha256)
}

impl World {
    async fn start() -> Self {
        let options = Options { referrers: true, ..Options::default() };
        Self(Node::builder().registry(options).without_policy().start().await)
    }

    fn etc(&self) -> PathBuf {
        let root = self.directory.path().join("etc");
        std::fs::create_dir_all(root.join("certs.d")).unwrap();
        root
    }

    /// A gate with these lines in its pullgate.toml, and a policy that requires `release` for all images.
    fn gate(&self, lines: &str) -> Gate {
        let policy = format!(
            "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"release\"] }}\n"
        );
        self.gate_of(lines, &policy)
    }

    /// A gate with these lines in its pullgate.toml, and this policy.toml.
    fn gate_of(&self, lines: &str, policy: &str) -> Gate {
        let config = self.config(lines);
        let root = self.etc();
        pullgate_test::schema::check("policy.toml", policy);
        std::fs::write(root.join("policy.toml"), policy).unwrap();
        let gate = node::gate(&config).unwrap();
        let loaded = config::load_policy(&root, jiff::Timestamp::now());
        gate.set_policy(loaded.unwrap_or_else(|problems| panic!("{problems}\n{policy}")).policy);
        gate
    }

    fn config(&self, lines: &str) -> DaemonConfig {
        let root = self.etc();
        let hosts = format!("[registry]\nhosts = \"{}\"\n", root.join("certs.d").display());
        let text = format!("{hosts}{lines}\n");
        pullgate_test::schema::check(config::DAEMON_FILE, &text);
        std::fs::write(root.join(config::DAEMON_FILE), text).unwrap();
        config::load_daemon(&root.join(config::DAEMON_FILE))
            .unwrap_or_else(|problems| panic!("{lines}: {problems}"))
    }

    async fn verdict(&self, gate: &Gate, rest: &str) -> &'static str {
        gate::reason(gate, &self.image(rest)).await
    }

    fn signed(&self) -> Digest {
        let digest = self.registry.image("team/app", "1", "app");
        sign_classic(&self.registry, "team/app", &digest, &p256());
        digest
    }
}

fn is_tag(request: &Recorded) -> bool {
    request.uri.path().ends_with("/manifests/1")
}

type Prepare = fn(&World);

/// For each limit on a registry's answers: one value refuses the image, another admits it.
#[tokio::test]
pub(crate) async fn sizes_and_counts_are_limited() {
    let rows: Vec<(&str, &str, &str, &str, Prepare)> = vec![
        ("manifest-bytes", "\"64KiB\"", "\"4MiB\"", "too-large", large_manifest),
        ("signature-max-size", "\"16KiB\"", "\"64KiB\"", "signature-too-large", |world| {
            large_payloads(world, 1, 20)
        }),
        ("signatures", "1", "2", "too-many-signatures", |world| large_payloads(world, 2, 0)),
        ("signatures-total-size", "\"64KiB\"", "\"8MiB\"", "signatures-too-large", |world| {
            large_payloads(world, 2, 40);
        }),
        ("referrers", "1", "2", "too-many-referrers", two_referrers),
        ("referrer-pages", "1", "2", "too-many-referrer-pages", two_pages),
        ("redirects", "0", "1", "too-many-redirects", |world| {
            world.signed();
            world.registry.hook(|request| {
                let first = is_tag(request) && request.uri.query().is_none();
                first.then(|| Scripted::redirect("/v2/team/app/manifests/1?again"))
            });
        }),
        ("header-bytes", "\"8KiB\"", "\"64KiB\"", "headers-too-large", |world| {
            world.signed();
            let bytes = world.registry.tagged("team/app", "1").unwrap();
            let answer = Scripted::ok(MANIFEST, bytes).header("x-large", &"x".repeat(20_000));
            world.registry.hook(move |request| is_tag(request).then(|| answer.clone()));
        }),
        ("token-bytes", "\"4KiB\"", "\"64KiB\"", "token-too-large", |world| {
            world.signed();
            let realm = format!("http://{}/token", world.registry.host());
            let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
            let token = json!({ "token": "pg5ECRET-granted", "pad": "x".repeat(10_000) }).to_string();
            world.registry.hook(move |request| match request.uri.path() {
                "/token" => Some(Scripted::ok("application/json", token.clone())),
                _ if request.header("authorization") == Some("Bearer pg5ECRET-granted") => None,
                _ => Some(Scripted::status(401).header("www-authenticate", &challenge)),
            });
        }),
    ];
    for (key, tight, loose, reason, prepare) in rows {
        let world = World::start().await;
        prepare(&world);
        for (value, expected) in [(tight, reason), (loose, "verified")] {
            let gate = world.gate(&format!("[limits]\n{key} = {value}"));
            assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "{key} = {value}");
        }
    }
}

fn large_manifest(world: &World) {
    let config = world.registry.blob("team/app", "{}");
    let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
    document["annotations"] = json!({ "pad": "x".repeat(100 << 10) });
    let digest = world.registry.manifest("team/app", MANIFEST, document.to_string());
    world.registry.tag("team/app", "1", &digest);
    sign_classic(&world.registry, "team/app", &digest, &p256());
}

/// `count` signatures with payloads of some KiB, of which only the last is valid.
fn large_payloads(world: &World, count: usize, kibibytes: usize) {
    let digest = world.registry.image("team/app", "1", "app");
    let repository = format!("{}/team/app", world.registry.host());
    let mut text: serde_json::Value = serde_json::from_slice(&payload(&repository, &digest)).unwrap();
    let signatures: Vec<_> = (1..=count)
        .map(|number| {
            text["optional"] = json!({ "number": number, "pad": "x".repeat(kibibytes << 10) });
            let text = Bytes::from(text.to_string());
            let signature = if number == count { p256().sign(&text) } else { b"bad".to_vec() };
            (text, signature)
        })
        .collect();
    attach_classic(&world.registry, "team/app", &digest, &signatures);
}

/// A referrer of `digest` with a valid bundle: its descriptor.
fn good_referrer(registry: &Registry, digest: &Digest) -> serde_json::Value {
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = bundle(digest, "https://sigstore.dev/cosign/sign/v1", &p256());
    let blob = registry.blob("team/app", bundle.clone());
    let config = registry.blob("team/app", "{}");
    let document = manifest(&[(&blob, bundle.len(), kind, &[])], &config, Some(digest));
    let length = document.len();
    let referrer = registry.manifest("team/app", MANIFEST, document);
    let mut listed = descriptor((&referrer, length, MANIFEST, &[]));
    listed["artifactType"] = json!(kind);
    listed
}

fn two_referrers(world: &World) {
    let digest = world.registry.image("team/app", "1", "app");
    let good = good_referrer(&world.registry, &digest);
    let mut other = descriptor((&Digest::of(b"other"), 10, MANIFEST, &[]));
    // Referrers that cannot be bundles are read last.
    other["artifactType"] = good["artifactType"].clone();
    let listed = index(&[other, good]);
    world.registry.hook(move |request| {
        request.uri.path().contains("/referrers/").then(|| Scripted::ok(INDEX, listed.clone()))
    });
}

fn two_pages(world: &World) {
    let digest = world.registry.image("team/app", "1", "app");
    let listed = index(&[good_referrer(&world.registry, &digest)]);
    world.registry.hook(move |request| {
        let path = request.uri.path();
        path.contains("/referrers/").then(|| match request.uri.query() {
            Some(query) if query.contains("second") => Scripted::ok(INDEX, listed.clone()),
            _ => Scripted::ok(INDEX, index(&[])).header("link", &format!("<{path}?second>; rel=\"next\"")),
        })
    });
}

/// A pull that takes longer than one value, and not as long as the other.
#[tokio::test]
pub(crate) async fn pull_and_request_times_are_limited() {
    // Only the tag is slow, then each step is.
    let slow = |every: fn(&Recorded) -> bool| {
        move |world: &World| {
            let digest = world.signed();
            let bytes = world.registry.tagged("team/app", "1").unwrap();
            let signature =
                world.registry.tagged("team/app", &format!("sha256-{}.sig", digest.hex())).unwrap();
            world.registry.hook(move |request| {
                let bytes = if is_tag(request) { &bytes } else { &signature };
                // In about half a second, for any length.
                let every_byte = Duration::from_micros(500_000 / u64::try_from(bytes.len()).unwrap());
                let body =
                    Body::Slow { bytes: bytes.clone(), every: every_byte.max(Duration::from_millis(1)) };
                every(request).then(|| Scripted::ok(MANIFEST, "").body(body))
            });
        }
    };
    let world = World::start().await;
    slow(is_tag)(&world);
    for (value, expected) in [("\"100ms\"", "registry-timeout"), ("\"15s\"", "verified")] {
        let gate = world.gate(&format!("[limits]\nretries = 0\nrequest-timeout = {value}"));
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "request-timeout = {value}");
    }
    let world = World::start().await;
    // In sequence: no single request is as slow as all of them.
    slow(|request| is_tag(request) || request.uri.path().ends_with(".sig"))(&world);
    for (value, step, expected) in [("\"1s\"", "\"1s\"", "timeout"), ("\"2m\"", "\"15s\"", "verified")] {
        let gate = world.gate(&format!("[limits]\npull-timeout = {value}\nrequest-timeout = {step}"));
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "pull-timeout = {value}");
    }
}

/// A listener that accepts connections and never answers the TLS handshake.
#[tokio::test]
pub(crate) async fn connection_time_is_limited() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::start().await;
    let place = world.etc().join("certs.d/r.example");
    std::fs::create_dir_all(&place).unwrap();
    let server = format!("https://{}", mute.local_addr().unwrap());
    std::fs::write(place.join("hosts.toml"), format!("server = \"{server}\"\n")).unwrap();
    for (value, step, expected) in [("100ms", "1m", "connect-timeout"), ("1m", "200ms", "registry-timeout")] {
        let lines = format!("connect-timeout = \"{value}\"\nrequest-timeout = \"{step}\"");
        let gate = world.gate(&format!("[limits]\nretries = 0\n{lines}"));
        assert_eq!(gate::reason(&gate, "r.example/team/app:1").await, expected, "{lines}");
    }
}

/// A registry that is busy once: the number of retries and the time for them.
#[tokio::test]
pub(crate) async fn retries_of_a_busy_registry_are_limited() {
    for (answer, lines, expected) in [
        (Scripted::status(503), "retries = 0", "registry-busy"),
        (Scripted::status(503), "retries = 1", "verified"),
        (Scripted::status(429).header("retry-after", "1"), "retry-wait = \"0s\"", "registry-busy"),
        (Scripted::status(429).header("retry-after", "1"), "retry-wait = \"10s\"", "verified"),
    ] {
        let world = World::start().await;
        world.signed();
        let seen = std::sync::atomic::AtomicBool::new(false);
        world.registry.hook(move |request| {
            let first = is_tag(request) && !seen.swap(true, std::sync::atomic::Ordering::Relaxed);
            first.then(|| answer.clone())
        });
        let gate = world.gate(&format!("[limits]\n{lines}"));
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "{lines}");
    }
}

/// A registry that asks once for a pause of ten minutes: the length of the cooldown.
#[tokio::test]
pub(crate) async fn the_cooldown_of_a_host_is_limited() {
    for (value, expected) in [("0s", "verified"), ("200ms", "verified"), ("10m", "registry-busy")] {
        let world = World::start().await;
        world.signed();
        let seen = std::sync::atomic::AtomicBool::new(false);
        world.registry.hook(move |_| {
            let first = !seen.swap(true, std::sync::atomic::Ordering::Relaxed);
            first.then(|| Scripted::status(429).header("retry-after", "600"))
        });
        let gate = world.gate(&format!("[limits]\nretries = 0\nmax-retry-after = \"{value}\""));
        assert_eq!(world.verdict(&gate, "team/app:1").await, "registry-busy");
        let before = world.registry.requests().len();
        if value == "200ms" {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "max-retry-after = {value}");
        let is_asked = world.registry.requests().len() > before;
        assert_eq!(is_asked, expected == "verified", "max-retry-after = {value}");
    }
}

/// A manifest that takes more than the share of one lookup, or does not.
#[tokio::test]
pub(crate) async fn the_memory_for_documents_is_limited() {
    for (value, expected) in [("32MiB", "memory-in-use"), ("64MiB", "verified")] {
        let world = World::start().await;
        let padding = "x".repeat(13 << 20);
        let config = world.registry.blob("team/app", "{}");
        let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
        document["annotations"] = json!({ "padding": padding });
        let digest = world.registry.manifest("team/app", MANIFEST, document.to_string());
        world.registry.tag("team/app", "1", &digest);
        sign_classic(&world.registry, "team/app", &digest, &p256());
        let gate = world.gate(&format!("[limits]\nmanifest-bytes = \"16MiB\"\nmemory = \"{value}\""));
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "memory = {value}");
    }
}

#[tokio::test]
pub(crate) async fn a_missing_signature_is_cached_for_the_ttl() {
    for (value, expected) in [("1m", "no-signature"), ("0s", "verified")] {
        let world = World::start().await;
        let digest = world.registry.image("team/app", "1", "app");
        let gate = world.gate(&format!("[limits]\nnegative-cache-ttl = \"{value}\""));
        assert_eq!(world.verdict(&gate, "team/app:1").await, "no-signature");
        sign_classic(&world.registry, "team/app", &digest, &p256());
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "negative-cache-ttl = {value}");
    }
}

/// While one lookup hangs, the next one waits for a permit, or does not.
#[tokio::test]
pub(crate) async fn concurrency_is_limited() {
    for (key, same_registry) in [("concurrent-pulls", false), ("max-requests-per-host", true)] {
        for (value, waits) in [(1, true), (64, false)] {
            let (world, other) = (World::start().await, World::start().await);
            world.signed();
            let hanging = if same_registry { &world } else { &other };
            hanging.registry.hook(|request| {
                let stuck = request.uri.path().contains("/stuck/");
                stuck.then(|| Scripted::status(200).header("content-type", MANIFEST).body(Body::Hang))
            });
            let gate = world.gate(&format!("[limits]\n{key} = {value}"));
            let stuck = format!("{}/stuck/app:1", hanging.registry.host());
            let judged = async {
                while hanging.registry.requests().is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                // The second waits until the first gives up.
                let limit = if waits { Duration::from_millis(500) } else { Duration::from_secs(30) };
                tokio::time::timeout(limit, world.verdict(&gate, "team/app:1")).await.ok()
            };
            let judged = tokio::select! {
                stuck = gate::reason(&gate, &stuck) => panic!("{key}: a hanging pull ended first: {stuck}"),
                judged = judged => judged,
            };
            assert_eq!(judged, (!waits).then_some("verified"), "{key} = {value}");
            // Only the permit was missing.
            assert_eq!(world.verdict(&gate, "team/app:1").await, "verified", "{key} = {value}");
        }
    }
}

/// A registry with a limit of one concurrent request, and that hangs.
#[tokio::test]
pub(crate) async fn the_wait_for_a_permit_is_limited() {
    for (value, expected) in [("100ms", Some("too-many-requests")), ("10m", None)] {
        let world = World::start().await;
        world.signed();
        world.registry.hook(|request| {
            let stuck = request.uri.path().contains("/stuck/");
            stuck.then(|| Scripted::status(200).header("content-type", MANIFEST).body(Body::Hang))
        });
        let gate = world
            .gate(&format!("[limits]\nmax-requests-per-host = 1\nretries = 0\nqueue-timeout = \"{value}\""));
        let stuck = format!("{}/stuck/app:1", world.registry.host());
        let judged = async {
            while world.registry.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let limit = Duration::from_secs(if expected.is_some() { 30 } else { 1 });
            tokio::time::timeout(limit, world.verdict(&gate, "team/app:1")).await.ok()
        };
        let judged = tokio::select! {
            stuck = gate::reason(&gate, &stuck) => panic!("{value}: a hanging pull ended first: {stuck}"),
            judged = judged => judged,
        };
        assert_eq!(judged, expected, "{value}");
        assert_eq!(world.verdict(&gate, "team/app:1").await, "verified", "{value}");
    }
}

/// Without an entry, the daemon does not even connect to the token service.
#[tokio::test]
pub(crate) async fn only_listed_token_services_are_contacted() {
    let world = World::start().await;
    world.signed();
    // It never answers the TLS handshake.
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("localhost:{}", service.local_addr().unwrap().port());
    let challenge = format!("Bearer realm=\"https://{name}/token\",service=\"test\"");
    world.registry.hook(move |_| Some(Scripted::status(401).header("www-authenticate", &challenge)));
    for (trusted, expected) in [(false, "registry-unauthorized"), (true, "connect-timeout")] {
        let named = if trusted { format!("\"{name}\"") } else { String::new() };
        let limits = "[limits]\nretries = 0\nconnect-timeout = \"200ms\"";
        let gate = world.gate(&format!("token-services = [{named}]\n{limits}"));
        let credentials = Credentials::password("user", "pg5ECRET");
        let question = AdmissionRequest { credentials, ..gate::request(&world.image("team/app:1")) };
        let refusal = gate.admit(&question, &mut Explanation::default()).await.unwrap_err();
        assert_eq!(refusal.reason().code(), expected, "{}", refusal.line());
    }
}

/// An image whose first signature arrives after the pull began.
#[tokio::test]
pub(crate) async fn a_signature_is_waited_for_if_configured() {
    for (value, expected) in [("0s", "no-signature"), ("1m", "verified")] {
        let world = World::start().await;
        let digest = world.registry.image("team/app", "1", "app");
        let gate = world.gate(&format!("wait-for-signature = \"{value}\""));
        let sign = async {
            while !world.registry.lines().iter().any(|line| line.contains("/referrers/")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            sign_classic(&world.registry, "team/app", &digest, &p256());
        };
        let (judged, ()) = tokio::join!(world.verdict(&gate, "team/app:1"), sign);
        assert_eq!(judged, expected, "wait-for-signature = {value}");
    }
}

/// The time that containerd has to record the name of a pulled image.
#[tokio::test]
pub(crate) async fn the_wait_for_a_tag_record_is_limited() {
    let world = World::start().await;
    world.signed();
    for (value, expected) in [("100ms", "2"), ("1m", "0")] {
        let lines = format!("[limits]\ntag-record-timeout = \"{value}\"");
        let gate = world.gate(&lines);
        let place = world.directory.path().join(value);
        std::fs::create_dir_all(&place).unwrap();
        let runtime = Runtime::start(&place.join("runtime.sock"));
        // More than a second: the pauses between two requests grow to 100 ms.
        runtime.be_late(20);
        let chosen = node::proxy_settings(&world.config(&lines));
        let daemon =
            Daemon::builder(&place, runtime.socket()).gate(gate).proxy(|proxy| *proxy = chosen).start();
        let image = format!("{}/team/app:1", world.registry.host());
        let request = api::PullImageRequest {
            image: Some(api::ImageSpec { image, ..Default::default() }),
            ..Default::default()
        };
        let body = framed(&request.encode_to_vec());
        let answer =
            call(daemon.client(), "/runtime.v1.ImageService/PullImage", HeaderMap::new(), body).await;
        let (head, body) = answer.into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or(head.headers);
        assert_eq!(trailers["grpc-status"], expected, "tag-record-timeout = {value}: {trailers:?}");
    }
}
