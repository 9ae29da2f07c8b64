//! What was verified is what is pulled: T20 to T23.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::outcome::{Expect, SIGNED, UNSIGNED, Verdict};
use super::world::{World, impatient, manifest_of, node, p256};
use pullgate_test::registry::{Body, MANIFEST, Options, Scripted};
use pullgate_test::signer::sign_classic;

#[tokio::test]
async fn t20_a_tag_that_moves_after_verification_has_no_effect() {
    let world = World::start(node()).await;
    let digest = world.signed();
    let evil = world.registry.image("team/app", "evil", "evil");
    let bytes = world.registry.tagged("team/app", "evil").unwrap();
    // The tag resolves to the good image once, and to another one from then on.
    let good = world.registry.tagged("team/app", "1").unwrap();
    let counter = AtomicUsize::new(0);
    world.registry.hook(move |request| {
        manifest_of(request, "1").then(|| {
            let bytes = if counter.fetch_add(1, Ordering::Relaxed) == 0 { &good } else { &bytes };
            Scripted::ok(MANIFEST, bytes.clone())
        })
    });
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("before", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
    // The image that it resolves to now is not signed.
    let after = world.outcome("team/app:1").await;
    after.assert("after", Expect { requests: UNSIGNED, ..Expect::refused("no-signature") });
    assert!(world.pulled().iter().all(|name| !name.contains(evil.hex())));
}

#[tokio::test]
async fn t21_a_special_answer_for_pullgate_has_no_effect() {
    let world = World::start(node()).await;
    let digest = world.signed();
    world.registry.image("team/app", "evil", "evil");
    let [good, evil] = ["1", "evil"].map(|tag| world.registry.tagged("team/app", tag).unwrap());
    // Other clients get other bytes, and so does pullgate at every second request.
    for (row, unsteady) in [("by user agent", false), ("by the number of the request", true)] {
        let (good, evil, counter) = (good.clone(), evil.clone(), AtomicUsize::new(0));
        world.registry.hook(move |request| {
            let ours = request.header("user-agent").is_some_and(|agent| agent.starts_with("pullgate/"));
            manifest_of(request, "1").then(|| {
                let turn = counter.fetch_add(1, Ordering::Relaxed) % 2 == 1;
                let bytes = if ours && !(unsteady && turn) { &good } else { &evil };
                Scripted::ok(MANIFEST, bytes.clone())
            })
        });
        // Each pull forwards the digest of the bytes that it hashed, or nothing.
        let pinned = world.pinned("team/app", &digest);
        let requests = if unsteady { "tag" } else { SIGNED };
        world.outcome("team/app:1").await.assert(row, Expect { requests, ..Expect::verified(&pinned) });
    }
    let second = world.outcome("team/app:1").await;
    second.assert("the other bytes", Expect { requests: UNSIGNED, ..Expect::refused("no-signature") });
    assert!(world.pulled().iter().all(|name| name.ends_with(digest.as_str())));
}

#[tokio::test]
async fn t22_a_header_with_another_digest_is_rejected() {
    let world = World::start(node()).await;
    let digest = world.signed();
    let evil = world.registry.image("team/app", "evil", "evil");
    for (bytes_of, header) in [("evil", digest.as_str()), ("1", evil.as_str()), ("1", "sha256:no-digest")] {
        let bytes = world.registry.tagged("team/app", bytes_of).unwrap();
        let header = header.to_owned();
        world.registry.hook(move |request| {
            manifest_of(request, "1")
                .then(|| Scripted::ok(MANIFEST, bytes.clone()).header("docker-content-digest", &header))
        });
        // No HEAD request is sent, and no signature is looked up.
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(bytes_of, Expect { requests: "tag", ..Expect::refused("digest-mismatch") });
    }
}

#[tokio::test]
async fn t23_bytes_that_do_not_match_the_digest_are_rejected() {
    let options = Options { referrers: true, ..Options::default() };
    let world = World::start(node().registry(options).limits(impatient())).await;
    let digest = world.signed();
    let good = world.registry.tagged("team/app", "1").unwrap();
    let other = {
        let digest = world.registry.image("team/app", "other", "other");
        sign_classic(&world.registry, "team/app", &digest, &p256());
        world.registry.tagged("team/app", "other").unwrap()
    };
    let longer = [&good[..], b"\n"].concat();
    let half = good.slice(..good.len() / 2);
    let announced = good.len() as u64;
    let truncated = Scripted::status(200).header("content-type", MANIFEST);
    let truncated = truncated.body(Body::Truncated { announced, bytes: half.clone() });
    let (once, again) = ("manifest sig fallback referrers", "manifest*1..4 sig fallback referrers");
    for (row, answer, verdict, reason, requests) in [
        ("other bytes", Scripted::ok(MANIFEST, other), Verdict::Refused, "digest-mismatch", once),
        ("longer", Scripted::ok(MANIFEST, longer), Verdict::Refused, "digest-mismatch", once),
        ("half", Scripted::ok(MANIFEST, half), Verdict::Refused, "digest-mismatch", once),
        ("truncated", truncated, Verdict::Unavailable, "registry-unavailable", again),
        (
            "encoded",
            Scripted::ok(MANIFEST, good.clone()).header("content-encoding", "gzip"),
            Verdict::Refused,
            "bad-manifest",
            once,
        ),
    ] {
        world
            .registry
            .hook(move |request| request.uri.path().contains("/manifests/sha256:").then(|| answer.clone()));
        let outcome = world.outcome(&format!("team/app@{digest}")).await;
        outcome.assert(row, Expect { verdict: &verdict, reason, requests, ..Expect::default() });
    }
}
