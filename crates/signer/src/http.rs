//! Listeners: who may connect to which endpoint, and within which limits.

mod secret;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pullgate_daemon::http::{HttpLimits, HttpServer, Socket};
use pullgate_daemon::metrics;
use tokio::sync::watch;

pub(super) use secret::Secret;

use super::Listen;
use super::answer::{Door, Endpoint};
use super::service::Signer;

/// Timeout of the operator's requests: one may list a registry.
const REQUEST: Duration = Duration::from_secs(3600);

/// A listening socket, and its endpoint.
#[derive(Debug)]
pub struct Listener {
    server: HttpServer,
    endpoint: Endpoint,
}

impl Listener {
    /// The listener for notifications of registries.
    ///
    /// # Errors
    /// When everyone could notify, a file cannot be used, or the address cannot be bound.
    pub fn notifications(listen: &Listen, limits: &super::Limits) -> Result<Self, ListenError> {
        let known = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        if listen.secret_file.is_none() && !known && !listen.address.is_local() {
            return Err(ListenError::Open);
        }
        let secret = listen.secret_file.as_deref().map(pullgate_net::secret::read).transpose();
        let secret = secret.map_err(ListenError::Secret)?.map(|secret| Arc::new(Secret::new(&secret)));
        let tls = listen.tls.as_ref().map(tls::config).transpose()?;
        // A registry runs as another user; the mode of the directory of a Unix socket restricts access.
        let socket = Socket::bind(&listen.address)?;
        let limits = HttpLimits {
            body: limits.body_bytes,
            connections: limits.connections,
            time: limits.request_timeout,
        };
        let endpoint = Endpoint::Notifications { secret };
        Ok(Self { server: HttpServer { socket, tls, limits }, endpoint })
    }

    /// The listener for the operator.
    ///
    /// # Errors
    /// When the socket cannot be created.
    pub fn control(path: &Path) -> Result<Self, ListenError> {
        let limits = HttpLimits { body: 1 << 20, connections: 8, time: REQUEST };
        let server = HttpServer { socket: Socket::unix(path, 0o600)?, tls: None, limits };
        Ok(Self { server, endpoint: Endpoint::Control })
    }

    /// The listener for metrics.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn metrics(address: std::net::SocketAddr) -> Result<Self, ListenError> {
        let server = HttpServer { socket: Socket::tcp(address)?, tls: None, limits: metrics::LIMITS };
        Ok(Self { server, endpoint: Endpoint::Metrics })
    }

    /// The address, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.socket.address()
    }

    /// Serves until `stop` is true, and completes requests that are under way then.
    pub async fn serve(self, signer: Arc<Signer>, stop: watch::Receiver<bool>) {
        let door = Door { endpoint: self.endpoint, signer };
        self.server.serve(Arc::new(door), stop).await;
    }
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
    /// The socket cannot be created.
    #[error(transparent)]
    Socket(#[from] pullgate_daemon::http::ListenError),
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
    };

    use pullgate_daemon::http::ListenError as SocketError;
    use pullgate_daemon::unix_socket::UnixSocketError;

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
        let again = Listener::control(&path);
        assert!(matches!(again, Err(ListenError::Socket(SocketError::Socket(UnixSocketError::Served(_))))));
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
        let again = Listener::control(&path);
        assert!(matches!(again, Err(ListenError::Socket(SocketError::Socket(UnixSocketError::Served(_))))));
    }
}
