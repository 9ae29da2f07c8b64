//! Registries that send too much, too slowly, or elsewhere: T100 to T105, T112, T113.

use std::time::Duration;

use pullgate::digest::Digest;
use pullgate::registry::{Limits, Settings};
use serde_json::{Value, json};

use super::world::{PULLED, World, impatient, manifest_of, p256};
use crate::support::registry::{
    Authority, Body, INDEX, MANIFEST, Options, Registry, SIMPLE_SIGNING, Scripted, descriptor, index,
    manifest,
};
use crate::support::signer::{payload, sign_bundle, sign_classic};

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

#[tokio::test]
async fn t100_bytes_and_time_of_every_answer_are_bounded() {
    let large = || Scripted::status(200).header("content-type", MANIFEST);
    for (answer, reason) in [
        (large().body(Body::Endless), "too-large"),
        (large().body(Body::Endless).header("content-length", "1073741824"), "too-large"),
        (large().body(Body::Chunked(vec![b' '; 5 << 20].into())), "too-large"),
        (large().body(Body::Hang), "registry-timeout"),
        (
            large().body(Body::Slow { bytes: vec![b' '; 1000].into(), every: Duration::from_millis(20) }),
            "registry-timeout",
        ),
        (large().header("content-encoding", "gzip").body(Body::Endless), "bad-manifest"),
        (large().header("x-large", &"x".repeat(70_000)), "headers-too-large"),
    ] {
        // Reading up to the bound takes a busy machine its time.
        let limits = if reason == "registry-timeout" { impatient() } else { Limits::default() };
        let world = World::with(options(), limits).await;
        world.signed();
        let shown = format!("{:?}", answer.body).chars().take(20).collect::<String>();
        world.registry.hook(move |request| manifest_of(request, "1").then(|| answer.clone()));
        assert_eq!(world.verdict("team/app:1").await, reason, "{shown}");
        assert_eq!(world.registry.requests().len(), 1, "{shown}");
        // What fits in the buffers between the two is written, and never read.
        assert!(world.registry.written() < 32 << 20, "{shown}: {}", world.registry.written());
        assert_eq!(world.runtime.calls().len(), 0);
    }
}

#[tokio::test]
async fn t101_referrers_are_bounded_each_bound_by_its_name() {
    let elsewhere = Registry::start().await;
    let other = format!("<http://{}/v2/x>; rel=\"next\"", elsewhere.host());
    let limits = || Limits { referrers: 4, pages: 3, signatures: 2, ..Limits::default() };
    type Answer = Box<dyn Fn(&str, usize) -> Scripted + Send + Sync>;
    let entries = |from: usize, count: usize| -> Vec<Value> {
        (from..from + count)
            .map(|number| json!({ "mediaType": MANIFEST, "digest": Digest::of(number.to_string().as_bytes()).as_str(), "size": 10 }))
            .collect()
    };
    let next = |path: &str, number: usize| format!("<{path}?n={number}>; rel=\"next\"");
    let cases: Vec<(Answer, &str)> = vec![
        (Box::new(move |_, _| Scripted::ok(INDEX, index(&entries(0, 5)))), "too-many-referrers"),
        (
            Box::new(move |path, number| {
                Scripted::ok(INDEX, index(&entries(number * 2, 2))).header("link", &next(path, number))
            }),
            "too-many-referrers",
        ),
        (
            Box::new(move |path, number| Scripted::ok(INDEX, index(&[])).header("link", &next(path, number))),
            "too-many-referrer-pages",
        ),
        (
            Box::new(move |path, _| Scripted::ok(INDEX, index(&[])).header("link", &next(path, 0))),
            "no-valid-signature",
        ),
        (Box::new(move |_, _| Scripted::ok(INDEX, index(&[])).header("link", &other)), "no-valid-signature"),
    ];
    for (row, (answer, reason)) in cases.into_iter().enumerate() {
        let world = World::with(options(), limits()).await;
        world.registry.image("team/app", "1", "app");
        let asked = std::sync::atomic::AtomicUsize::new(0);
        world.registry.hook(move |request| {
            let path = request.uri.path().to_owned();
            let number = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            path.contains("/referrers/").then(|| answer(&path, number()))
        });
        assert_eq!(world.verdict("team/app:1").await, reason, "row {row}");
        assert!(world.asked("referrers").len() <= 3, "row {row}");
        assert!(world.registry.requests().len() < 16, "row {row}: {:?}", world.registry.lines());
        assert_eq!(world.runtime.calls().len(), 0);
    }
    assert_eq!(elsewhere.requests().len(), 0, "pages are asked for where the first one was");
    // Signatures have a bound of their own, and a good one before it counts.
    let world = World::with(options(), limits()).await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let (good, bad) = ((text.clone(), p256().sign(&text)), (text, b"bad".to_vec()));
    let attach = crate::support::signer::attach_classic;
    attach(&world.registry, "team/app", &digest, &[bad.clone(), bad.clone(), good.clone()]);
    assert_eq!(world.verdict("team/app:1").await, "too-many-signatures");
    attach(&world.registry, "team/app", &digest, &[bad.clone(), good, bad]);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn every_bound_of_signatures_has_its_reason() {
    for (limits, reason) in [
        (Limits { payload: 100, ..Limits::default() }, "signature-too-large"),
        (Limits { collected: 100, ..Limits::default() }, "signatures-too-large"),
        (Limits { signatures: 0, ..Limits::default() }, "too-many-signatures"),
        (Limits { manifest: 100, ..Limits::default() }, "too-large"),
        (Limits { index: 1, ..Limits::default() }, PULLED),
        (Limits::default(), PULLED),
    ] {
        let world = World::with(Options::default(), limits.clone()).await;
        world.signed();
        assert_eq!(world.verdict("team/app:1").await, reason, "{limits:?}");
    }
}

#[tokio::test]
async fn t102_a_referrer_is_what_its_own_manifest_says() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let other = world.registry.image("team/app", "2", "other");
    // A good bundle for this image in a manifest that is about another one, and listed for this one.
    let bundle = crate::support::signer::bundle(&digest, "https://sigstore.dev/cosign/sign/v1", &p256());
    let blob = world.registry.blob("team/app", bundle.clone());
    let config = world.registry.blob("team/app", "{}");
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    for (subject, artifact_type, expected) in [
        (Some(&other), kind, "no-valid-signature"),
        (None, kind, "no-valid-signature"),
        (Some(&digest), "application/vnd.oci.empty.v1+json", PULLED),
        (Some(&digest), "application/vnd.evil", PULLED),
    ] {
        let document = manifest(&[(&blob, bundle.len(), kind, &[])], &config, subject);
        let length = document.len();
        let referrer = world.registry.manifest("team/app", MANIFEST, document);
        let mut entry = descriptor((&referrer, length, MANIFEST, &[]));
        entry["artifactType"] = json!(artifact_type);
        let listed = index(&[entry]);
        world.registry.hook(move |request| {
            request.uri.path().contains("/referrers/").then(|| Scripted::ok(INDEX, listed.clone()))
        });
        assert_eq!(world.verdict("team/app:1").await, expected, "{subject:?} {artifact_type}");
    }
}

