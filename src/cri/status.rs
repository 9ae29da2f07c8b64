//! gRPC answers of our own: always trailers-only, so that no client waits for a body.

use http::Response;
use tonic::{Code, Status};

use crate::containerd::Body;
use crate::gate::{Kind, Refusal};

/// The answer `code` with `message`, percent-encoded as the gRPC protocol requires.
pub(super) fn answer(code: Code, message: impl Into<String>) -> Response<Body> {
    Status::new(code, message).into_http::<Body>()
}

/// The answer for an image that may not run.
///
/// kubelet strips the gRPC prefix for code Unknown only, and then matches these words at the start (cri-client
/// `pullImageV1`, kubelet `evalCRIPullErr`, cri-api `pkg/errors`).
pub(super) fn refused(refusal: &Refusal) -> Response<Body> {
    match refusal.kind() {
        Kind::Refused(_) | Kind::Admitted => {
            answer(Code::Unknown, format!("SignatureValidationFailed: {}", refusal.line()))
        }
        Kind::Unavailable => answer(Code::Unknown, format!("RegistryUnavailable: {}", refusal.line())),
        Kind::NotFound => answer(Code::NotFound, refusal.line()),
    }
}
