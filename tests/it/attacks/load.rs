//! Busy registries, many pulls, and people who leave: T111, T121 to T124, T128, T131.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pullgate::registry::{Limits, Settings};

use super::world::{PULLED, World, impatient, manifest_of, p256, pull};
use crate::support::proxy::Daemon;
use crate::support::registry::{Body, Options, Registry, Scripted};
use crate::support::signer::sign_classic;

fn options() -> Options {
    Options { referrers: true, ..Options::default() }
}

#[tokio::test]
async fn t111_a_busy_registry_is_asked_again_within_a_budget() {
    for (answer, times, expected, most) in [
        (Scripted::status(429).header("retry-after", "0"), 2, PULLED, 3),
        (Scripted::status(429).header("retry-after", "86400"), usize::MAX, "registry-busy", 1),
        (Scripted::status(429).header("retry-after", "-1"), 1, PULLED, 2),
        (Scripted::status(429).header("retry-after", "Wed, 01 Jan 3000 00:00:00 GMT"), 1, "registry-busy", 1),
        (Scripted::status(503), 1, PULLED, 2),
        (Scripted::status(503), usize::MAX, "registry-busy", 4),
        (Scripted::status(500), usize::MAX, "registry-unavailable", 4),
        (Scripted::status(418), usize::MAX, "registry-unavailable", 1),
        (Scripted::status(404), usize::MAX, "not-found", 1),
    ] {
        let limits = Limits { retry_wait: Duration::from_secs(4), ..Limits::default() };
        let world = World::with(options(), limits).await;
        world.signed();
        let asked = AtomicUsize::new(0);
        let shown = format!("{} {:?}", answer.status, answer.headers);
        world.registry.hook(move |request| {
            let busy = manifest_of(request, "1") && asked.fetch_add(1, Ordering::Relaxed) < times;
            busy.then(|| answer.clone())
        });
        assert_eq!(world.verdict("team/app:1").await, expected, "{shown}");
        let tags = world.asked("manifests").iter().filter(|path| path.ends_with("/1")).count();
        assert_eq!(tags, most, "{shown}");
    }
}

