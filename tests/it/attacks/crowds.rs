//! Many concurrent pulls, and callers that cancel: T121, T122.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::registry::Limits;

use super::outcome::{Expect, FETCHED, SIGNED, Verdict};
use super::world::{PULLED, World, manifest_of, node, p256, password, together};
use pullgate_test::registry::{Body, MANIFEST, Options, Registry, Scripted};
use pullgate_test::signer::sign_annotated;

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

/// The manifest of the good image, byte by byte.
fn slowly(world: &World, every: Duration) -> Scripted {
    let bytes = world.registry.tagged("team/app", "1").unwrap();
    Scripted::ok(MANIFEST, "").body(Body::Slow { bytes, every })
}

#[tokio::test]
async fn t121_a_cancelled_pull_stops_its_work_and_fails_no_other() {
    // The registry hangs at the tag, while signatures are listed, or while they are fetched.
    for (row, step, reached) in [
        ("resolving", "/manifests/1", "tag*1..400"),
        ("collecting", "/referrers/", "tag*1..400 sig*1..400 fallback*1..400 referrers*1..400 blob*0..400"),
        ("fetching", "/blobs/", "tag*1..400 sig*1..400 fallback*1..400 referrers*1..400 blob*1..400"),
    ] {
        let world = World::start(node().registry(options())).await;
        let digest = world.registry.image("team/app", "1", "app");
        sign_annotated(&world.registry, "team/app", &digest, &p256());
        let image = world.image("team/app:1");
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        // Open all connections before the tasks are counted.
        drop(world.outcome("team/none:1").await);
        let before = alive();
        world.registry.hook(move |request| {
            request.uri.path().contains(step).then(|| Scripted::status(200).body(Body::Hang))
        });
        let since = world.since();
        for _ in 0..20 {
            let reached = || {
                let requests = world.registry.requests();
                requests.iter().filter(|request| request.uri.path().contains(step)).count()
            };
            let before = reached();
            let leave = async {
                while reached() == before {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let pulls: Vec<_> = (0..20).map(|_| world.pull(&image, None)).collect();
            tokio::select! {
                _ = together(pulls) => panic!("{row}: what hangs has ended"),
                () = leave => {}
            }
        }
        // All callers have cancelled: no request follows, and no task is left. The registry may not have read yet what was sent.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let sent = world.registry.requests().len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.registry.requests().len(), sent, "{row}");
        assert!(alive() <= before + 40, "{row}: {before} tasks before, {} after", alive());
        let left = world.outcome_since(&since, Verdict::Refused);
        left.assert(
            row,
            Expect { verdict: &Verdict::Refused, requests: reached, bytes: 0..=1 << 20, ..Expect::default() },
        );
        assert_eq!(world.daemon.gate.checks(), 0, "no verdict was recorded");
        // None of them blocks the next pull.
        world.registry.hook(|_| None);
        let next = world.outcome("team/app:1").await;
        next.assert(
            row,
            Expect { requests: FETCHED, ..Expect::verified(&world.pinned("team/app", &digest)) },
        );
    }
}

#[tokio::test]
async fn t122_many_pulls_of_one_image_share_one_lookup() {
    // The tag's manifest comes so slowly that all pulls wait for the same answer; or at once, and a pull that arrives
    // after the answer resolves the tag again. Either way the signatures are collected and verified once.
    for (row, every, tags) in [("slow", Some(Duration::from_millis(10)), "tag"), ("fast", None, "tag*1..500")]
    {
        let world = World::start(node().registry(options())).await;
        let digest = world.signed();
        if let Some(every) = every {
            let answer = slowly(&world, every);
            world.registry.hook(move |request| manifest_of(request, "1").then(|| answer.clone()));
        }
        let image = world.image("team/app:1");
        let outcome = world.crowd(vec![(image, None); 500]).await;
        let requests = format!("{tags} sig fallback referrers");
        outcome.assert(
            row,
            Expect {
                requests: &requests,
                bytes: 1..=1 << 20,
                ..Expect::verified(&world.pinned("team/app", &digest))
            },
        );
        assert_eq!(world.daemon.gate.checks(), 1, "{row}: one signature, verified once");
    }
}

#[tokio::test]
async fn t122_many_pulls_with_an_invalid_signature_are_refused_at_once() {
    let world = World::start(node().registry(options())).await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = pullgate_test::signer::payload(&world.image("team/app"), &digest);
    let attach = pullgate_test::signer::attach_classic;
    attach(&world.registry, "team/app", &digest, &[(text, b"none".to_vec())]);
    let answer = slowly(&world, Duration::from_millis(10));
    // This is slow too: a refusal is not cached, so a later pull would look the signatures up again.
    let tag = format!("sha256-{}.sig", digest.hex());
    let bytes = world.registry.tagged("team/app", &tag).unwrap();
    let signature = Scripted::ok(MANIFEST, "").body(Body::Slow { bytes, every: Duration::from_millis(10) });
    world.registry.hook(move |request| match request.uri.path().ends_with(".sig") {
        true => Some(signature.clone()),
        false => manifest_of(request, "1").then(|| answer.clone()),
    });
    let outcome = world.crowd(vec![(world.image("team/app:1"), None); 500]).await;
    outcome.assert("all", Expect { requests: SIGNED, ..Expect::refused("no-valid-signature") });
    assert_eq!(world.daemon.gate.checks(), 1);
}

#[tokio::test]
async fn t122_lookups_are_not_shared_between_credentials() {
    let world = World::start(node().registry(options())).await;
    let digest = world.signed();
    // One caller may not read the signature; the other reads it slowly, so that both lookups run concurrently.
    let bytes = {
        let tag = format!("sha256-{}.sig", digest.hex());
        world.registry.tagged("team/app", &tag).unwrap()
    };
    let sig = Scripted::ok(MANIFEST, "").body(Body::Slow { bytes, every: Duration::from_millis(2) });
    let [denied, allowed] = ["denied:pg5ECRET-first", "allowed:pg5ECRET-second"]
        .map(|pair| format!("Basic {}", STANDARD.encode(pair)));
    let refused = denied.clone();
    world.registry.hook(move |request| {
        let of_signature = request.uri.path().ends_with(".sig");
        match request.header("authorization") {
            Some(shown) if shown == refused => of_signature.then(|| Scripted::status(403)),
            Some(shown) if shown == allowed => of_signature.then(|| sig.clone()),
            _ => Some(Scripted::status(401).header("www-authenticate", "Basic realm=\"test\"")),
        }
    });
    world.mark("first", "pg5ECRET-first");
    world.mark("second", "pg5ECRET-second");
    let image = world.image("team/app:1");
    let since = world.since();
    let (refused, pulled) = tokio::join!(
        world.pull(&image, password("denied", "pg5ECRET-first")),
        world.pull(&image, password("allowed", "pg5ECRET-second")),
    );
    assert_eq!((refused.0.as_str(), pulled.0.as_str()), ("registry-unauthorized", PULLED));
    let requests = "tag*3..4 sig*2..4 fallback*2..4 referrers*2..4";
    let verdict = world.pinned("team/app", &digest);
    let both = world.outcome_since(&since, verdict.clone());
    both.assert(
        "both",
        Expect { verdict: &verdict, requests, credentials: "first second", ..Expect::default() },
    );
    assert_eq!(world.daemon.gate.checks(), 1);
}

#[tokio::test]
async fn t122_a_slow_registry_does_not_delay_others() {
    let limits = Limits { concurrent_pulls: 8, ..Limits::default() };
    let world = World::start(node().registry(options()).limits(limits)).await;
    let slow = Registry::start().await;
    world.watch("slow", &slow);
    slow.hook(|_| Some(Scripted::status(200).body(Body::Hang)));
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    let more = format!("[[namespace]]\nscope = \"{}\"\nrequire = {{ all = [\"release\"] }}\n", slow.host());
    world.set_policy(&(policy + &more));
    for number in 0..500 {
        world.registry.image(&format!("team/{number}"), "1", &number.to_string());
    }
    let stuck = (0..100).map(|number| format!("{}/app:{number}", slow.host())).collect::<Vec<_>>();
    let hanging = together(stuck.iter().map(|image| world.pull(image, None)).collect::<Vec<_>>());
    let moving = async {
        // 500 different images of a registry that answers, while all permits for the other one are taken.
        while slow.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let images = (0..500).map(|number| (world.image(&format!("team/{number}:1")), None));
        world.crowd(images.collect()).await
    };
    tokio::select! {
        _ = hanging => panic!("a hanging pull ended first"),
        outcome = moving => {
            // Requests to the slow registry hold a quarter of the permits the whole time.
            let requests = "tag*500 sig*500 fallback*500 referrers*500 slow:tag?";
            outcome.assert("moving", Expect { requests, bytes: 1..=4 << 20, ..Expect::refused("no-signature") });
        }
    }
    assert!(slow.requests().len() <= 2, "{}", slow.requests().len());
}
