//! The parsers of messages, for `pullgate-fuzz`: whether each accepts its input.

use bytes::Bytes;

use super::pull::PullRequest;
use super::{create, deadline, image_status};

/// A PullImageRequest.
#[must_use]
pub fn pull_image(message: &[u8]) -> bool {
    let parsed = PullRequest::parse(Bytes::copy_from_slice(message));
    // What is forwarded is the same message with another name.
    parsed.is_ok_and(|request| request.with_image("registry.example.com/a@sha256:0").is_ok())
}

/// An ImageStatusRequest.
#[must_use]
pub fn image_status(message: &[u8]) -> bool {
    image_status::Query::parse(message).is_ok()
}

/// An ImageStatusResponse.
#[must_use]
pub fn image_status_answer(message: &[u8]) -> bool {
    image_status::read_present(message).is_ok()
}

/// A CreateContainerRequest.
#[must_use]
pub fn create_container(message: &[u8]) -> bool {
    create::CreateRequest::parse(message).is_ok()
}

/// The value of a `grpc-timeout` header.
#[must_use]
pub fn deadline(text: &str) -> bool {
    deadline::parse(text).is_some()
}
