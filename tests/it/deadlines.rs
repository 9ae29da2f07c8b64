//! The caller's `grpc-timeout` ends at each side: here, at the runtime, at both at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request};
use prost::Message as _;
use pullgate::api;
use pullgate::containerd::{Body, UpstreamError};
use pullgate::digest::Digest;
use tokio::sync::Notify;

use pullgate_test::proxy::call;
use pullgate_test::registry::{self, Scripted};
use pullgate_test::runtime::{self, Call, Reply, framed, image_id};
use pullgate_test::world::{World, pull_request};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";
const INFO: &str = "/runtime.v1.ImageService/ImageFsInfo";

/// An image that needs no signature, and so no registry.
const OPEN: &str = "registry.example.com/open/app:1";

/// The limit for what must happen at some time.
const LIMIT: Duration = Duration::from_secs(30);

/// A node whose runtime answers calls of `path` with `reply`, and has [`OPEN`].
async fn world(path: &'static str, reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> World {
    let world = World::builder().without_policy().start().await;
    world.set_policy(
        "default = \"deny\"\n[[namespace]]\nscope = \"registry.example.com/open\"\nallow = \"unsigned\"\nreason = \"a test\"\n",
    );
    world.runtime.record(&image_id(OPEN), Digest::of(b"a manifest").as_str());
    world.runtime.script(move |call| match call.path.as_str() {
        asked if asked == path => Some(reply(call)),
        STATUS => {
            let image = api::Image {
                id: image_id(OPEN),
                repo_tags: vec![OPEN.to_owned()],
                size: 1,
                ..Default::default()
            };
            Some(runtime::message(&api::ImageStatusResponse { image: Some(image), ..Default::default() }))
        }
        _ => None,
    });
    world
}

/// kubelet's call at each intercepted method.
fn calls() -> [(&'static str, Bytes); 3] {
    let spec = |image: String| api::ImageSpec { image, ..Default::default() };
    let create = api::CreateContainerRequest {
        pod_sandbox_id: "sandbox".to_owned(),
        config: Some(api::ContainerConfig {
            image: Some(api::ImageSpec { user_specified_image: OPEN.to_owned(), ..spec(image_id(OPEN)) }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let status = api::ImageStatusRequest { image: Some(spec(OPEN.to_owned())), verbose: false };
    [
        (PULL, framed(&pull_request(OPEN).encode_to_vec())),
        (STATUS, framed(&status.encode_to_vec())),
        (CREATE, framed(&create.encode_to_vec())),
    ]
}

/// Code and message of the answer to a call with this `grpc-timeout`.
async fn answer(world: &World, path: &str, body: Bytes, timeout: &str) -> (String, String) {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-timeout", timeout.parse().unwrap());
    let answered = call(world.daemon.client(), path, headers, body);
    let answered = tokio::time::timeout(LIMIT, answered).await.expect("an answer");
    let text = |name| answered.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (text("grpc-status"), text("grpc-message"))
}

/// The time that the caller of the runtime gives it.
fn given(call: &Call) -> Duration {
    let text = call.headers["grpc-timeout"].to_str().unwrap();
    let (count, unit) = text.split_at(text.len() - 1);
    let count = count.parse().unwrap();
    match unit {
        "u" => Duration::from_micros(count),
        "m" => Duration::from_millis(count),
        _ => panic!("{text}"),
    }
}

#[tokio::test]
async fn a7_a_deadline_that_passes_while_the_registry_is_silent_is_exceeded() {
    let world = World::builder().start().await;
    world.registry.hook(|_| Some(Scripted::status(200).body(registry::Body::Hang)));
    let body = framed(&pull_request(&world.image("team/app:1")).encode_to_vec());
    let (code, message) = answer(&world, PULL, body, "100m").await;
    assert_eq!(code, "4", "{message}");
    assert_eq!(world.pulled(), Vec::<String>::new());
}

#[tokio::test]
async fn a7_a_deadline_that_passes_while_the_runtime_is_silent_is_exceeded_and_cancels_the_call() {
    for (path, body) in calls() {
        let dropped = Arc::new(Notify::new());
        let observed = Arc::clone(&dropped);
        let world = world(path, move |_| Reply::Never { dropped: Arc::clone(&observed) }).await;
        // Late enough for the call to reach the runtime.
        let (code, message) = answer(&world, path, body, "1000m").await;
        assert_eq!(code, "4", "{path}: {message}");
        tokio::time::timeout(LIMIT, dropped.notified()).await.expect("the runtime's call is cancelled");
    }
}

/// grpc-go's server resets the stream at the deadline, while ours runs as well.
#[tokio::test]
async fn a7_a_deadline_that_the_runtime_notices_too_is_exceeded() {
    for (path, body) in calls() {
        let at_deadline = |call: &Call| Reply::Reset { after: given(call), reason: Reason::CANCEL };
        let world = world(path, at_deadline).await;
        for milliseconds in 0..40 {
            let (code, message) = answer(&world, path, body.clone(), &format!("{milliseconds}m")).await;
            assert_eq!(code, "4", "{path}, {milliseconds} ms: {message}");
        }
    }
}

#[tokio::test]
async fn a7_what_the_runtime_says_in_time_crosses() {
    for (path, body) in calls() {
        let world_4 = world(path, |_| runtime::error(4, "context deadline exceeded")).await;
        let (code, message) = answer(&world_4, path, body.clone(), "60S").await;
        assert_eq!((code.as_str(), message.as_str()), ("4", "context deadline exceeded"), "{path}");
        let reset = |_: &Call| Reply::Reset { after: Duration::ZERO, reason: Reason::REFUSED_STREAM };
        let world = world(path, reset).await;
        if path != CREATE {
            let (code, message) = answer(&world, path, body, "60S").await;
            assert_eq!(code, "14", "{path}: {message}");
        }
    }
}

#[tokio::test]
async fn a7_the_reset_of_a_forwarded_call_crosses() {
    let at_deadline = |call: &Call| Reply::Reset { after: given(call), reason: Reason::CANCEL };
    let world = world(INFO, at_deadline).await;
    let request = Request::post(format!("http://localhost{INFO}")).header("grpc-timeout", "20m");
    let answered = world.daemon.client().send(request.body(Body::full(framed(b""))).unwrap());
    let error = tokio::time::timeout(LIMIT, answered).await.expect("an end").unwrap_err();
    assert!(matches!(error, UpstreamError::Exchange(_)), "{error:?}");
    assert!(error.into_reset().is_ok(), "the stream is reset, as the runtime did");
    assert_eq!(world.runtime.calls()[0].headers["grpc-timeout"], "20m");
}
