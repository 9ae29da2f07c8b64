//! Other calls than pulls cross unchanged: payload, metadata, status, trailers, deadline, cancellation.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pullgate::containerd::{Body, Upstream};
use tokio::sync::Notify;

use crate::options::settings::proxy;
use pullgate_test::proxy::{Daemon, call};
use pullgate_test::runtime::{Reply, Runtime, error, framed, status};
use pullgate_test::tap::Tap;
use pullgate_test::world::World;

const INFO: &str = "/runtime.v1.ImageService/ImageFsInfo";

async fn call_with_headers(world: &World, path: &str, headers: HeaderMap, body: Bytes) -> Response<Incoming> {
    call(world.daemon.client(), path, headers, body).await
}

fn answer(data: Vec<Bytes>, trailers: HeaderMap) -> Reply {
    Reply::Answer { headers: HeaderMap::new(), data, trailers: Some(trailers) }
}

async fn collect(response: Response<Incoming>) -> (HeaderMap, Bytes, Option<HeaderMap>) {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (head.headers, collected.to_bytes(), trailers)
}

#[tokio::test]
async fn payload_metadata_and_trailers_cross_unchanged() {
    let world = World::builder().start().await;
    // Not even protobuf: the proxy must not parse it.
    let sent = framed(b"\xff\xfe any bytes \0 at all");
    let replied = framed(b"\x00\x01\x02 anything back");
    let reply = replied.clone();
    world.runtime.script(move |_| {
        let mut headers = HeaderMap::new();
        headers.insert("x-from-runtime", "head".parse().unwrap());
        headers.insert("x-from-runtime-bin", "AAEC".parse().unwrap());
        let mut trailers = status(0, "");
        trailers.insert("x-last", "trailer".parse().unwrap());
        trailers.insert("grpc-status-details-bin", "CAUSBHRlc3Q".parse().unwrap());
        Some(Reply::Answer { headers, data: vec![reply.clone()], trailers: Some(trailers) })
    });
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-go/1.72.0"),
        ("grpc-timeout", "1999m"),
        ("grpc-accept-encoding", "gzip"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-several", "one"),
        ("x-binary-bin", "AP8"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    headers.append("x-several", "two".parse().unwrap());
    let response = call_with_headers(&world, INFO, headers.clone(), sent.clone()).await;
    let (head, body, trailers) = collect(response).await;
    assert_eq!(body, replied);
    assert_eq!(head["x-from-runtime"], "head");
    assert_eq!(head["x-from-runtime-bin"], "AAEC");
    assert!(!head.contains_key("date") && !head.contains_key("server"), "nothing is added: {head:?}");
    let trailers = trailers.unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-last"], "trailer");
    assert_eq!(trailers["grpc-status-details-bin"], "CAUSBHRlc3Q");
    let calls = world.runtime.calls();
    let [seen] = &calls[..] else { panic!("one call, not {}", calls.len()) };
    assert_eq!(seen.path, INFO);
    assert_eq!(seen.body, sent);
    assert_eq!(seen.headers, headers, "metadata arrives as it was sent, nothing added, nothing lost");
}

#[tokio::test]
async fn an_error_stays_trailers_only() {
    let world = World::builder().start().await;
    world.runtime.script(|_| {
        let mut headers = status(5, "no such %E2%9C%97");
        headers.insert("grpc-status-details-bin", "CAUSBHRlc3Q".parse().unwrap());
        Some(Reply::Answer { headers, data: Vec::new(), trailers: None })
    });
    let response = call_with_headers(&world, INFO, HeaderMap::new(), framed(b"")).await;
    // grpc-go takes an empty DATA frame after these headers for a broken stream.
    assert!(http_body::Body::is_end_stream(response.body()));
    assert_eq!(response.headers()["grpc-status"], "5");
    assert_eq!(response.headers()["grpc-message"], "no such %E2%9C%97");
    assert_eq!(response.headers()["grpc-status-details-bin"], "CAUSBHRlc3Q");
}

#[tokio::test]
async fn large_messages_and_long_errors_cross_and_no_ping_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::start(&directory.path().join("runtime.sock"));
    let tap = Tap::start(&directory.path().join("tap.sock"), runtime.socket());
    let daemon = Daemon::builder(directory.path(), &directory.path().join("tap.sock")).start();
    let large = framed(&vec![7; 16 << 20]);
    let reply = large.clone();
    runtime.script(move |call| {
        Some(if call.path.ends_with("ListImages") {
            answer(vec![reply.clone()], status(0, ""))
        } else {
            error(2, &"e".repeat(40_000))
        })
    });
    let list = "/runtime.v1.ImageService/ListImages";
    let (_, body, _) = collect(call(daemon.client(), list, HeaderMap::new(), large.clone()).await).await;
    assert_eq!(body.len(), large.len());
    assert_eq!(body, large);
    assert_eq!(runtime.calls()[0].body, large);
    let response = call(daemon.client(), INFO, HeaderMap::new(), framed(b"")).await;
    assert_eq!(response.headers()["grpc-message"].len(), 40_000);
    assert!(tap.frames() > 100, "the tap records what goes to the runtime");
    assert_eq!(tap.pings(), 0, "containerd answers pings with GOAWAY too_many_pings");
}

#[tokio::test]
async fn a_stream_is_forwarded_as_it_arrives() {
    let world = World::builder().start().await;
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    world.runtime.script(move |_| {
        Some(Reply::Streamed { first: framed(b"first"), gate: Arc::clone(&gate), then: framed(b"second") })
    });
    let path = "/runtime.v1.RuntimeService/GetContainerEvents";
    let mut body = call_with_headers(&world, path, HeaderMap::new(), framed(b"")).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, framed(b"first"), "the first message arrives while the stream is still open");
    opened.notify_one();
    let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(second, framed(b"second"));
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn unknown_methods_cross_with_their_status() {
    let world = World::builder().start().await;
    for path in ["/runtime.v1.ImageService/StreamImages", "/runtime.v1.RuntimeService/StreamContainers"] {
        let response = call_with_headers(&world, path, HeaderMap::new(), framed(b"x")).await;
        assert_eq!(response.headers()["grpc-status"], "12");
        assert_eq!(response.headers()["grpc-message"], "unknown method", "the runtime's own words");
    }
    assert_eq!(world.runtime.calls().len(), 2);
}

#[tokio::test]
pub(crate) async fn b17_unknown_methods_that_may_bring_an_image_cross_only_if_allowed() {
    let unknown = [
        "/runtime.v1.ImageService/LoadImage",
        "/runtime.v1.ImageService/Prefetch",
        "/runtime.v1.RuntimeService/PullAndRun",
        "/runtime.v1.RuntimeService/ImportContainer",
        "/runtime.v1.RuntimeService/CreatePod",
        "/runtime.v1.RuntimeService/RestoreContainer",
        "/runtime.v1.RuntimeService/RunFromCheckpoint",
    ];
    for (value, allowed) in [("deny", false), ("allow", true)] {
        let settings = proxy(&format!("[gate]\nunknown-methods = \"{value}\""));
        let world = World::builder().proxy(|proxy| *proxy = settings).start().await;
        world.runtime.script(|_| Some(answer(vec![framed(b"done")], status(0, ""))));
        let (expected, reached) = if allowed { ("0", unknown.len()) } else { ("12", 0) };
        for path in unknown {
            assert_eq!(world.call(path, b"x").await.code, expected, "{path}, allowed: {allowed}");
        }
        assert_eq!(world.runtime.calls().len(), reached, "allowed: {allowed}");
        let counted = world.daemon.proxy.counters().unknown_methods.get();
        assert_eq!(counted, (unknown.len() - reached) as u64);
        for path in ["/runtime.v1.RuntimeService/Reconfigure", "/runtime.v1.ImageService/ListImages"] {
            assert_eq!(world.call(path, b"x").await.code, "0", "{path}, allowed: {allowed}");
        }
    }
}

#[tokio::test]
async fn calls_outside_the_cri_do_not_reach_the_runtime() {
    let world = World::builder().start().await;
    let paths = [
        "/runtime.v1alpha2.ImageService/PullImage",
        "/runtime.v1alpha2.RuntimeService/Version",
        "/containerd.services.images.v1.Images/Create",
        "/containerd.services.transfer.v1.Transfer/Transfer",
        "/grpc.health.v1.Health/Check",
        "/runtime.v1.ImageService/PullImage/",
        "/runtime.v1.ImageService//PullImage",
        "/runtime.v1.ImageService/PullImage?x",
    ];
    for path in paths {
        let response = call_with_headers(&world, path, HeaderMap::new(), framed(b"")).await;
        assert_eq!(response.headers()["grpc-status"], "12", "{path}");
        assert!(http_body::Body::is_end_stream(response.body()), "{path}");
    }
    assert_eq!(world.runtime.calls().len(), 0);
    assert_eq!(world.daemon.proxy.counters().unimplemented.get(), paths.len() as u64);
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_runtime() {
    let world = World::builder().start().await;
    let dropped = Arc::new(Notify::new());
    let observed = Arc::clone(&dropped);
    world.runtime.script(move |_| Some(Reply::Never { dropped: Arc::clone(&observed) }));
    let call = call_with_headers(&world, INFO, HeaderMap::new(), framed(b""));
    let begun = async {
        while world.runtime.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = call => panic!("there is no answer"),
        () = begun => {}
    }
    // The select dropped the call, which cancels it.
    tokio::time::timeout(Duration::from_secs(10), dropped.notified())
        .await
        .expect("the runtime did not see the cancellation");
}

#[tokio::test]
async fn an_absent_runtime_is_unavailable_until_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let socket: PathBuf = directory.path().join("runtime.sock");
    let daemon = Daemon::builder(directory.path(), &socket).start();
    let ask = || call(daemon.client(), INFO, HeaderMap::new(), framed(b""));
    let response = ask().await;
    assert_eq!(response.headers()["grpc-status"], "14", "absent at the start");
    for round in 0..2 {
        let runtime = Runtime::start(&socket);
        runtime.script(|_| Some(answer(vec![framed(b"here")], status(0, ""))));
        let (_, body, _) = collect(ask().await).await;
        assert_eq!(body, framed(b"here"), "round {round}");
        drop(runtime);
        tokio::task::yield_now().await;
        let gone = ask().await;
        assert_eq!(gone.headers()["grpc-status"], "14", "round {round}");
    }
}

#[tokio::test]
async fn the_authority_is_optional() {
    // kubelet sends "localhost"; other clients send nothing.
    let world = World::builder().start().await;
    world.runtime.script(|_| Some(answer(vec![framed(b"ok")], status(0, ""))));
    let request = Request::post(INFO).body(Body::full(framed(b""))).unwrap();
    let response = Upstream::new(world.directory.path().join("pullgate.sock")).send(request).await.unwrap();
    let (_, body, _) = collect(response).await;
    assert_eq!(body, framed(b"ok"));
}
