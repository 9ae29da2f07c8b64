//! Connections and requests of a server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::address::{Socket, Stream};
use super::{Answer, Service, text};
use crate::accept::accept_bounded;
use crate::connections::{Connection as Place, ConnectionLimits, Connections};

/// Bytes of a request's headers.
const HEAD: usize = 16 << 10;

/// The most headers of a request.
const HEADERS: usize = 64;

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(60);

/// How long a TLS handshake may take, and a first request until it is admitted.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// The most bytes of a request's body.
    pub body: usize,
    /// How many connections are open.
    pub connections: usize,
    /// How long a request may take.
    pub time: Duration,
}

/// A listening socket, and how its connections are served.
#[derive(Debug)]
pub struct HttpServer {
    pub socket: Socket,
    /// TLS, for TCP sockets.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub limits: HttpLimits,
}

impl HttpServer {
    /// Serves until `stop` is true, and completes requests that are under way then.
    pub async fn serve<S: Service>(self, service: Arc<S>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Connections::new(ConnectionLimits {
            connections: self.limits.connections,
            first_call: FIRST_REQUEST,
        }));
        let listener = match self.socket.listener() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, address = self.socket.address(), "cannot serve a socket");
                return;
            }
        };
        let stopped = stop.clone();
        let serve = |(stream, peer)| {
            let (places, service, mut stop) = (Arc::clone(&places), Arc::clone(&service), stopped.clone());
            let (limits, tls) = (self.limits, self.tls.clone().map(TlsAcceptor::from));
            async move {
                let place = tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    // Every address may use the reserve: none is known to be a registry's.
                    place = places.wait(peer, true) => place,
                };
                let connection = Connection { service, limits, place, stop };
                match (stream, tls) {
                    (Stream::Unix(stream), _) => connection.serve(stream).await,
                    (Stream::Tcp(stream), None) => connection.serve(stream).await,
                    (Stream::Tcp(stream), Some(tls)) => {
                        match connection.place.begin(tls.accept(stream)).await {
                            Some(Ok(stream)) => connection.serve(stream).await,
                            Some(Err(error)) => tracing::warn!(%error, "TLS handshake with a client failed"),
                            None => {}
                        }
                    }
                }
            }
        };
        let stop = async { drop(stop.wait_for(|stop| *stop).await) };
        let mut connections = accept_bounded(|| listener.accept(), places.max_sockets(), serve, stop).await;
        while connections.join_next().await.is_some() {}
    }
}

/// One connection, and what answers its requests.
struct Connection<S> {
    service: Arc<S>,
    limits: HttpLimits,
    place: Place,
    stop: watch::Receiver<bool>,
}

impl<S: Service> Connection<S> {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut stop, place) = (self.stop.clone(), self.place.clone());
        let shared = Arc::new(self);
        let service = service_fn(move |request| {
            let connection = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(connection.answer(request).await) }
        });
        let server = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        let stop = async { drop(stop.wait_for(|stop| *stop).await) };
        // How a client ends its connection is its own affair.
        let _ = place.serve(server, |server| server.graceful_shutdown(), stop).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        if let Err(refused) = self.service.admit(&parts) {
            return *refused;
        }
        // Only now: a client that did not authenticate must not keep its place.
        let _call = self.place.call();
        let answered = async {
            let body = match Limited::new(body, self.limits.body).collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => {
                    return text(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "the body is too large, or the connection ended in the middle of the body",
                    );
                }
            };
            self.service.answer(&parts, &body).await
        };
        let answered = tokio::time::timeout(self.limits.time, answered).await;
        answered.unwrap_or_else(|_| text(StatusCode::REQUEST_TIMEOUT, "the request took too long"))
    }
}
