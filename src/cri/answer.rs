//! Unary calls whose request or answer is held: read whole, bounded, and handed on as they came.

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tonic::Code;

use super::frame::{self, FrameError, MAX_MESSAGE_BYTES, PREFIX_BYTES};
use super::{Proxy, status};
use crate::containerd::Body;

/// The only message of a request, and the whole body that it stood in.
///
/// # Errors
/// The code and text to answer with, when there is not exactly one plain message of a bounded size.
pub(super) async fn read(body: Incoming) -> Result<(Bytes, Bytes), (Code, String)> {
    let limited = Limited::new(body, MAX_MESSAGE_BYTES + PREFIX_BYTES).collect().await;
    let body = limited.map_err(|error| (Code::InvalidArgument, error.to_string()))?.to_bytes();
    let message = frame::only_message(&body).map_err(|error| (error.code(), error.to_string()))?;
    Ok((message, body))
}

impl Proxy {
    /// Sends a request and holds its answer, up to `limit` bytes.
    ///
    /// # Errors
    /// The answer to give instead, when there is none or it breaks off.
    pub(super) async fn exchange(
        &self,
        request: Request<Body>,
        limit: usize,
    ) -> Result<Answer, Response<Body>> {
        let response = self.upstream.send(request).await.map_err(|error| self.unavailable(&error))?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, limit).collect().await.map_err(|error| {
            status::answer(Code::Unavailable, format!("pullgate: the runtime's answer broke off: {error}"))
        })?;
        let trailers = collected.trailers().cloned();
        Ok(Answer { head, body: collected.to_bytes(), trailers })
    }
}

/// A held answer of the runtime.
#[derive(Debug)]
pub(super) struct Answer {
    head: http::response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// The message of a success; `None` for an error, which crosses as it is.
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

    /// The answer as it came.
    pub(super) fn into_response(self) -> Response<Body> {
        let data = (!self.body.is_empty()).then_some(self.body);
        Response::from_parts(self.head, Body::Held { data, trailers: self.trailers })
    }
}
