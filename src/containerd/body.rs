//! The one body type that crosses in both directions.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// Bytes on their way through: either somebody else's stream, frame by frame, or a message of our own.
#[derive(Debug)]
pub enum Body {
    /// The peer's own stream; its frames, trailers and end of stream are handed on as they come.
    Through(Incoming),
    /// A message that was made or held here, then its trailers.
    Held {
        /// What is still to be sent.
        data: Option<Bytes>,
        /// What follows it.
        trailers: Option<HeaderMap>,
    },
}

impl Body {
    /// A body that has already ended. A gRPC error is such a "trailers-only" reply: with an empty DATA frame behind its
    /// headers, grpc-go would report "server closed the stream without sending trailers" instead of the error.
    pub fn empty() -> Self {
        Self::Held { data: None, trailers: None }
    }

    /// A body with these bytes and no trailers.
    pub fn full(data: Bytes) -> Self {
        Self::Held { data: Some(data), trailers: None }
    }
}

impl Default for Body {
    /// What `Status::into_http` puts into a trailers-only answer.
    fn default() -> Self {
        Self::empty()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Through(incoming) => Pin::new(incoming).poll_frame(context),
            Self::Held { data, trailers } => Poll::Ready(match data.take() {
                Some(data) => Some(Ok(Frame::data(data))),
                None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Through(incoming) => incoming.is_end_stream(),
            Self::Held { data, trailers } => data.is_none() && trailers.is_none(),
        }
    }

    /// Always unknown: from a known size hyper would make a `content-length` that the peer did not send.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
