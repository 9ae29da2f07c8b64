//! gRPC answers that are ours: always trailers-only, so that no client waits for a body.

use http::Response;
use tonic::{Code, Status};

use crate::containerd::Body;

/// The answer `code` with `message`, percent-encoded as the gRPC protocol asks.
pub(super) fn answer(code: Code, message: impl Into<String>) -> Response<Body> {
    Status::new(code, message).into_http::<Body>()
}
