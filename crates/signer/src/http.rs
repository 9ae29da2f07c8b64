//! Listeners: HTTP/1.1, optionally over TLS, with limits on connections, bytes and time.

mod secret;
mod tls;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pullgate_daemon::accept::accept_bounded;
use pullgate_daemon::connections::{Connection as Place, ConnectionLimits, Connections};
use pullgate_daemon::unix_socket::{UnixSocket, UnixSocketError};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub(super) use secret::Secret;

use super::answer::{Answer, Endpoint, text};
use super::service::Signer;
use super::{Address, Listen};

/// Bytes of a request's headers.
const HEAD: usize = 16 << 10;

/// The most headers of a request.
const HEADERS: usize = 64;

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(60);

/// How long a TLS handshake may take, and a first request until it is authenticated.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Timeout of the operator's requests: one may list a registry.
const REQUEST: Duration = Duration::from_secs(3600);

/// A listening socket, and its endpoint.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<ServerConfig>>,
    door: Endpoint,
    bounds: Bounds,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Removes the file when dropped.
        _made: UnixSocket,
    },
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    body: usize,
    connections: usize,
    time: Duration,
}

impl Listener {
    /// The listener for notifications of registries.
    ///
    /// # Errors
    /// When everyone could notify, a file cannot be used, or the address cannot be bound.
    pub async fn notifications(listen: &Listen, limits: &super::Limits) -> Result<Self, ListenError> {
        let known = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        if listen.secret_file.is_none() && !known && !listen.address.is_local() {
            return Err(ListenError::Open);
        }
        let secret = listen.secret_file.as_deref().map(pullgate_net::secret::read).transpose();
        let secret = secret.map_err(ListenError::Secret)?.map(|secret| Arc::new(Secret::new(&secret)));
        let tls = listen.tls.as_ref().map(tls::config).transpose()?;
        let socket = match &listen.address {
            Address::Tcp(address) => Socket::Tcp(
                TcpListener::bind(address)
                    .await
                    .map_err(|error| ListenError::Bind { address: address.to_string(), error })?,
            ),
            // A registry runs as another user; the mode of the directory restricts access.
            Address::Unix(path) => unix(path, 0o666)?,
        };
        let bounds =
            Bounds { body: limits.body_bytes, connections: limits.connections, time: limits.request_timeout };
        Ok(Self { socket, tls, door: Endpoint::Notifications { secret }, bounds })
    }

    /// The listener for the operator.
    ///
    /// # Errors
    /// When the socket cannot be created.
    pub fn control(path: &std::path::Path) -> Result<Self, ListenError> {
        let bounds = Bounds { body: 1 << 20, connections: 8, time: REQUEST };
        Ok(Self { socket: unix(path, 0o600)?, tls: None, door: Endpoint::Control, bounds })
    }

    /// The listener for metrics.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn metrics(address: std::net::SocketAddr) -> Result<Self, ListenError> {
        let socket = TcpListener::bind(address).await;
        let socket = socket.map_err(|error| ListenError::Bind { address: address.to_string(), error })?;
        let bounds = Bounds { body: 0, connections: 16, time: Duration::from_secs(10) };
        Ok(Self { socket: Socket::Tcp(socket), tls: None, door: Endpoint::Metrics, bounds })
    }

    /// The address, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map_or_else(|_| "?".to_owned(), |it| it.to_string()),
            Socket::Unix { .. } => "a unix socket".to_owned(),
        }
    }

    /// Serves until `stop` is true, and completes requests that are under way then.
    pub async fn serve(self, signer: Arc<Signer>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Connections::new(ConnectionLimits {
            connections: self.bounds.connections,
            first_call: FIRST_REQUEST,
        }));
        let stopped = stop.clone();
        let serve = |(stream, peer)| {
            let (places, signer, mut stop) = (Arc::clone(&places), Arc::clone(&signer), stopped.clone());
            let (door, bounds) = (self.door.clone(), self.bounds);
            let tls = self.tls.clone().map(TlsAcceptor::from);
            async move {
                let place = tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    // Every address may use the reserve: none is known to be a registry's.
                    place = places.wait(peer, true) => place,
                };
                let connection = Connection { signer, door, bounds, place, stop };
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
        let mut connections = accept_bounded(|| self.accept(), places.max_sockets(), serve, stop).await;
        while connections.join_next().await.is_some() {}
    }

    /// A connection, and the address at its other end.
    async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(address.ip())))
            }
            Socket::Unix { listener, .. } => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// One connection, and the endpoint for its requests.
