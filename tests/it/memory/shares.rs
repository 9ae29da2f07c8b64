//! Who waits for memory, and who does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use pullgate::api;
use pullgate::digest::Digest;
use pullgate::registry::Limits;
use pullgate_test::policy::RELEASE;
use pullgate_test::registry::{MANIFEST, manifest};
use pullgate_test::runtime::Reply;
use pullgate_test::signer::sign_classic;
use pullgate_test::world::{Answer, World, pull_request};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{PULL, p256, padding};

const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";

/// A world with little memory: two shares of 12 MiB, 4 MiB for questions and as many for requests.
async fn world() -> Arc<World> {
    let limits = Limits {
        memory: 32 << 20,
        queue_timeout: Duration::from_secs(5),
        negative_cache_ttl: Duration::ZERO,
        ..Limits::default()
    };
    Arc::new(World::builder().limits(limits).start().await)
}

/// A manifest of about 3 MiB.
fn large(config: &Digest) -> Bytes {
    let mut document: serde_json::Value = serde_json::from_slice(&manifest(&[], config, None)).unwrap();
    document["annotations"] = serde_json::json!({ "x": "x".repeat(3 << 20) });
    document.to_string().into()
}

/// Pulls of images whose name contains `hung` never end in the runtime.
fn hang(world: &World) {
    world.runtime.script(|call| {
        let is_hung = call.path == PULL && call.body.windows(4).any(|part| part == b"hung");
        is_hung.then(|| Reply::Never { dropped: Arc::new(Notify::new()) })
    });
}

/// Begins a call and waits until the runtime has `pulls` of them.
async fn begin(world: &Arc<World>, calls: &mut JoinSet<Answer>, message: Vec<u8>, pulls: usize) {
    let own = Arc::clone(world);
    calls.spawn(async move { own.call(PULL, &message).await });
    let arrived = async {
        while world.runtime.calls_of("PullImage").len() < pulls {
            assert!(calls.is_empty() || calls.try_join_next().is_none(), "the pull {pulls} has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived).await.expect("the pull reaches the runtime");
}

#[tokio::test]
async fn a4_large_images_that_the_runtime_pulls_hold_no_memory() {
    let world = world().await;
    hang(&world);
    let signed = |path: &str| {
        let config = world.registry.blob(path, format!("{{\"of\":\"{path}\"}}"));
        let digest = world.registry.manifest(path, MANIFEST, large(&config));
        world.registry.tag(path, "1", &digest);
        sign_classic(&world.registry, path, &digest, &p256());
    };
    let mut calls = JoinSet::new();
    // More than all that pulls may read.
    for number in 1..=9 {
        let path = format!("team/hung-{number}");
        signed(&path);
        let message = pull_request(&world.image(&format!("{path}:1"))).encode_to_vec();
        begin(&world, &mut calls, message, number).await;
    }
    signed("team/next");
    let answer = world.pull(&world.image("team/next:1")).await;
    assert_eq!(answer.code, "0", "{answer:?}");
}

#[tokio::test]
async fn a4_a_large_request_that_was_sent_to_the_runtime_holds_no_memory() {
    let world = world().await;
    hang(&world);
    let mut calls = JoinSet::new();
    for (number, path) in ["team/hung-1", "team/hung-2", "team/hung-3"].into_iter().enumerate() {
        let digest = world.registry.image(path, "1", path);
        sign_classic(&world.registry, path, &digest, &p256());
        let message =
            [pull_request(&world.image(&format!("{path}:1"))).encode_to_vec(), padding(3 << 20)].concat();
        begin(&world, &mut calls, message.clone(), number + 1).await;
        let sent = world.runtime.calls_of("PullImage")[number].body.slice(5..);
        let read = |message: &[u8]| api::PullImageRequest::decode(message).unwrap();
        assert_eq!(read(&sent).image.unwrap().image, world.image(&format!("{path}@{digest}")));
        assert!(sent.ends_with(&padding(3 << 20)), "every other byte is kept");
    }
}

#[tokio::test]
async fn a4_equal_questions_share_one_walk_through_the_runtime_s_content() {
    let world = world().await;
    let denied = Digest::of(b"denied");
    let policy = format!(
        "default = \"deny\"\n{RELEASE}[[namespace]]\nscope = \"%HOST/free\"\nallow = \"unsigned\"\n\
         reason = \"a test\"\n[deny]\ndigests = [{{ digest = \"{denied}\", reason = \"a test\" }}]\n"
    );
    world.set_policy(&policy);
    let config = Digest::of(b"{}");
    let document = large(&config);
    world.runtime.hold(&document);
    let name = world.image("free/app:1");
    for known in [&name, config.as_str()] {
        world.runtime.record(known, Digest::of(&document).as_str());
    }
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (own, name) = (Arc::clone(&world), name.clone());
        let spec = api::ImageSpec { image: name, ..Default::default() };
        let message = api::ImageStatusRequest { image: Some(spec), verbose: false }.encode_to_vec();
        calls.spawn(async move { own.call(STATUS, &message).await });
    }
    for answer in calls.join_all().await {
        assert!(answer.code == "0" && answer.body.len() > 5, "{answer:?}");
    }
    assert_eq!(world.runtime.calls_of("Read").len(), 1);
}
