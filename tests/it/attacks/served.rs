//! What was verified is what is pulled: T20 to T23.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::world::{PULLED, World, impatient, manifest_of, p256};
use crate::support::registry::{Body, MANIFEST, Options, Scripted};
use crate::support::signer::sign_classic;

#[tokio::test]
async fn t20_a_tag_that_moves_after_the_verdict_moves_nothing() {
    let world = World::start().await;
    let digest = world.signed();
    let evil = world.registry.image("team/app", "evil", "evil");
    let bytes = world.registry.tagged("team/app", "evil").unwrap();
    // The tag leads to the good image once, and to another one ever after.
    let good = world.registry.tagged("team/app", "1").unwrap();
    let asked = AtomicUsize::new(0);
    world.registry.hook(move |request| {
        let bytes = if asked.load(Ordering::Relaxed) == 0 { &good } else { &bytes };
        manifest_of(request, "1").then(|| {
            asked.fetch_add(1, Ordering::Relaxed);
            Scripted::ok(MANIFEST, bytes.clone())
        })
    });
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(world.pulled(), [world.image(&format!("team/app@{digest}"))]);
    assert_eq!(world.asked("manifests").iter().filter(|path| path.ends_with("/1")).count(), 1);
    // Where it leads now is not signed.
    assert_eq!(world.verdict("team/app:1").await, "no-signature");
    assert!(world.pulled().iter().all(|name| !name.contains(evil.hex())));
    world.assert_no_credentials_sent();
}

#[tokio::test]
async fn t21_an_answer_for_pullgate_only_helps_nobody() {
    let world = World::start().await;
    let digest = world.signed();
    let good = world.registry.tagged("team/app", "1").unwrap();
    world.registry.image("team/app", "1", "what others get");
    world.registry.hook(move |request| {
        let ours = request.header("user-agent").is_some_and(|agent| agent.starts_with("pullgate/"));
        (ours && manifest_of(request, "1")).then(|| Scripted::ok(MANIFEST, good.clone()))
    });
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(
        world.pulled(),
        [world.image(&format!("team/app@{digest}"))],
        "whoever asks gets these bytes or none"
    );
}

#[tokio::test]
async fn t22_a_header_about_other_bytes_is_a_lie() {
    let world = World::start().await;
    let digest = world.signed();
    let evil = world.registry.image("team/app", "evil", "evil");
    for (bytes_of, header) in [("evil", digest.as_str()), ("1", evil.as_str())] {
        let bytes = world.registry.tagged("team/app", bytes_of).unwrap();
        let header = header.to_owned();
        world.registry.hook(move |request| {
            manifest_of(request, "1")
                .then(|| Scripted::ok(MANIFEST, bytes.clone()).header("docker-content-digest", &header))
        });
        world.registry.forget_requests();
        assert_eq!(world.verdict("team/app:1").await, "digest-mismatch", "{bytes_of}");
        assert_eq!(world.registry.requests().len(), 1, "no HEAD, and no signature looked for");
    }
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn t23_bytes_that_are_not_the_digest_are_refused() {
    let options = Options { referrers: true, ..Options::default() };
    let world = World::with(options, impatient()).await;
    let digest = world.signed();
    let good = world.registry.tagged("team/app", "1").unwrap();
    let other = {
        let digest = world.registry.image("team/app", "other", "other");
        sign_classic(&world.registry, "team/app", &digest, &p256());
        world.registry.tagged("team/app", "other").unwrap()
    };
    let longer = [&good[..], b"\n"].concat();
    let half = good.slice(..good.len() / 2);
    for (answer, reason) in [
        (Scripted::ok(MANIFEST, other), "digest-mismatch"),
        (Scripted::ok(MANIFEST, longer), "digest-mismatch"),
        (Scripted::ok(MANIFEST, half.clone()), "digest-mismatch"),
        (
            Scripted::status(200)
                .header("content-type", MANIFEST)
                .body(Body::Truncated { announced: good.len() as u64, bytes: half }),
            "registry-unavailable",
        ),
        (Scripted::ok(MANIFEST, good.clone()).header("content-encoding", "gzip"), "bad-manifest"),
    ] {
        world
            .registry
            .hook(move |request| request.uri.path().contains("/manifests/sha256:").then(|| answer.clone()));
        assert_eq!(world.verdict(&format!("team/app@{digest}")).await, reason);
    }
    assert_eq!(world.runtime.calls().len(), 0);
    assert!(world.registry.written() < 64 << 10, "{}", world.registry.written());
}
