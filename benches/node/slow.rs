//! A distant registry: a proxy on loopback that delays all data, and records the requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::event_loop;
use pullgate_test::node::http;

/// The round-trip time.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(20);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) agent: String,
    begin: Instant,
    /// When the answer began; `None` before that.
    end: Option<Instant>,
}

/// The proxy. It ends with the process.
pub(crate) struct Slow {
    host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    recorded: Vec<RecordedRequest>,
    /// Whether the proxy answers the referrers API, with the content of the fallback tag.
    referrers: bool,
    delay: bool,
}

impl Slow {
    /// Starts a proxy before the registry at `host`, which is distribution's and has no referrers API.
    pub(crate) fn start(host: &str) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let (shared, behind) = (Arc::clone(&state), host.to_owned());
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || event_loop().block_on(serve(behind, shared, sender)));
        let address = receiver.recv().expect("the proxy listens");
        Self { host: address.to_string(), state }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Switches the delay on or off.
    pub(crate) fn delay(&self, delay: bool) {
        lock(&self.state).delay = delay;
    }

    /// Switches the referrers API on or off.
    pub(crate) fn offer_referrers(&self, referrers: bool) {
        lock(&self.state).referrers = referrers;
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<RecordedRequest> {
        std::mem::take(&mut lock(&self.state).recorded)
    }
}

/// The longest chain of requests that each began after the answer to the previous one: the round trips in sequence.
pub(crate) fn in_sequence<'a>(recorded: impl Iterator<Item = &'a RecordedRequest>) -> usize {
    let mut spans: Vec<_> = recorded.filter_map(|recorded| Some((recorded.end?, recorded.begin))).collect();
    spans.sort_unstable();
    let mut last: Option<Instant> = None;
    let mut count = 0;
    for (end, begin) in spans {
        if last.is_none_or(|last| begin >= last) {
            (last, count) = (Some(end), count + 1);
        }
    }
    count
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(behind: String, state: Arc<Mutex<State>>, sender: std::sync::mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    sender.send(listener.local_addr().expect("a listener has an address")).expect("somebody waits");
    while let Ok((near, _)) = listener.accept().await {
        let (behind, state) = (behind.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(&behind).await else { return };
            let _ = near.set_nodelay(true);
            let _ = far.set_nodelay(true);
            let (from_near, to_near) = near.into_split();
            let (from_far, to_far) = far.into_split();
            let (up, ups) = mpsc::unbounded_channel();
            let (down, downs) = mpsc::unbounded_channel();
            tokio::spawn(deliver(ups, to_far));
            tokio::spawn(deliver(downs, to_near));
            let current = Arc::<Mutex<Option<usize>>>::default();
            tokio::spawn(answers(from_far, down.clone(), Arc::clone(&state), Arc::clone(&current)));
            questions(from_near, (up, down), behind, state, current).await;
        });
    }
}

type Parcel = (Instant, Vec<u8>);

async fn deliver(mut parcels: UnboundedReceiver<Parcel>, mut to: OwnedWriteHalf) {
    while let Some((due, bytes)) = parcels.recv().await {
        tokio::time::sleep_until(due.into()).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn questions(
    mut from: OwnedReadHalf,
    (up, down): (UnboundedSender<Parcel>, UnboundedSender<Parcel>),
    behind: String,
    state: Arc<Mutex<State>>,
    current: Arc<Mutex<Option<usize>>>,
) {
    // Connecting takes a round trip before data can be sent.
    let connected = Instant::now() + if lock(&state).delay { ROUND_TRIP } else { Duration::ZERO };
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer[..length].to_vec();
        let begin = Instant::now();
        let (way, referrers) = {
            let state = lock(&state);
            (if state.delay { ROUND_TRIP / 2 } else { Duration::ZERO }, state.referrers)
        };
        let Some((path, agent)) = head(&bytes) else {
            let _ = up.send((begin.max(connected) + way, bytes));
            continue;
        };
        let place = {
            let mut state = lock(&state);
            state.recorded.push(RecordedRequest { agent, begin, end: None });
            state.recorded.len() - 1
        };
        if let Some((repository, digest)) = path.split_once("/referrers/sha256:").filter(|_| referrers) {
            let tag = format!("sha256-{}", digest.split('?').next().unwrap_or_default());
            let path = format!("{repository}/manifests/{tag}");
            let host = behind.clone();
            let index = "application/vnd.oci.image.index.v1+json";
            let found = tokio::task::spawn_blocking(move || http::get(&host, &path, index)).await;
            let found = found.expect("the registry answers").body;
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {index}\r\ncontent-length: {}\r\n\r\n",
                found.len()
            )
            .into_bytes();
            answer.extend_from_slice(&found);
            let due = begin.max(connected) + 2 * way;
            let _ = down.send((due, answer));
            end(&state, place, due);
            continue;
        }
        *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        let _ = up.send((begin.max(connected) + way, bytes));
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    down: UnboundedSender<Parcel>,
    state: Arc<Mutex<State>>,
    current: Arc<Mutex<Option<usize>>>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let way = if lock(&state).delay { ROUND_TRIP / 2 } else { Duration::ZERO };
        let due = Instant::now() + way;
        let _ = down.send((due, buffer[..length].to_vec()));
        let place = current.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(place) = place {
            end(&state, place, due);
        }
    }
}

fn end(state: &Mutex<State>, place: usize, at: Instant) {
    // Requests that were recorded in between belong to an earlier measurement.
    if let Some(recorded) = lock(state).recorded.get_mut(place) {
        recorded.end = Some(at);
    }
}

/// The path and the user agent of a request that begins here. Clients write each head at once, and in sequence.
fn head(bytes: &[u8]) -> Option<(String, String)> {
    let methods: [&[u8]; 5] = [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH "];
    methods.iter().find(|method| bytes.starts_with(method))?;
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let agent = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("user-agent").then(|| value.to_owned())
    });
    Some((path, agent.unwrap_or_default()))
}
