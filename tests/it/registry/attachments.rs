//! Signatures found and not found, T101-T104, T113, T130.

use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::registry::{Class, Collected, Grafeas, Limits, RegistrySettings, SignatureSource, Wanted};
use pullgate::signature::Attachment;
use pullgate_net::memory::Share;
use serde_json::{Value, json};

use super::{anonymous, client, client_with, impatient};
use pullgate_test::registry::{
    Body, INDEX, MANIFEST, Options, Recorded, Registry, SIMPLE_SIGNING, Scripted, index, manifest,
};
use pullgate_test::signer::{annotated_payload, payload, payload_with};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

async fn with_referrers() -> Registry {
    Registry::with(Options { referrers: true, ..Options::default() }).await
}

fn sig_tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

fn fallback_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

/// A `.sig` manifest with a layer for each payload and signature.
fn sign(registry: &Registry, digest: &Digest, signatures: &[(&str, &str)]) {
    let config = registry.blob("a", "{}");
    let payloads: Vec<Digest> =
        signatures.iter().map(|(payload, _)| registry.blob("a", (*payload).to_owned())).collect();
    let annotations: Vec<[(&str, &str); 1]> =
        signatures.iter().map(|(_, signature)| [(ANNOTATION, *signature)]).collect();
    let layers: Vec<_> = signatures
        .iter()
        .zip(payloads.iter().zip(&annotations))
        .map(|((payload, _), (digest, annotations))| {
            (digest, payload.len(), SIMPLE_SIGNING, &annotations[..])
        })
        .collect();
    let stored = registry.manifest("a", MANIFEST, manifest(&layers, &config, None));
    registry.tag("a", &sig_tag(digest), &stored);
}

/// A bundle as a referrer of `subject`: its descriptor in an index.
fn attach(registry: &Registry, subject: &Digest, document: &str) -> Value {
    attach_as(registry, subject, document, BUNDLE)
}

fn attach_as(registry: &Registry, subject: &Digest, document: &str, media_type: &str) -> Value {
    let config = registry.blob("a", "{}");
    let layer = registry.blob("a", document.to_owned());
    let bytes = manifest(&[(&layer, document.len(), media_type, &[])], &config, Some(subject));
    let size = bytes.len();
    let digest = registry.manifest("a", MANIFEST, bytes);
    json!({
        "mediaType": MANIFEST, "digest": digest.as_str(), "size": size,
        "artifactType": "application/vnd.oci.empty.v1+json",
    })
}

fn fall_back(registry: &Registry, digest: &Digest, referrers: &[Value]) {
    let stored = registry.manifest("a", INDEX, index(referrers));
    registry.tag("a", &fallback_tag(digest), &stored);
}

async fn collect(registry: &Registry, digest: &Digest, limits: Limits) -> Collected {
    client_with(limits).attachments(&registry.repository("a"), digest, &anonymous()).await
}

/// A summary of the attachments.
fn found(collected: &Collected) -> Vec<String> {
    let one = |attachment: &Attachment| match attachment {
        Attachment::SimpleSigning { payload, signature, .. } => {
            format!("{} by {signature}", String::from_utf8_lossy(payload))
        }
        Attachment::Bundle { document, .. } => format!("bundle {}", String::from_utf8_lossy(document)),
        Attachment::Notation { document, .. } => format!("Notation {}", String::from_utf8_lossy(document)),
        Attachment::Attestation { document, .. } => {
            format!("attestation {}", String::from_utf8_lossy(document))
        }
        Attachment::Gpg { document, .. } => format!("GPG {}", String::from_utf8_lossy(document)),
        Attachment::Grafeas { document, .. } => format!("Grafeas {}", String::from_utf8_lossy(document)),
    };
    collected.attachments.iter().map(one).collect()
}

fn codes(collected: &Collected) -> Vec<&'static str> {
    collected.problems.iter().map(|problem| problem.error.code()).collect()
}

#[tokio::test]
async fn an_image_without_attachments_is_not_an_error() {
    for referrers in [false, true] {
        let registry = Registry::with(Options { referrers, ..Options::default() }).await;
        let digest = registry.image("a", "1", "one");
        let collected = collect(&registry, &digest, Limits::default()).await;
        assert!(collected.attachments.is_empty() && collected.problems.is_empty(), "{collected:?}");
        assert!(collected.unanswered().is_none() && collected.exceeded().is_none());
        let mut expected = vec![
            format!("GET /v2/a/manifests/{}", fallback_tag(&digest)),
            format!("GET /v2/a/manifests/{}", sig_tag(&digest)),
            format!("GET /v2/a/referrers/{digest}"),
        ];
        expected.sort();
        assert_eq!(registry.lines(), expected);
    }
}

