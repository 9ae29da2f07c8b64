//! Where a server listens.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::unix_socket::{UnixSocket, UnixSocketError};

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address with its port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// The text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(_) => Err(NotAnAddress),
            None => text.parse().map(Self::Tcp).map_err(|_| NotAnAddress),
        }
    }
}

impl Address {
    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpListener),
    /// Its file is removed when this is dropped.
    Unix(UnixSocket),
}

impl Socket {
    /// Listens at `address`. Every process that can reach the directory of a Unix socket can connect to it.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn bind(address: &Address) -> Result<Self, ListenError> {
        match address {
            Address::Tcp(address) => Self::tcp(*address),
            Address::Unix(path) => Self::unix(path, 0o666),
        }
    }

    /// Listens at an IP address and port.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(Self::Tcp(socket))
        });
        bound.map_err(|error| ListenError::Bind { address: address.to_string(), error })
    }

    /// Makes a Unix socket, replacing one that no process serves any more.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn unix(path: &Path, mode: u32) -> Result<Self, ListenError> {
        Ok(Self::Unix(UnixSocket::with_mode(path, mode)?))
    }

    /// The address, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(socket) => socket.local_addr().map_or_else(|_| "?".to_owned(), |it| it.to_string()),
            Self::Unix(_) => "a unix socket".to_owned(),
        }
    }

    /// The listener, registered with the event loop.
    pub(super) fn listener(&self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(socket) => Listener::Tcp(tokio::net::TcpListener::from_std(socket.try_clone()?)?),
            Self::Unix(socket) => Listener::Unix(socket.listener()?),
        })
    }
}

pub(super) enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

pub(super) enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Listener {
    /// A connection, and the address at its other end.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(address.ip())))
            }
            Self::Unix(socket) => Ok((Stream::Unix(socket.accept().await?.0), None)),
        }
    }
}

/// Why a socket cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
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