#[tokio::test]
async fn no_signature_is_believed_for_seconds_and_an_outage_never() {
    let limits = Limits { absence: Duration::from_secs(60), retries: 0, ..Limits::default() };
    let world = World::with(options(), limits).await;
    let digest = world.registry.image("team/app", "1", "app");
    world.registry.hook(|request| request.uri.path().contains("/referrers/").then(|| Scripted::status(503)));
    assert_eq!(world.verdict("team/app:1").await, "registry-busy");
    world.registry.hook(|_| None);
    assert_eq!(world.verdict("team/app:1").await, "no-signature", "the outage is over");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    world.registry.forget_requests();
    assert_eq!(world.verdict("team/app:1").await, "no-signature");
    assert_eq!(world.registry.requests().len(), 1, "the tag, and no signature");
    let (verdict, _) = world.pull(&world.image("team/app:1"), super::world::password("other", "x")).await;
    assert_eq!(verdict, PULLED, "other credentials are another question");
    let forgetful = World::with(options(), Limits { absence: Duration::ZERO, ..Limits::default() }).await;
    let digest = forgetful.registry.image("team/app", "1", "app");
    assert_eq!(forgetful.verdict("team/app:1").await, "no-signature");
    sign_classic(&forgetful.registry, "team/app", &digest, &p256());
    assert_eq!(forgetful.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn a_signature_that_is_to_come_is_waited_for_if_wanted() {
    for (wait, expected) in [(Duration::ZERO, "no-signature"), (Duration::from_secs(20), PULLED)] {
        let limits = Limits { wait_for_signature: wait, ..Limits::default() };
        let world = World::with(options(), limits).await;
        let digest = world.registry.image("team/app", "1", "app");
        let image = world.image("team/app:1");
        let sign = async {
            // Signed once the first look has found nothing.
            while world.asked("referrers").is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            sign_classic(&world.registry, "team/app", &digest, &p256());
        };
        let ((verdict, line), ()) = tokio::join!(world.pull(&image, None), sign);
        assert_eq!(verdict, expected, "{wait:?} {line}");
    }
}

#[tokio::test]
async fn t121_who_leaves_stops_the_work_and_fails_nobody() {
    let world = World::with(options(), Limits::default()).await;
    world.signed();
    let image = world.image("team/app:1");
    world.registry.hook(|request| manifest_of(request, "1").then(|| Scripted::status(200).body(Body::Hang)));
    for _ in 0..200 {
        let gone = tokio::time::timeout(Duration::from_millis(5), world.pull(&image, None)).await;
        assert!(gone.is_err());
    }
    assert_eq!(world.runtime.calls().len(), 0);
    // All have gone, and none is in the way of the next.
    world.registry.hook(|_| None);
    let asked = world.registry.requests().len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.registry.requests().len(), asked, "nobody asks for those who left");
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn t122_many_pulls_of_one_image_are_one_question() {
    let world = World::with(options(), Limits::default()).await;
    world.signed();
    let image = world.image("team/app:1");
    let slow = world.registry.tagged("team/app", "1").unwrap();
    let every = Duration::from_millis(1);
    world.registry.hook(move |request| {
        let body = Body::Slow { bytes: slow.clone(), every };
        let media_type = crate::support::registry::MANIFEST;
        manifest_of(request, "1").then(|| Scripted::ok(media_type, "").body(body))
    });
    let mut pulls = Vec::new();
    for _ in 0..500 {
        pulls.push(world.pull(&image, None));
    }
    // On a machine with other work the fake runtime's tag records may be late; what counts is what was admitted.
    let verdicts = futures_join(pulls).await;
    assert!(verdicts.iter().all(|(_, line)| !line.ends_with(']')), "{:?}", verdicts[0]);
    let tags = world.asked("manifests").iter().filter(|path| path.ends_with("/1")).count();
    // Who comes between the end of a question and its verdict asks once more.
    assert!(tags <= 10, "{tags} resolutions of one tag by 500 pulls");
    assert!(world.asked("referrers").len() <= 10, "{:?}", world.asked("referrers").len());
    assert_eq!(world.pulled().len(), 500);
}

#[tokio::test]
async fn t122_a_slow_registry_keeps_no_other_waiting() {
    let limits = Limits { questions: 8, ..Limits::default() };
    let world = World::with(options(), limits).await;
    let slow = Registry::start().await;
    slow.hook(|_| Some(Scripted::status(200).body(Body::Hang)));
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    let more = format!("[[namespace]]\nscope = \"{}\"\nrequire = {{ all = [\"release\"] }}\n", slow.host());
    world.policy(&(policy + &more));
    for number in 0..500 {
        world.registry.image(&format!("team/{number}"), "1", &number.to_string());
    }
    let stuck = (0..100).map(|number| format!("{}/app:{number}", slow.host())).collect::<Vec<_>>();
    let hanging = async {
        let pulls = stuck.iter().map(|image| world.pull(image, None)).collect();
        futures_join(pulls).await
    };
    let moving = async {
        // 500 different images of a registry that answers, while all turns of the other one are taken.
        while slow.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let images: Vec<_> = (0..500).map(|number| world.image(&format!("team/{number}:1"))).collect();
        futures_join(images.iter().map(|image| world.pull(image, None)).collect()).await
    };
    tokio::select! {
        _ = hanging => panic!("what hangs has ended first"),
        verdicts = moving => {
            assert_eq!(verdicts.len(), 500);
            assert!(verdicts.iter().all(|(verdict, _)| verdict == "no-signature"), "{:?}", verdicts[0]);
        }
    }
    assert!(slow.requests().len() <= 2, "a quarter of the turns: {}", slow.requests().len());
}

/// All of these at the same time.
async fn futures_join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}

#[tokio::test]
async fn t123_names_and_metadata_of_any_size_do_no_harm() {
    let world = World::start().await;
    world.signed();
    for length in [300, 4096, 1 << 20] {
        let image = world.image(&format!("team/{}:1", "a".repeat(length)));
        let (verdict, line) = world.pull(&image, None).await;
        assert_eq!(verdict, "invalid-reference", "{length}");
        assert!(line.len() < 8 << 10, "{length}: {}", line.len());
    }
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(world.pulled().len(), 1);
}

#[tokio::test]
async fn t124_time_that_runs_out_in_any_step_is_no_success() {
    let limits = || Limits { absence: Duration::ZERO, ..impatient() };
    for step in ["/manifests/1", ".sig", "/referrers/", "/blobs/", "/token"] {
        let world = World::with(options(), limits()).await;
        world.signed();
        world.registry.hook(move |request| match request.uri.path() {
            path if path.contains(step) || path.ends_with(step) => {
                Some(Scripted::status(200).body(Body::Hang))
            }
            _ if step == "/token" => {
                let realm = format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap());
                Some(Scripted::status(401).header("www-authenticate", &realm))
            }
            // The only signature is in the classic layout: without an answer about referrers, it still counts.
            _ => None,
        });
        let expected = if step == "/referrers/" { PULLED } else { "registry-timeout" };
        assert_eq!(world.verdict("team/app:1").await, expected, "{step}");
        assert_eq!(world.pulled().len(), usize::from(expected == PULLED));
    }
}

#[tokio::test]
async fn t128_a_name_writes_no_line_of_its_own() {
    let world = World::start().await;
    for name in
        ["team/a\nb:1", "team/\u{1b}[31mred:1", "team/a\r\nverified:1", "team/\u{202e}evil:1", "team/a\0:1"]
    {
        // `pull` checks that the line is one, and has nothing that turns it round.
        let (verdict, line) = world.pull(&world.image(name), None).await;
        assert_eq!(verdict, "invalid-reference", "{line}");
    }
    assert_eq!((world.registry.requests().len(), world.runtime.calls().len()), (0, 0));
}

#[tokio::test]
async fn t131_what_needs_no_signature_costs_no_request() {
    let world = World::start().await;
    let host = world.registry.host();
    world.policy(&format!(
        "default = \"deny\"\n[[namespace]]\nscope = \"{host}/free\"\nallow = \"unsigned\"\nreason = \"test\"\n\
         [[namespace]]\nscope = \"{host}/never\"\ndeny = \"test\"\n"
    ));
    // The fake runtime pulls by digest only; what counts is that it was asked.
    world.verdict("free/app:1").await;
    assert_eq!(world.verdict("never/app:1").await, "denied-by-rule");
    assert_eq!(world.verdict("other/app:1").await, "denied-by-rule");
    assert_eq!(world.registry.requests().len(), 0);
    assert_eq!(world.pulled(), [world.image("free/app:1")]);
}

#[tokio::test]
async fn two_daemons_share_nothing() {
    let world = World::start().await;
    world.signed();
    let directory = tempfile::tempdir().unwrap();
    let other = Daemon::with_registry(directory.path(), world.runtime.socket(), Settings::default());
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(pull(&other, &world.image("team/app:1"), None).await.0, "no-policy");
}