#[tokio::test]
async fn the_usual_payload_is_built_and_any_other_is_fetched() {
    let registry = Registry::start().await;
    let name = registry.repository("a").to_string();
    let digest = registry.image("a", "1", "one");
    let usual = payload(&name, &digest);
    let empty = payload_with(&name, &digest, &json!({}));
    let other = Digest::of(b"other");
    for (row, payload, size, fetched, problem) in [
        ("cosign's", &usual, usual.len(), false, None),
        ("with an empty object", &empty, empty.len(), false, None),
        ("with annotations", &annotated_payload(&name, &digest), 0, true, None),
        ("of another image", &payload(&name, &other), 0, true, None),
        ("of another repository", &payload(&format!("{name}x"), &digest), 0, true, None),
        ("of the same length", &Bytes::from("x".repeat(usual.len())), 0, true, None),
        ("cosign's, by a smaller size", &usual, usual.len() - 1, true, Some("registry-size-mismatch")),
        ("cosign's, by a larger size", &usual, usual.len() + 1, true, Some("registry-size-mismatch")),
    ] {
        let size = if size == 0 { payload.len() } else { size };
        // What is built need not be there.
        let blob = if fetched { registry.blob("a", payload.clone()) } else { Digest::of(payload) };
        let config = registry.blob("a", "{}");
        let layer = (&blob, size, SIMPLE_SIGNING, &[(ANNOTATION, "one")][..]);
        let stored = registry.manifest("a", MANIFEST, manifest(&[layer, layer], &config, None));
        registry.tag("a", &sig_tag(&digest), &stored);
        registry.forget_requests();
        let collected = collect(&registry, &digest, Limits::default()).await;
        let found: Vec<_> = collected.attachments.iter().filter_map(simple).collect();
        assert_eq!(found, if problem.is_none() { vec![payload.clone(); 2] } else { Vec::new() }, "{row}");
        assert_eq!(codes(&collected), problem.map_or(Vec::new(), |code| vec![code; 2]), "{row}");
        let blobs = registry.lines().iter().filter(|line| line.contains("/blobs/")).count();
        assert_eq!(blobs, usize::from(fetched), "{row}: {:?}", registry.lines());
    }
}