#[tokio::test]
async fn t103_no_api_is_not_no_answer() {
    for (answer, classic, expected) in [
        (Scripted::status(404), false, "no-signature"),
        (Scripted::status(405), false, "no-signature"),
        (Scripted::ok("text/html", "<html>"), false, "no-signature"),
        (Scripted::ok(INDEX, index(&[])), false, "no-signature"),
        (Scripted::status(500), false, "registry-unavailable"),
        (Scripted::status(503), false, "registry-busy"),
        (Scripted::status(403), false, "registry-unauthorized"),
        (Scripted::status(500), true, PULLED),
        (Scripted::status(404), true, PULLED),
    ] {
        let world = World::with(options(), impatient()).await;
        let digest = world.registry.image("team/app", "1", "app");
        if classic {
            sign_classic(&world.registry, "team/app", &digest, &p256());
        }
        let status = answer.status;
        world
            .registry
            .hook(move |request| request.uri.path().contains("/referrers/").then(|| answer.clone()));
        assert_eq!(world.verdict("team/app:1").await, expected, "{status} {classic}");
        let all = world.asked("manifests");
        for tag in [format!("sha256-{}.sig", digest.hex()), format!("sha256-{}", digest.hex())] {
            assert!(all.iter().any(|path| path.ends_with(&tag)), "{status}: {tag} is asked for all the same");
        }
        // Behind the fallback tag there may be one, whatever the API says.
        if !classic {
            sign_bundle(&world.registry, "team/app", &digest, &p256());
            let expected = if expected == "no-signature" { "no-signature" } else { PULLED };
            assert_eq!(
                world.verdict("team/app:1").await,
                expected,
                "{status}: \"none\" is believed for seconds only"
            );
        }
    }
}

#[tokio::test]
async fn t104_a_tag_that_leads_to_an_image_is_no_signature() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let runnable = world.registry.image("team/app", "runnable", "runnable");
    world.registry.tag("team/app", &format!("sha256-{}", digest.hex()), &runnable);
    world.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &runnable);
    assert_eq!(world.verdict("team/app:1").await, "no-signature");
    assert!(world.asked("blobs").is_empty(), "its layers are not fetched");
    let other = World::start().await;
    let digest = other.registry.image("team/app", "1", "app");
    let listed = other.registry.manifest("team/app", INDEX, index(&[]));
    other.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &listed);
    assert_eq!(other.verdict("team/app:1").await, "no-valid-signature");
    assert_eq!((world.runtime.calls().len(), other.runtime.calls().len()), (0, 0));
}

