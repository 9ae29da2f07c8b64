//! Connections: accepting them, and letting them finish at the end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use pullgate_daemon::accept::accept_bounded;
use tokio::net::{UnixListener, UnixStream};

use super::{Peer, Proxy};
use crate::containerd::LazyWritableStream;
use crate::containerd::upstream::MAX_HEADER_BYTES;

/// How many connections are served at a time. kubelet has one or two; the rest is for crictl and probes.
const MAX_CONNECTIONS: usize = 256;

/// How many calls one connection may have under way. hyper's default is 200, and a pull holds its stream for minutes.
const MAX_STREAMS: u32 = 4096;

/// Serves connections of `listener` until `stop` resolves, then lets calls under way finish within `grace`.
pub async fn serve(
    proxy: Arc<Proxy>,
    listener: UnixListener,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut http = Builder::new(TokioExecutor::new());
    http.auto_date_header(false).max_header_list_size(MAX_HEADER_BYTES).max_concurrent_streams(MAX_STREAMS);
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        let peer = peer_of(&stream);
        Ok((LazyWritableStream::new(stream)?, peer))
    };
    let serve = |(stream, peer)| {
        let proxy = Arc::clone(&proxy);
        let answer = service_fn(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { proxy.handle(request, peer).await }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), answer));
        async move {
            if let Err(error) = connection.await {
                // A caller that exits without a goodbye is the ordinary end of crictl. An old kubelet (before 1.31)
                // shows up here too: its `:authority` is a socket path, which ends the stream below us.
                tracing::debug!(%error, "connection ended");
            }
        }
    };
    let _connections = accept_bounded(accept, MAX_CONNECTIONS, serve, stop).await;
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(?grace, "calls still under way were cut off");
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
