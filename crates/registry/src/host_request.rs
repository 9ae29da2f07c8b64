//! One request to one host, before its address and authorization.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

#[derive(Clone, Debug)]
pub(super) struct HostRequest {
    pub(super) method: Method,
    /// Path and query, with the leading slash.
    pub(super) target: String,
    pub(super) accept: Option<&'static str>,
    pub(super) body: Option<(Bytes, &'static str)>,
    /// The condition of the request (RFC 9110, 13).
    pub(super) condition: Option<(HeaderName, HeaderValue)>,
    /// The object, for messages.
    pub(super) what: String,
    /// The most bytes that are read of the response.
    pub(super) limit: u64,
    /// The repository's path, for the scope of the token.
    pub(super) repository: String,
    pub(super) push: bool,
}
