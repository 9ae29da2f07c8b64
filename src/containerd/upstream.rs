//! The connections to the runtime: a single multiplexed one per socket, opened on demand and reopened after it was lost.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::body::Body;
use super::lazy_writable_stream::LazyWritableStream;
use super::write_coalescer::WriteCoalescer;

/// Maximum size of a header or trailer block, in bytes. hyper's default of 16 KiB would turn a long error text of the
/// runtime (that of an image verifier may be 32 KiB, twice) into a connection error.
pub const MAX_HEADER_BYTES: u32 = 1 << 20;

const IMAGE_SERVICE: &str = "/runtime.v1.ImageService/";

/// The runtime: containerd's socket, and perhaps another one for the image service of the CRI. Cheap to clone; all clones
/// share the connections.
///
/// A lazy-pulling snapshotter (stargz, SOCI, nydus) serves the image service itself, to see the credentials of pulls, and
/// forwards the calls to containerd.
#[derive(Clone, Debug)]
pub struct Upstream {
    runtime: Arc<Endpoint>,
    images: Arc<Endpoint>,
}

/// One socket and its connection.
#[derive(Debug)]
pub struct Endpoint {
    socket: PathBuf,
    // Locked while connecting, so that a runtime that comes back gets one connection, not one per waiting call.
    connection: Mutex<Option<SendRequest<Body>>>,
}

impl Upstream {
    /// An upstream with all services at `socket`. Does not connect: the runtime may start later.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let runtime = Arc::new(Endpoint::new(socket));
        Self { images: Arc::clone(&runtime), runtime }
    }

    /// The same upstream with the CRI's image service at `socket`.
    #[must_use]
    pub fn with_image_service(self, socket: impl Into<PathBuf>) -> Self {
        Self { images: Arc::new(Endpoint::new(socket)), ..self }
    }

    /// Where calls of the CRI's runtime service, and of containerd's own services, go.
    pub fn runtime(&self) -> &Endpoint {
        &self.runtime
    }

    /// Where calls of the CRI's image service go.
    pub fn images(&self) -> &Endpoint {
        &self.images
    }

    /// Whether the image service has a socket of its own.
    pub fn has_image_service(&self) -> bool {
        !Arc::ptr_eq(&self.runtime, &self.images)
    }

    /// Where a call of the method at `path` goes.
    pub fn endpoint(&self, path: &str) -> &Endpoint {
        if path.starts_with(IMAGE_SERVICE) { &self.images } else { &self.runtime }
    }

    /// Sends a request where its method is served. See [`Endpoint::send`].
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        self.endpoint(request.uri().path()).send(request).await
    }
}

impl Endpoint {
    fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), connection: Mutex::new(None) }
    }

    /// The path of the socket. Resolved at each connection, because containerd recreates its socket when it starts.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a request and returns the head of its response.
    ///
    /// A request that was not sent because the old connection had ended is sent again on a new one. A request that may
    /// have reached the runtime is never repeated.
    ///
    /// # Errors
    /// When the runtime cannot be reached, or closes the connection or resets the stream before it responds.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = absolute(request);
        for last in [false, true] {
            let mut connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !last => request = unsent,
                    _ => return Err(UpstreamError::Exchange(error.into_error())),
                },
            }
        }
        Err(UpstreamError::Dial(io::Error::from(io::ErrorKind::NotConnected)))
    }

    async fn connection(&self) -> Result<SendRequest<Body>, UpstreamError> {
        let mut slot = self.connection.lock().await;
        if let Some(open) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(open.clone());
        }
        let stream = UnixStream::connect(&self.socket).await.and_then(LazyWritableStream::new);
        let stream = stream.map_err(UpstreamError::Dial)?;
        // No keep-alive and no adaptive window: both send pings, and containerd's gRPC server answers too many pings
        // with GOAWAY "too_many_pings" (default enforcement policy of grpc-go).
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_HEADER_BYTES)
            .handshake(WriteCoalescer::new(TokioIo::new(stream)))
            .await
            .map_err(UpstreamError::Handshake)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "runtime connection ended");
            }
        });
        tracing::debug!(socket = %self.socket.display(), "runtime connected");
        *slot = Some(sender.clone());
        Ok(sender)
    }
}

/// Lets generated gRPC clients (ImageStatus, containerd's images) use the same connection.
impl tower::Service<Request<tonic::body::Body>> for Upstream {
    type Response = Response<Incoming>;
    type Error = UpstreamError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // Generated unary calls are one small message: buffering it keeps one body type on the connection.
            let buffered =
                http_body_util::BodyExt::collect(body).await.map_err(UpstreamError::Encode)?.to_bytes();
            upstream.send(Request::from_parts(head, Body::full(buffered))).await
        })
    }
}

/// HTTP/2 needs `:scheme` and `:authority`. A caller may omit the latter; for a Unix socket any valid one works.
fn absolute(mut request: Request<Body>) -> Request<Body> {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme.get_or_insert(Scheme::HTTP);
    parts.authority.get_or_insert(Authority::from_static("localhost"));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Why a request to the runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The socket does not exist, or no process accepts connections.
    #[error("cannot connect to the runtime's socket")]
    Dial(#[source] io::Error),
    /// The process that listens there does not use HTTP/2.
    #[error("the runtime's socket does not serve HTTP/2")]
    Handshake(#[source] hyper::Error),
    /// The connection ended, or the runtime reset the stream, before it responded.
    #[error("the runtime ended the call without a response")]
    Exchange(#[source] hyper::Error),
    /// One of our own requests cannot be encoded.
    #[error("the request cannot be encoded")]
    Encode(#[source] tonic::Status),
}

impl UpstreamError {
    /// The stream reset that the runtime sent, if this is one: it is forwarded unchanged.
    pub fn into_reset(self) -> Result<hyper::Error, Self> {
        match self {
            Self::Exchange(error) if is_stream_reset(&error) => Ok(error),
            other => Err(other),
        }
    }
}

fn is_stream_reset(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        if let Some(protocol) = current.downcast_ref::<h2::Error>() {
            return protocol.is_reset() && protocol.is_remote();
        }
        cause = current.source();
    }
    false
}