fn simple(attachment: &Attachment) -> Option<Bytes> {
    match attachment {
        Attachment::SimpleSigning { payload, .. } => Some(payload.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn classic_layers_are_identified_by_index_and_not_merged() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    sign(&registry, &digest, &[("same", "first"), ("same", "second"), ("other", "third")]);
    let collected = collect(&registry, &digest, Limits::default()).await;
    assert_eq!(found(&collected), ["same by first", "same by second", "other by third"]);
    assert!(collected.problems.is_empty(), "{:?}", collected.problems);
    let places: Vec<_> = collected.attachments.iter().map(Attachment::place).collect();
    assert_eq!(places[2], format!("{} layer 2", sig_tag(&digest)));
    let blobs = registry.lines().iter().filter(|line| line.contains("/blobs/")).count();
    assert_eq!(blobs, 2, "the payload of two signatures is fetched once");
}

#[tokio::test]
async fn an_invalid_signature_never_hides_a_valid_one() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    let config = registry.blob("a", "{}");
    let good = registry.blob("a", "good");
    let missing = Digest::of(b"not there");
    let large = registry.blob("a", "x".repeat((64 << 10) + 1));
    let signed: &[(&str, &str)] = &[(ANNOTATION, "s")];
    let bytes = manifest(
        &[
            (&missing, 9, SIMPLE_SIGNING, signed),
            (&good, 3, SIMPLE_SIGNING, signed),
            (&good, 5, SIMPLE_SIGNING, signed),
            (&good, 4, SIMPLE_SIGNING, &[]),
            (&good, 4, "application/vnd.oci.image.layer.v1.tar", signed),
            (&large, (64 << 10) + 1, SIMPLE_SIGNING, signed),
            (&good, 4, SIMPLE_SIGNING, signed),
        ],
        &config,
        None,
    );
    let stored = registry.manifest("a", MANIFEST, bytes);
    registry.tag("a", &sig_tag(&digest), &stored);
    let collected = collect(&registry, &digest, Limits::default()).await;
    assert_eq!(found(&collected), ["good by s"]);
    let mut codes = codes(&collected);
    codes.sort_unstable();
    let expected = [
        "registry-malformed",
        "registry-not-found",
        "registry-signature-too-large",
        "registry-size-mismatch",
        "registry-size-mismatch",
    ];
    assert_eq!(codes, expected, "{:?}", collected.problems);
    assert!(!registry.lines().contains(&format!("GET /v2/a/blobs/{large}")), "too large by its descriptor");
}

#[tokio::test]
async fn t102_bundles_are_identified_by_their_manifest() {
    for api in [true, false] {
        let registry = Registry::with(Options { referrers: api, ..Options::default() }).await;
        let digest = registry.image("a", "1", "one");
        let other = registry.image("a", "2", "two");
        let good = attach(&registry, &digest, "good");
        let stranger = attach(&registry, &other, "stranger");
        let sbom = attach_as(&registry, &digest, "sbom", "application/spdx+json");
        let mut lying = attach(&registry, &digest, "with a false type");
        lying["artifactType"] = json!("application/spdx+json");
        let entries = [sbom, stranger, good, lying];
        if api {
            let listed = index(&entries);
            registry.hook(move |request| {
                request.uri.path().contains("/referrers/").then(|| Scripted::ok(INDEX, listed.clone()))
            });
        } else {
            fall_back(&registry, &digest, &entries);
        }
        let collected = collect(&registry, &digest, Limits::default()).await;
        assert_eq!(found(&collected), ["bundle good", "bundle with a false type"]);
        assert_eq!(codes(&collected), ["registry-malformed"], "{:?}", collected.problems);
        assert!(collected.unanswered().is_none() && collected.exceeded().is_none());
    }
}

#[tokio::test]
async fn t103_every_source_is_searched() {
    let registry = with_referrers().await;
    let digest = registry.image("a", "1", "one");
    attach(&registry, &digest, "by the api");
    let config = registry.blob("a", "{}");
    let layer = registry.blob("a", "by the tag");
    let unlisted = manifest(&[(&layer, 10, BUNDLE, &[])], &config, Some(&digest));
    let size = unlisted.len();
    let stored = registry.manifest("a", MANIFEST, unlisted);
    fall_back(
        &registry,
        &digest,
        &[json!({ "mediaType": MANIFEST, "digest": stored.as_str(), "size": size })],
    );
    sign(&registry, &digest, &[("classic", "s")]);
    let collected = collect(&registry, &digest, Limits::default()).await;
    let mut found = found(&collected);
    found.sort();
    assert_eq!(found, ["bundle by the api", "bundle by the tag", "classic by s"]);
    // Each bundle is fetched once, though one is listed twice.
    let manifests = registry.lines().iter().filter(|line| line.contains("/manifests/sha256:")).count();
    assert_eq!(manifests, 2, "{:?}", registry.lines());
}

#[tokio::test]
async fn t103_a_missing_api_differs_from_a_failure() {
    let html = || Scripted::ok("text/html", "<html>");
    for (answer, unanswered) in [
        (Scripted::status(404), false),
        (Scripted::status(405), false),
        (Scripted::status(400), false),
        (html(), false),
        (Scripted::ok(INDEX, index(&[])), false),
        (Scripted::status(500), true),
        (Scripted::status(503), true),
        (Scripted::status(429), true),
        (Scripted::status(401), true),
        (Scripted::ok(INDEX, "").body(Body::Hang), true),
        (Scripted::ok(INDEX, "").body(Body::Truncated { announced: 9, bytes: Bytes::new() }), true),
    ] {
        let registry = Registry::start().await;
        let digest = registry.image("a", "1", "one");
        let entry = attach(&registry, &digest, "good");
        fall_back(&registry, &digest, &[entry]);
        let shown = format!("{answer:?}");
        registry.hook(move |request| request.uri.path().contains("/referrers/").then(|| answer.clone()));
        let collected = collect(&registry, &digest, impatient()).await;
        assert_eq!(found(&collected), ["bundle good"], "{shown}");
        assert_eq!(collected.unanswered().is_some(), unanswered, "{shown} {:?}", collected.problems);
    }
}

#[tokio::test]
async fn an_outage_is_never_a_missing_signature() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    type Matcher = fn(&Recorded) -> bool;
    let places: [(&str, Matcher); 3] = [
        (".sig", |request| request.uri.path().ends_with(".sig")),
        ("fallback", |request| {
            request.uri.path().contains("manifests/sha256-") && !request.uri.path().ends_with(".sig")
        }),
        ("api", |request| request.uri.path().contains("referrers")),
    ];
    for (place, matches) in places {
        registry.hook(move |request| matches(request).then(|| Scripted::status(502)));
        let collected = collect(&registry, &digest, Limits::default()).await;
        assert!(collected.attachments.is_empty());
        assert_eq!(codes(&collected), ["registry-status"], "{place}");
        assert!(collected.unanswered().is_some(), "{place}");
    }
    let (repository, client) = (registry.repository("a"), client());
    drop(registry);
    let collected = client.attachments(&repository, &digest, &anonymous()).await;
    assert_eq!(collected.problems.len(), 3, "{:?}", collected.problems);
    assert!(collected.unanswered().is_some());
}