#[derive(Clone)]
struct Connection {
    signer: Arc<Signer>,
    door: Endpoint,
    bounds: Bounds,
    place: Place,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut stop, place) = (self.stop.clone(), self.place.clone());
        let shared = Arc::new(self);
        let service = service_fn(move |request| {
            let connection = Arc::clone(&shared);
            async move { Ok::<_, std::convert::Infallible>(connection.answer(request).await) }
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
        if let Err(refused) = self.door.admit(&self.signer, &parts) {
            return *refused;
        }
        // Only now: a client that did not authenticate must not keep its place.
        let _call = self.place.call();
        let answered = async {
            let body = match Limited::new(body, self.bounds.body).collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => {
                    return text(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "the body is too large, or the connection ended in the middle of the body",
                    );
                }
            };
            self.door.answer(&self.signer, &parts, &body).await
        };
        let answered = tokio::time::timeout(self.bounds.time, answered).await;
        answered.unwrap_or_else(|_| text(StatusCode::REQUEST_TIMEOUT, "the request took too long"))
    }
}

/// Binds a Unix socket, replacing one that no process serves any more.
fn unix(path: &std::path::Path, mode: u32) -> Result<Socket, ListenError> {
    let made = UnixSocket::with_mode(path, mode)?;
    let listener = made.listener().map_err(|error| UnixSocketError::listen(path, error))?;
    Ok(Socket::Unix { listener, _made: made })
}

/// Why a listener cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Everyone could notify.
    #[error(
        "senders of notifications are not authenticated: set `secret-file` or `clients`, \
         or listen at 127.0.0.1 or at a unix socket"
    )]
    Open,
    #[error("`secret-file` cannot be used: {0}")]
    Secret(String),
    /// The certificate or the key cannot be used.
    #[error("{path} cannot be used for TLS: {reason}")]
    Tls { path: PathBuf, reason: String },
    /// The address cannot be bound.
    #[error("cannot listen at {address}")]
    Bind {
        address: String,
        #[source]
        error: io::Error,
    },
    /// The Unix socket cannot be created.
    #[error(transparent)]
    Socket(#[from] UnixSocketError),
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
    };

    use super::*;

    #[tokio::test]
    async fn a_control_socket_is_private_and_removed_with_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/control.sock");
        let listener = Listener::control(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing else is left there"
        );
        assert!(matches!(Listener::control(&path), Err(ListenError::Socket(UnixSocketError::Served(_)))));
        drop(listener);
        assert!(!path.exists());
    }

    /// A process that was stopped with a full backlog neither accepts nor refuses connections: waiting for it would block
    /// the event loop permanently.
    #[tokio::test]
    async fn a_stopped_predecessor_does_not_block_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let new = |flags| socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        let address = UnixAddr::new(&path).unwrap();
        let stopped = new(SockFlag::SOCK_CLOEXEC);
        bind(stopped.as_raw_fd(), &address).unwrap();
        listen(&stopped, Backlog::new(0).unwrap()).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = new(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK);
            if connect(client.as_raw_fd(), &address).is_err() {
                break;
            }
            waiting.push(client);
            assert!(waiting.len() < 16, "the backlog has no end");
        }
        assert!(matches!(Listener::control(&path), Err(ListenError::Socket(UnixSocketError::Served(_)))));
    }
}
