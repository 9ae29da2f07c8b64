//! The body type of requests and responses in both directions.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// A body: either the peer's stream, frame by frame, or a message in memory.
#[derive(Debug)]
pub enum Body {
    /// The peer's stream; its frames, trailers and end of stream are forwarded as they arrive.
    Through(Incoming),
    /// A message in memory, then its trailers.
    Held {
        /// The bytes that are not sent yet.
        data: Option<Bytes>,
        /// Sent after `data`.
        trailers: Option<HeaderMap>,
    },
    /// Parts of a large message in memory. They share its buffer, which is released with the last one.
    Parts(VecDeque<Bytes>),
}

impl Body {
    /// A body without frames. A gRPC error is such a "trailers-only" response: after an empty DATA frame, grpc-go would
    /// report "server closed the stream without sending trailers" instead of the error.
    pub fn empty() -> Self {
        Self::Held { data: None, trailers: None }
    }

    /// A body with these bytes and without trailers.
    pub fn full(data: Bytes) -> Self {
        Self::Held { data: Some(data), trailers: None }
    }
}

impl Default for Body {
    /// The body that `Status::into_http` creates for a trailers-only response.
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
            Self::Parts(parts) => Poll::Ready(parts.pop_front().map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Through(incoming) => incoming.is_end_stream(),
            Self::Held { data, trailers } => data.is_none() && trailers.is_none(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }

    /// Always unknown: with a known size, hyper would add a `content-length` that the peer did not send.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
