//! Registries that send too much, too slowly, or other bytes than announced: T100, T113.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::registry::Limits;

use super::outcome::{Expect, FETCHED, LITTLE, SIGNED, Verdict, bounded};
use super::world::{World, impatient, manifest_of, node, p256};
use pullgate_test::registry::{
    Body, MANIFEST, Options, Registry, SIMPLE_SIGNING, Scripted, descriptor, manifest,
};
use pullgate_test::signer::payload;

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

#[tokio::test]
async fn t100_bytes_and_time_of_every_answer_are_bounded() {
    let large = || Scripted::status(200).header("content-type", MANIFEST);
    let slow = Body::Slow { bytes: vec![b' '; 1000].into(), every: Duration::from_millis(20) };
    let five = vec![b' '; 5 << 20];
    let (refused, late) = (Verdict::Refused, Verdict::Unavailable);
    let all = bounded(4 << 20);
    for (row, answer, verdict, reason, bytes) in [
        ("endless", large().body(Body::Endless), &refused, "too-large", all.clone()),
        (
            "1 GiB",
            large().body(Body::Endless).header("content-length", "1073741824"),
            &refused,
            "too-large",
            0..=*all.end(),
        ),
        ("in chunks", large().body(Body::Chunked(five.into())), &refused, "too-large", all.clone()),
        ("nothing ever", large().body(Body::Hang), &late, "registry-timeout", 0..=0),
        ("slow", large().body(slow), &late, "registry-timeout", 1..=1000),
        (
            "a gzip bomb",
            large().header("content-encoding", "gzip").body(Body::Endless),
            &refused,
            "bad-manifest",
            0..=*all.end(),
        ),
        (
            "encoded twice",
            large().header("content-encoding", "identity, br").body(Body::Endless),
            &refused,
            "bad-manifest",
            0..=*all.end(),
        ),
        ("a header", large().header("x-large", &"x".repeat(70_000)), &late, "headers-too-large", 0..=0),
    ] {
        // Reading up to the limit takes a while on a busy machine.
        let limits = if reason == "registry-timeout" { impatient() } else { Limits::default() };
        let world = World::start(node().registry(options()).limits(limits)).await;
        world.signed();
        world.registry.hook(move |request| manifest_of(request, "1").then(|| answer.clone()));
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict, reason, requests: "tag", bytes, ..Expect::default() });
    }
    // A Content-Length shorter than the body: the rest is not part of the answer.
    let world = World::start(node()).await;
    let digest = world.signed();
    let good = world.registry.tagged("team/app", "1").unwrap();
    let answer = Scripted::status(200).header("content-type", MANIFEST);
    let answer = answer.body(Body::Truncated { announced: good.len() as u64 - 1, bytes: good });
    world.registry.hook(move |request| manifest_of(request, "1").then(|| answer.clone()));
    let outcome = world.outcome("team/app:1").await;
    assert_ne!(outcome.verdict, world.pinned("team/app", &digest));
    assert!(["bad-manifest", "registry-unavailable"].contains(&outcome.reason.as_str()), "{outcome:#?}");
    let (verdict, reason) = (outcome.verdict.clone(), outcome.reason.clone());
    outcome.assert(
        "too short",
        Expect {
            verdict: &verdict,
            reason: &reason,
            requests: "tag*1..4",
            bytes: 0..=8 << 10,
            ..Expect::default()
        },
    );
}

#[tokio::test]
async fn t113_a_blob_must_have_the_size_in_its_descriptor() {
    let world = World::start(node()).await;
    let elsewhere = Registry::start().await;
    world.watch("elsewhere", &elsewhere);
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let blob = world.registry.blob("team/app", text.clone());
    let signature = STANDARD.encode(p256().sign(&text));
    let annotations = [("dev.cosignproject.cosign/signature", signature.as_str())];
    let config = world.registry.blob("team/app", "{}");
    let attach = |size: usize| {
        let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], &config, None)).unwrap();
        let mut layer = descriptor((&blob, size, SIMPLE_SIGNING, &annotations));
        layer["urls"] = serde_json::json!([format!("http://{}/blob", elsewhere.host())]);
        document["layers"] = serde_json::json!([layer]);
        let signatures = world.registry.manifest("team/app", MANIFEST, document.to_string());
        world.registry.tag("team/app", &format!("sha256-{}.sig", digest.hex()), &signatures);
    };
    let pinned = world.pinned("team/app", &digest);
    let refused = Verdict::Refused;
    for (size, endless, verdict, reason, requests) in [
        (10, true, &refused, "no-valid-signature", FETCHED),
        (text.len() - 1, false, &refused, "no-valid-signature", FETCHED),
        (text.len() + 1, false, &refused, "no-valid-signature", FETCHED),
        (0, true, &refused, "no-valid-signature", FETCHED),
        // A blob whose descriptor states a size over the limit is not requested.
        (1 << 40, true, &refused, "signature-too-large", SIGNED),
        (text.len(), false, &pinned, "verified", SIGNED),
    ] {
        attach(size);
        world.registry.hook(move |request| {
            (endless && request.uri.path().contains("/blobs/"))
                .then(|| Scripted::status(200).body(Body::Endless))
        });
        let bytes = if endless { 1..=*bounded(0).end() } else { LITTLE };
        world
            .outcome("team/app:1")
            .await
            .assert(size, Expect { verdict, reason, requests, bytes, ..Expect::default() });
    }
}
