//! An answer of the runtime that was read whole before it is passed on.

use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;

use super::frame::{self, FrameError};
use crate::containerd::Body;

/// A complete answer of the runtime: headers, body and trailers.
#[derive(Debug)]
pub(super) struct RuntimeAnswer {
    head: http::response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl RuntimeAnswer {
    pub(super) fn new(head: http::response::Parts, body: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { head, body, trailers }
    }

    /// The message of a success; `None` for an error, which is passed on unchanged.
    pub(super) fn message(&self) -> Option<Result<Bytes, FrameError>> {
        let status = self.trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        (status? == "0").then(|| frame::only_message(&self.body))
    }

    /// The same answer with another message.
    ///
    /// # Errors
    /// When the message is larger than a frame can be.
    pub(super) fn with_message(self, message: &[u8]) -> Result<Self, FrameError> {
        let mut head = self.head;
        head.headers.remove(http::header::CONTENT_LENGTH);
        Ok(Self { head, body: frame::framed(message)?, trailers: self.trailers })
    }

    /// The answer for the caller.
    pub(super) fn into_response(self) -> Response<Body> {
        let data = (!self.body.is_empty()).then_some(self.body);
        Response::from_parts(self.head, Body::Held { data, trailers: self.trailers })
    }
}
