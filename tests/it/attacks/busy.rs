//! Registries that are busy or late, and the negative cache: T111, T124.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pullgate::registry::Limits;

use super::outcome::{Expect, FETCHED, LITTLE, SIGNED, UNSIGNED, Verdict};
use super::world::{World, impatient, manifest_of, node, p256, password};
use pullgate_test::registry::{Body, MANIFEST, Options, Scripted};
use pullgate_test::signer::{sign_annotated, sign_bundle, sign_classic};

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

#[tokio::test]
async fn t111_a_busy_registry_is_retried_within_the_budget() {
    let busy = |after: &str| Scripted::status(429).header("retry-after", after);
    let gone = || (Verdict::Unavailable, "registry-busy");
    let down = || (Verdict::Unavailable, "registry-unavailable");
    let good = || (Verdict::Refused, "verified");
    let again = "tag*2 sig fallback referrers";
    for (row, answer, times, (verdict, reason), requests) in [
        ("now", busy("0"), 2, good(), "tag*3 sig fallback referrers"),
        ("in a day", busy("86400"), usize::MAX, gone(), "tag"),
        ("longer than the budget", busy("99999999999999999999999999"), usize::MAX, gone(), "tag"),
        ("before now", busy("-1"), 1, good(), again),
        ("in 1970", busy("Thu, 01 Jan 1970 00:00:00 GMT"), 1, good(), again),
        ("in 3000", busy("Wed, 01 Jan 3000 00:00:00 GMT"), 1, gone(), "tag"),
        ("no time at all", busy("soon"), 1, good(), again),
        ("once", Scripted::status(503), 1, good(), again),
        ("a storm", Scripted::status(503), usize::MAX, gone(), "tag*4"),
        ("broken", Scripted::status(500), usize::MAX, down(), "tag*4"),
        ("not in this way", Scripted::status(418), usize::MAX, down(), "tag"),
        ("no such image", Scripted::status(404), usize::MAX, (Verdict::Absent, "not-found"), "tag"),
    ] {
        let limits = Limits { retry_wait: Duration::from_secs(4), ..Limits::default() };
        let world = World::start(node().registry(options()).limits(limits)).await;
        let digest = world.signed();
        let verdict = if reason == "verified" { world.pinned("team/app", &digest) } else { verdict };
        let counter = AtomicUsize::new(0);
        world.registry.hook(move |request| {
            let busy = manifest_of(request, "1") && counter.fetch_add(1, Ordering::Relaxed) < times;
            busy.then(|| answer.clone())
        });
        let bytes = if reason == "verified" { LITTLE } else { 0..=0 };
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict: &verdict, reason, requests, bytes, ..Expect::default() });
    }
}

#[tokio::test]
async fn t111_many_pulls_do_not_multiply_retries_in_an_outage() {
    let limits = Limits { retry_wait: Duration::from_secs(4), ..Limits::default() };
    let world = World::start(node().registry(options()).limits(limits)).await;
    world.signed();
    world.registry.hook(|_| Some(Scripted::status(503)));
    let outcome = world.crowd(vec![(world.image("team/app:1"), None); 200]).await;
    outcome.assert(
        "200 pulls",
        Expect { requests: "tag*4..12", bytes: 0..=0, ..Expect::unavailable("registry-busy") },
    );
}