#[tokio::test]
async fn t105_redirects_lead_nowhere_that_matters() {
    let world = World::with(options(), Limits::default()).await;
    world.signed();
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "unix:///run/containerd/containerd.sock",
        "file:///etc/shadow",
        "http://user:secret@127.0.0.1/",
    ] {
        world.registry.forget_requests();
        world.registry.hook(move |request| manifest_of(request, "1").then(|| Scripted::redirect(location)));
        assert_eq!(world.verdict("team/app:1").await, "redirect-refused", "{location}");
        assert_eq!(world.registry.requests().len(), 1, "{location}");
    }
    world.registry.forget_requests();
    world.registry.hook(|request| Some(Scripted::redirect(request.uri.path())));
    assert_eq!(world.verdict("team/app:1").await, "too-many-redirects");
    assert_eq!(world.registry.requests().len(), 4, "three in a row, of fifty");
    assert_eq!(world.runtime.calls().len(), 0);
    // To another host the credentials do not go along.
    let elsewhere = Registry::start().await;
    let good = world.registry.tagged("team/app", "1").unwrap();
    elsewhere.hook(move |_| Some(Scripted::ok(MANIFEST, good.clone())));
    let location = format!("http://{}/x", elsewhere.host());
    world.registry.hook(move |request| {
        let shown = request.header("authorization").is_some();
        (!shown)
            .then(|| Scripted::status(401).header("www-authenticate", "Basic realm=\"x\""))
            .or_else(|| manifest_of(request, "1").then(|| Scripted::redirect(&location)))
    });
    let auth = super::world::password("user", "secret");
    assert_eq!(world.pull(&world.image("team/app:1"), auth).await.0, PULLED);
    assert_eq!(elsewhere.requests().len(), 1);
    assert!(elsewhere.requests()[0].header("authorization").is_none());
}

#[tokio::test]
async fn t112_tls_is_never_given_up() {
    let authority = Authority::new();
    let ca = authority.pem();
    for (ours, name, valid, server, expected, told) in [
        (true, "127.0.0.1", None, "https", PULLED, ""),
        (false, "127.0.0.1", None, "https", "registry-tls", ""),
        (true, "other.example", None, "https", "registry-tls", ""),
        (
            true,
            "127.0.0.1",
            Some((2000, 2001)),
            "https",
            "registry-tls",
            "has expired: is this node's clock right?",
        ),
        (
            true,
            "127.0.0.1",
            Some((3000, 3001)),
            "https",
            "registry-tls",
            "not yet valid: is this node's clock right?",
        ),
        (true, "", None, "https", "registry-tls", "plain HTTP"),
    ] {
        let tls = (!name.is_empty()).then(|| (authority.clone(), name.to_owned()));
        let options = Options { referrers: true, tls, valid, ..Options::default() };
        let trusted = if ours { ca.clone() } else { Authority::new().pem() };
        let world = World::with_settings(options, |directory, registry| {
            let host = directory.path().join("certs.d/r.example");
            std::fs::create_dir_all(&host).unwrap();
            std::fs::write(host.join("ca.pem"), trusted).unwrap();
            let text = format!("server = \"{server}://{}\"\nca = \"ca.pem\"\n", registry.host());
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            Settings { hosts_directories: vec![directory.path().join("certs.d")], ..Settings::default() }
        })
        .await;
        let digest = world.registry.image("team/app", "1", "app");
        let text = payload("r.example/team/app", &digest);
        let signature = p256().sign(&text);
        crate::support::signer::attach_classic(&world.registry, "team/app", &digest, &[(text, signature)]);
        let (verdict, line) = world.pull("r.example/team/app:1", super::world::password("u", "p")).await;
        assert_eq!(verdict, expected, "{name} {valid:?}: {line}");
        assert!(line.contains(told), "{line}");
        assert_eq!(
            world.registry.requests().is_empty(),
            expected != PULLED,
            "nothing is said before TLS is agreed"
        );
    }
}

#[tokio::test]
async fn t113_a_blob_is_as_long_as_it_is_said_to_be() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let blob = world.registry.blob("team/app", text.clone());
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.encode(p256().sign(&text));
    let annotations = [("dev.cosignproject.cosign/signature", signature.as_str())];
    let config = world.registry.blob("team/app", "{}");
    let attach = |size: usize| {
        let document = manifest(&[(&blob, size, SIMPLE_SIGNING, &annotations)], &config, None);
        let signatures = world.registry.manifest("team/app", MANIFEST, document);
        world.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &signatures);
    };
    for (size, endless, reason) in [
        (10, true, "no-valid-signature"),
        (text.len() - 1, false, "no-valid-signature"),
        (text.len() + 1, false, "no-valid-signature"),
        (1 << 40, true, "signature-too-large"),
        (text.len(), false, PULLED),
    ] {
        attach(size);
        world.registry.hook(move |request| {
            (endless && request.uri.path().contains("/blobs/"))
                .then(|| Scripted::status(200).body(Body::Endless))
        });
        let before = world.registry.written();
        assert_eq!(world.verdict("team/app:1").await, reason, "{size}");
        assert!(world.registry.written() - before < 32 << 20, "{size}");
    }
}
