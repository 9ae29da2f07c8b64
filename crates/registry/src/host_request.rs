//! One request to one host, before its address and authorization.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

/// A question to a host.
#[derive(Clone, Debug)]
pub(super) struct HostRequest {
    pub(super) method: Method,
    /// Path with query on the host, beginning with a slash.
    pub(super) target: String,
    pub(super) accept: Option<&'static str>,
    pub(super) body: Option<(Bytes, &'static str)>,
    /// When a write is to be done at all (RFC 9110, 13).
    pub(super) condition: Option<(HeaderName, HeaderValue)>,
    /// What is asked for, for messages.
    pub(super) what: String,
    /// Bytes of an answer that are read.
    pub(super) limit: u64,
    /// The repository's path, for the token.
    pub(super) repository: String,
    pub(super) push: bool,
}
