//! Connections: accepting them, and letting them finish at the end.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pullgate_daemon::accept::accept_bounded;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::{Peer, Proxy, route};
use crate::containerd::upstream::MAX_HEADER_BYTES;
use crate::containerd::{Body, LazyWritableStream};

/// How many calls one connection may have under way. hyper's default is 200, and a pull holds its stream for minutes.
const MAX_STREAMS: u32 = 4096;

/// How long a peer may send nothing, after its first bytes, before it gets a PING, and how long it may take to answer that.
/// Only a peer that has stopped, or that stopped within a frame, does not answer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Serves connections of `listener` until `stop` resolves, then lets calls under way finish within `grace`.
pub async fn serve(
    proxy: Arc<Proxy>,
    listener: UnixListener,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let mut http = Builder::new(TokioExecutor::new());
    http.auto_date_header(false).max_header_list_size(MAX_HEADER_BYTES).max_concurrent_streams(MAX_STREAMS);
    http.timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    let stopping = watch::Sender::new(false);
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        let peer = peer_of(&stream);
        Ok((LazyWritableStream::new(stream)?, peer))
    };
    let serve = |(stream, peer)| {
        let (proxy, http, mut stopping) = (Arc::clone(&proxy), http.clone(), stopping.subscribe());
        async move {
            let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
            serve_connection(proxy, http, (stream, peer), stop).await;
        }
    };
    let mut connections = accept_bounded(accept, proxy.connections.max_sockets(), serve, stop).await;
    drop(listener);
    stopping.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, finished).await.is_err() {
        tracing::warn!(?grace, "shutdown timeout: calls in progress were cut off");
    }
}

/// Serves one connection, if there is room for it.
async fn serve_connection(
    proxy: Arc<Proxy>,
    http: Builder<TokioExecutor>,
    (stream, peer): (LazyWritableStream, Peer),
    stop: impl Future<Output = ()>,
) {
    let Some(place) = proxy.connections.admit(peer, peer.is_trusted()) else {
        let limit = proxy.connections.counts().limit;
        tracing::warn!(
            peer.uid,
            peer.pid,
            limit,
            "connection refused: every open connection has calls in progress"
        );
        return;
    };
    let calls = place.clone();
    let answer = service_fn(move |request| {
        if route::is_image_call(&request) {
            calls.mark();
        }
        let (proxy, call) = (Arc::clone(&proxy), calls.call());
        async move {
            let answer = proxy.handle(request, peer).await?;
            // The call is under way until the body is sent, and dropped.
            let until_sent = move |body: Body| {
                body.map_frame(move |frame| {
                    let _ = &call;
                    frame
                })
            };
            Ok::<_, hyper::Error>(answer.map(until_sent))
        }
    });
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    match place.serve(connection, |connection| connection.graceful_shutdown(), stop).await {
        Some(Ok(())) => {}
        // A caller that exits without a goodbye is the ordinary end of crictl. An old kubelet (before 1.31)
        // shows up here too: its `:authority` is a socket path, which ends the stream below us.
        Some(Err(error)) => tracing::debug!(%error, "connection ended"),
        None => tracing::debug!(
            peer.uid,
            peer.pid,
            "connection dropped: the caller did not close the connection in time"
        ),
    }
}

fn peer_of(stream: &UnixStream) -> Peer {
    let peer = stream.peer_cred().map_or_else(
        |_| Peer::default(),
        |credentials| Peer { pid: credentials.pid(), uid: credentials.uid() },
    );
    tracing::debug!(peer.uid, peer.pid, "connection accepted");
    peer
}