#[tokio::test]
async fn t104_signature_tags_that_resolve_to_images_are_not_signatures() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    let image = registry.image("a", "runnable", "two");
    registry.tag("a", &sig_tag(&digest), &image);
    registry.tag("a", &fallback_tag(&digest), &image);
    let collected = collect(&registry, &digest, Limits::default()).await;
    assert!(collected.attachments.is_empty() && collected.problems.is_empty(), "{:?}", collected.problems);
    let stored = registry.manifest("a", INDEX, index(&[]));
    registry.tag("a", &sig_tag(&digest), &stored);
    let collected = collect(&registry, &digest, Limits::default()).await;
    assert_eq!(codes(&collected), ["registry-malformed"]);
    assert!(registry.lines().iter().all(|line| !line.contains("/blobs/")));
}

#[tokio::test]
async fn t101_referrers_are_bounded() {
    // Too many in one answer, too many over pages, a loop, another host, too many pages.
    let limits = || Limits { referrers: 4, referrer_pages: 3, ..Limits::default() };
    let registry = with_referrers().await;
    let digest = registry.image("a", "1", "one");
    let entry = |number: usize| {
        let digest = Digest::of(number.to_string().as_bytes());
        json!({ "mediaType": MANIFEST, "digest": digest.as_str(), "size": 10 })
    };
    let page = move |from: usize, count: usize| {
        let entries: Vec<Value> = (from..from + count).map(entry).collect();
        Scripted::ok(INDEX, index(&entries))
    };
    let path = format!("/v2/a/referrers/{digest}");
    let link = |target: String| format!("<{target}>; rel=\"next\"");
    let own = path.clone();
    type Answer = Box<dyn Fn(usize) -> Scripted + Send + Sync>;
    let cases: Vec<(&str, Answer, &str, usize)> = vec![
        ("fits", Box::new(move |_| page(0, 4)), "", 1),
        ("one answer", Box::new(move |_| page(0, 5)), "registry-too-many-referrers", 1),
        (
            "pages",
            Box::new({
                let path = path.clone();
                move |number| page(number * 2, 2).header("link", &link(format!("{path}?n={number}")))
            }),
            "registry-too-many-referrers",
            3,
        ),
        (
            "empty pages",
            Box::new({
                let path = path.clone();
                move |number| page(0, 0).header("link", &link(format!("{path}?n={number}")))
            }),
            "registry-too-many-pages",
            3,
        ),
        (
            "loop",
            Box::new({
                let path = path.clone();
                move |_| page(0, 1).header("link", &link(path.clone()))
            }),
            "registry-malformed",
            1,
        ),
        (
            "another host",
            Box::new(move |_| {
                page(0, 1).header("link", &link("http://127.0.0.1:1/v2/a/referrers/x".to_owned()))
            }),
            "registry-malformed",
            1,
        ),
        (
            "duplicates",
            Box::new(move |_| {
                let entries: Vec<Value> = (0..4).map(|_| entry(1)).collect();
                Scripted::ok(INDEX, index(&entries))
            }),
            "",
            1,
        ),
    ];
    for (name, answer, code, page_count) in cases {
        registry.forget_requests();
        let own = own.clone();
        let number = std::sync::atomic::AtomicUsize::new(0);
        registry.hook(move |request| {
            (request.uri.path() == own)
                .then(|| answer(number.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        });
        let collected = collect(&registry, &digest, limits()).await;
        let codes: Vec<_> =
            codes(&collected).into_iter().filter(|code| *code != "registry-not-found").collect();
        let expected: Vec<&str> = if code.is_empty() { Vec::new() } else { vec![code] };
        assert_eq!(codes, expected, "{name} {:?}", collected.problems);
        assert_eq!(collected.exceeded().is_some(), code.starts_with("registry-too-many"), "{name}");
        let pages = registry.lines().iter().filter(|line| line.contains("/referrers/")).count();
        assert_eq!(pages, page_count, "{name}");
    }
}

#[tokio::test]
async fn pages_on_the_same_host_are_followed() {
    let registry = with_referrers().await;
    let digest = registry.image("a", "1", "one");
    let (first, second) = (attach(&registry, &digest, "first"), attach(&registry, &digest, "second"));
    registry.hook(move |request| {
        if !request.uri.path().contains("/referrers/") {
            return None;
        }
        Some(match request.uri.query() {
            None => Scripted::ok(INDEX, index(std::slice::from_ref(&first)))
                .header("link", &format!("<{}?page=2>; rel=\"next\"", request.uri.path())),
            Some(_) => Scripted::ok(INDEX, index(std::slice::from_ref(&second))),
        })
    });
    let collected = collect(&registry, &digest, Limits::default()).await;
    assert_eq!(found(&collected), ["bundle first", "bundle second"]);
    assert!(collected.problems.is_empty(), "{:?}", collected.problems);
}

#[tokio::test]
async fn too_many_signatures_is_not_a_missing_signature() {
    let registry = with_referrers().await;
    let digest = registry.image("a", "1", "one");
    sign(&registry, &digest, &[("p", "1"), ("p", "2"), ("p", "3")]);
    for document in ["1", "2", "3"] {
        attach(&registry, &digest, document);
    }
    for (signatures, classic, bundles, exceeded) in [(3, 3, 3, false), (2, 2, 2, true)] {
        let limits = Limits { signatures, ..Limits::default() };
        let collected = collect(&registry, &digest, limits).await;
        let found = found(&collected);
        assert_eq!(found.iter().filter(|one| one.starts_with("p by")).count(), classic);
        assert_eq!(found.iter().filter(|one| one.starts_with("bundle")).count(), bundles);
        assert_eq!(collected.exceeded().is_some(), exceeded);
        assert!(collected.unanswered().is_none());
    }
    let limits = Limits { signatures_total_size: 1, ..Limits::default() };
    assert!(collect(&registry, &digest, limits).await.exceeded().is_some());
}

#[tokio::test]
async fn t113_a_blob_must_have_the_size_in_its_descriptor() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    sign(&registry, &digest, &[("payload", "s")]);
    for body in [Body::Endless, Body::Bytes("payloax".into()), Body::Bytes("pay".into())] {
        let answer = Scripted::ok("application/octet-stream", "").body(body);
        registry.hook(move |request| request.uri.path().contains("/blobs/").then(|| answer.clone()));
        let collected = collect(&registry, &digest, Limits::default()).await;
        assert!(collected.attachments.is_empty());
        assert_eq!(collected.problems[0].error.class(), Class::Refused, "{:?}", collected.problems);
        assert_eq!(collected.problems.len(), 1);
    }
}

/// Bytes that a lookup may still reserve.
fn free(share: &Share) -> usize {
    std::iter::from_fn(|| share.reserve_now(1024).ok()).collect::<Vec<_>>().len() * 1024
}

/// What is read of a page takes memory of its own, also where that is small.
#[tokio::test]
async fn attestations_of_grafeas_are_in_the_memory_of_the_lookup() {
    let registry = Registry::start().await;
    let digest = registry.image("a", "1", "one");
    let repository = registry.repository("a");
    let resource = format!("https://{repository}@{digest}");
    let occurrences: Vec<Value> = (0..20)
        .map(|number| json!({ "resourceUri": resource, "attestation": { "pad": format!("{number:05000}") } }))
        .collect();
    let page = json!({ "occurrences": occurrences }).to_string();
    registry.hook(move |request| {
        let is_listing = request.uri.path().ends_with("/occurrences");
        is_listing.then(|| Scripted::ok("application/json", page.clone()))
    });
    let source = SignatureSource {
        scope: registry.host(),
        image: false,
        repository: None,
        directory: None,
        lookaside: None,
        grafeas: Some(Grafeas::parse(&format!("http://{}/v1/projects/p", registry.host())).unwrap()),
    };
    let settings = RegistrySettings { sources: vec![source], ..RegistrySettings::default() };
    let client = pullgate::registry::Registry::new(settings).unwrap();
    let share = client.memory().share("a");
    let all = free(&share);
    let wanted = Wanted { grafeas: true, ..Wanted::default() };
    let collected = client.attachments_for(&share, (&repository, &digest), &anonymous(), wanted).await;
    assert_eq!((collected.attachments.len(), codes(&collected)), (20, vec![]));
    let left = free(&share);
    assert!(left + 20 * 5000 <= all, "{left} of {all}");
    drop(collected);
    assert_eq!(free(&share), all);
}
