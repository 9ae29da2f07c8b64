//! A client connection, as kubelet's gRPC library has it: a small call is one write, and the reply to a ping is written at
//! once.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A connection to a Unix socket, opened by the first call.
#[derive(Clone)]
pub(crate) struct Connection {
    socket: PathBuf,
    open: Arc<OnceCell<SendRequest<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, open: Arc::default() }
    }

    async fn open(&self) -> Result<SendRequest<Bytes>, Error> {
        let stream = UnixStream::connect(&self.socket).await?;
        // The windows of pullgate's own connection to containerd.
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(2 << 20).initial_connection_window_size(5 << 20).enable_push(false);
        let (sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn send(self, request: Request<tonic::body::Body>) -> Result<Response<Answer>, Error> {
        let (mut head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        head.uri =
            Uri::builder().scheme("http").authority("localhost").path_and_query(head.uri.path()).build()?;
        let sender = self.open.get_or_try_init(|| self.open()).await?.clone();
        let (answer, mut stream) =
            sender.ready().await?.send_request(Request::from_parts(head, ()), false)?;
        stream.send_data(message, true)?;
        Ok(answer.await?.map(Answer))
    }
}

impl tower::Service<Request<tonic::body::Body>> for Connection {
    type Response = Response<Answer>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// The body of an answer.
pub(crate) struct Answer(RecvStream);

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(data) = ready!(self.0.poll_data(context)) {
            let data = data?;
            self.0.flow_control().release_capacity(data.len())?;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(self.0.poll_trailers(context))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}
