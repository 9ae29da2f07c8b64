//! Connections to the CRI socket: many idle ones, silent ones, and calls that are never cut off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use pullgate::containerd::Upstream;
use pullgate::node;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use pullgate_test::proxy::call;
use pullgate_test::runtime::{Reply, framed, status};
use pullgate_test::world::World as Node;

const INFO: &str = "/runtime.v1.ImageService/ImageFsInfo";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";

/// The limit for what must happen at some time.
const LIMIT: Duration = Duration::from_secs(60);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A node whose runtime answers.
struct World(Node);

pullgate_test::extends_world!(World, 0);

impl World {
    async fn start(connections: usize) -> Self {
        let node = Node::builder().proxy(|proxy| proxy.limits.connections = connections).without_policy();
        let node = node.start().await;
        node.runtime.script(|_| Some(done()));
        Self(node)
    }

    /// A new connection, after a call on it was answered.
    async fn connect(&self) -> Upstream {
        let client = Upstream::new(self.directory.path().join("pullgate.sock"));
        let answer = call(&client, INFO, HeaderMap::new(), framed(b""));
        let answer = tokio::time::timeout(LIMIT, answer).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), framed(b"done"));
        client
    }

    async fn raw(&self, sent: &[u8]) -> UnixStream {
        let mut stream = UnixStream::connect(self.directory.path().join("pullgate.sock")).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream
    }
}

fn done() -> Reply {
    Reply::Answer { headers: HeaderMap::new(), data: vec![framed(b"done")], trailers: Some(status(0, "")) }
}

/// What a peer sends before it falls silent.
fn beginnings() -> [(&'static str, Vec<u8>); 5] {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [
        ("nothing", Vec::new()),
        ("half a preface", PREFACE[..10].to_vec()),
        ("no settings", PREFACE.to_vec()),
        ("half a frame", [PREFACE, &settings[..4]].concat()),
        ("a frame", [PREFACE, &settings].concat()),
    ]
}

/// critest leaves a connection for each of its tests.
#[tokio::test]
async fn a6_idle_connections_make_room_and_calls_under_way_stay() {
    let world = World::start(256).await;
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    world.runtime.script(move |call| {
        let gate = Arc::clone(&gate);
        let stream = Reply::Streamed { first: framed(b"first"), gate, then: framed(b"second") };
        Some(if call.path == EVENTS { stream } else { done() })
    });
    let events = Upstream::new(world.directory.path().join("pullgate.sock"));
    let mut events = call(&events, EVENTS, HeaderMap::new(), framed(b"")).await.into_body();
    let data = |frame: http_body::Frame<Bytes>| frame.into_data().unwrap();
    assert_eq!(data(events.frame().await.unwrap().unwrap()), framed(b"first"));
    let mut idle = Vec::new();
    for _ in 0..299 {
        idle.push(world.connect().await);
    }
    let kubelet = world.connect().await;
    let counts = world.daemon.proxy.connections();
    // An eighth of 256 is kept for others.
    assert_eq!((counts.limit, counts.open, counts.closed_idle, counts.refused), (256, 224, 301 - 224, 0));
    opened.notify_one();
    assert_eq!(data(events.frame().await.unwrap().unwrap()), framed(b"second"), "the oldest has a call");
    // A connection that was told to close takes no call away: its client opens another.
    for client in [&idle[0], &kubelet] {
        let answer = call(client, INFO, HeaderMap::new(), framed(b"")).await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), framed(b"done"));
    }
}

#[tokio::test]
async fn a6_silent_connections_make_room() {
    let world = World::start(16).await;
    let mut silent = Vec::new();
    for (_, sent) in beginnings().iter().cycle().take(40) {
        silent.push(world.raw(sent).await);
    }
    world.connect().await;
    assert!(world.daemon.proxy.connections().closed_idle > 0);
}

#[tokio::test]
async fn a6_connections_with_calls_are_not_closed_and_further_ones_are_refused() {
    let world = World::start(16).await;
    let dropped = Arc::new(Notify::new());
    world.runtime.script(move |call| {
        let never = Reply::Never { dropped: Arc::clone(&dropped) };
        Some(if call.path == EVENTS { never } else { done() })
    });
    let mut calls = tokio::task::JoinSet::new();
    for count in 1..=14 {
        let client = Upstream::new(world.directory.path().join("pullgate.sock"));
        calls.spawn(async move { call(&client, EVENTS, HeaderMap::new(), framed(b"")).await });
        while world.runtime.calls_of("GetContainerEvents").len() < count {
            tokio::task::yield_now().await;
        }
    }
    let mut refused = world.raw(PREFACE).await;
    let read = tokio::time::timeout(LIMIT, refused.read_to_end(&mut Vec::new())).await.expect("an end");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let counts = world.daemon.proxy.connections();
    assert_eq!((counts.open, counts.closed_idle, counts.refused), (14, 0, 1));
    assert!(calls.try_join_next().is_none(), "all calls are under way");
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    let ended = async {
        while world.daemon.proxy.connections().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the connections end with their callers");
    world.connect().await;
}

#[tokio::test(start_paused = true)]
async fn a6_a_silent_connection_is_closed_in_time() {
    let world = World::start(16).await;
    for (case, sent) in beginnings() {
        let mut stream = world.raw(&sent).await;
        let end = tokio::time::timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "{case}");
    }
    // After a call: half a frame, and no answer to a PING.
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    let mut head = vec![0x83, 0x86];
    for (name, value) in [(4, INFO), (1, "localhost")] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    let (data, headers, settings) = (0, 1, 4);
    let call = [
        PREFACE,
        &frame(settings, 0, 0, b""),
        &frame(headers, 4, 1, &head),
        &frame(data, 1, 1, &framed(b"")),
        &frame(data, 1, 3, b"half")[..6],
    ];
    let mut stream = world.raw(&call.concat()).await;
    let limit = Duration::from_secs(600);
    let end = tokio::time::timeout(limit, stream.read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "half a frame after a call");
    assert_eq!(world.runtime.calls().len(), 1);
}

#[tokio::test]
pub(crate) async fn a6_the_number_of_connections_is_an_option() {
    for (number, are_closed) in [(16, true), (64, false)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(pullgate::config::DAEMON_FILE);
        std::fs::write(&file, format!("[limits]\nconnections = {number}\n")).unwrap();
        let config = pullgate::config::load_daemon(&file).unwrap();
        let world = World::start(node::proxy_settings(&config).limits.connections).await;
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(world.connect().await);
        }
        let counts = world.daemon.proxy.connections();
        assert_eq!((counts.limit, counts.closed_idle > 0), (number, are_closed), "{counts:?}");
    }
}
