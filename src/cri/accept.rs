//! Connections: accepting them, and letting them finish at the end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Peer, Proxy};
use crate::containerd::LazyWritableStream;
use crate::containerd::upstream::MAX_HEADER_BYTES;

/// How many connections are served at a time. kubelet has one or two; the rest is for crictl and probes.
const MAX_CONNECTIONS: usize = 256;

/// How many calls one connection may have under way. hyper's default is 200, and a pull holds its stream for minutes.
const MAX_STREAMS: u32 = 4096;

/// The pause after a failed accept (the process is out of file descriptors, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections of `listener` until `stop` resolves, then lets calls under way finish within `grace`.
pub async fn serve(
    proxy: Arc<Proxy>,
    listener: UnixListener,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut http = Builder::new(TokioExecutor::new());
    http.auto_date_header(false).max_header_list_size(MAX_HEADER_BYTES).max_concurrent_streams(MAX_STREAMS);
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            biased;
            () = &mut stop => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => (place, stream),
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (proxy, peer) = (Arc::clone(&proxy), peer_of(&stream));
        let stream = match LazyWritableStream::new(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::error!(%error, "cannot serve a connection");
                continue;
            }
        };
        let answer = service_fn(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { proxy.handle(request, peer).await }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), answer));
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                // A caller that exits without a goodbye is the ordinary end of crictl. An old kubelet (before 1.31)
                // shows up here too: its `:authority` is a socket path, which ends the stream below us.
                tracing::debug!(%error, "connection ended");
            }
        });
    }
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