#[tokio::test]
async fn t111_inconsistent_answers_do_not_change_the_verdict() {
    // As if the name resolved to another machine at every second request, or to one by IPv6 and one by IPv4.
    let world = World::start(node().registry(options())).await;
    let digest = world.signed();
    world.registry.image("team/app", "evil", "evil");
    let evil = world.registry.tagged("team/app", "evil").unwrap();
    let counter = AtomicUsize::new(0);
    world.registry.hook(move |request| {
        let turn = counter.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        (turn && request.uri.path().contains("/manifests/")).then(|| Scripted::ok(MANIFEST, evil.clone()))
    });
    let pinned = world.pinned("team/app", &digest);
    for number in 0..6 {
        let (_, line) = world.pull(&world.image("team/app:1"), None).await;
        let names = world.pulled();
        assert!(names.iter().all(|name| Verdict::Pulled(name.clone()) == pinned), "{number}: {line}");
    }
    world.registry.hook(|_| None);
    world.set_policy(&std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap());
    let steady = world.outcome("team/app:1").await;
    steady
        .assert("steady", Expect { requests: "tag sig? fallback? referrers?", ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t124_a_timeout_in_any_step_admits_nothing() {
    let limits = || Limits { negative_cache_ttl: Duration::ZERO, ..impatient() };
    for (row, step, bundled, decides, requests) in [
        ("the tag", "/manifests/1", false, true, "tag"),
        ("the signatures", ".sig", false, true, "tag sig fallback referrers"),
        ("a payload", "/blobs/", false, true, FETCHED),
        ("a token", "/token", false, true, "tag token"),
        // The only signature is in the other layout: it counts although the lookup in this layout fails.
        ("the referrers", "/referrers/", false, false, FETCHED),
        ("the fallback", "/manifests/sha256-", false, true, "tag sig fallback referrers"),
        ("the referrers of a bundle", "/referrers/", true, false, "tag sig fallback referrers manifest blob"),
        ("a referrer", "/manifests/sha256:", true, true, "tag sig fallback referrers manifest"),
        ("a bundle", "/blobs/", true, true, "tag sig fallback referrers manifest blob"),
    ] {
        let world = World::start(node().registry(options()).limits(limits())).await;
        let digest = world.registry.image("team/app", "1", "app");
        match bundled {
            true => sign_bundle(&world.registry, "team/app", &digest, &p256()),
            false => sign_annotated(&world.registry, "team/app", &digest, &p256()),
        }
        world.registry.hook(move |request| match request.uri.path() {
            path if path.contains(step) || path.ends_with(step) => {
                Some(Scripted::status(200).body(Body::Hang))
            }
            _ if step == "/token" => {
                let realm = format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap());
                Some(Scripted::status(401).header("www-authenticate", &realm))
            }
            _ => None,
        });
        let (verdict, reason) = match decides {
            true => (Verdict::Unavailable, "registry-timeout"),
            false => (world.pinned("team/app", &digest), "verified"),
        };
        world.outcome("team/app:1").await.assert(
            row,
            Expect { verdict: &verdict, reason, requests, bytes: 0..=8 << 10, ..Expect::default() },
        );
    }
}

#[tokio::test]
async fn a_missing_signature_is_cached_and_an_outage_is_not() {
    let limits = Limits { negative_cache_ttl: Duration::from_secs(60), retries: 0, ..Limits::default() };
    let world = World::start(node().registry(options()).limits(limits)).await;
    let digest = world.registry.image("team/app", "1", "app");
    world.registry.hook(|request| request.uri.path().contains("/referrers/").then(|| Scripted::status(503)));
    let refused = Verdict::Refused;
    let outage = world.outcome("team/app:1").await;
    outage.assert("an outage", Expect { requests: UNSIGNED, ..Expect::unavailable("registry-busy") });
    world.registry.hook(|_| None);
    world.outcome("team/app:1").await.assert(
        "is over",
        Expect { verdict: &refused, reason: "no-signature", requests: UNSIGNED, ..Expect::default() },
    );
    sign_classic(&world.registry, "team/app", &digest, &p256());
    world.outcome("team/app:1").await.assert(
        "believed",
        Expect { verdict: &refused, reason: "no-signature", requests: "tag", ..Expect::default() },
    );
    // Other credentials need another lookup.
    let pinned = world.pinned("team/app", &digest);
    let other = world.outcome_of(&world.image("team/app:1"), password("other", "pg5ECRET-pod")).await;
    other.assert("as another", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn the_negative_cache_ends_with_the_policy_and_its_ttl() {
    for (row, negative_cache, reload, signed) in [
        ("believed", Duration::from_secs(60), false, false),
        ("reloaded", Duration::from_secs(60), true, true),
        ("never believed", Duration::ZERO, false, true),
    ] {
        let world = World::start(
            node()
                .registry(options())
                .limits(Limits { negative_cache_ttl: negative_cache, ..Limits::default() }),
        )
        .await;
        let digest = world.registry.image("team/app", "1", "app");
        let first = world.outcome("team/app:1").await;
        first.assert(row, Expect { requests: UNSIGNED, ..Expect::refused("no-signature") });
        sign_classic(&world.registry, "team/app", &digest, &p256());
        if reload {
            let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
            world.set_policy(&policy);
        }
        let (verdict, reason, requests) = match signed {
            true => (world.pinned("team/app", &digest), "verified", SIGNED),
            false => (Verdict::Refused, "no-signature", "tag"),
        };
        world
            .outcome("team/app:1")
            .await
            .assert(row, Expect { verdict: &verdict, reason, requests, ..Expect::default() });
    }
}

#[tokio::test]
async fn a_first_signature_is_waited_for_if_configured() {
    for (wait, good) in [(Duration::ZERO, false), (Duration::from_secs(20), true)] {
        let limits = Limits { wait_for_signature: wait, ..Limits::default() };
        let world = World::start(node().registry(options()).limits(limits)).await;
        let digest = world.registry.image("team/app", "1", "app");
        let sign = async {
            // Signed after the first lookup has found nothing.
            while world.request_paths("referrers").is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            sign_classic(&world.registry, "team/app", &digest, &p256());
        };
        let (outcome, ()) = tokio::join!(world.outcome("team/app:1"), sign);
        let (verdict, reason, requests) = match good {
            true => (
                world.pinned("team/app", &digest),
                "verified",
                "tag sig*2..40 fallback*2..40 referrers*2..40",
            ),
            false => (Verdict::Refused, "no-signature", UNSIGNED),
        };
        outcome.assert(
            wait,
            Expect { verdict: &verdict, reason, requests, bytes: 1..=64 << 10, ..Expect::default() },
        );
    }
}
