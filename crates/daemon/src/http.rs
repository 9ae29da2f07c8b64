//! A small HTTP/1.1 server, optionally over TLS, with limits on connections, bytes and time.

mod address;
mod server;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

pub use address::{Address, ListenError, Socket};
pub use server::{HttpLimits, HttpServer};

pub type Answer = Response<Full<Bytes>>;

/// What the requests of a server are answered with.
pub trait Service: Send + Sync + 'static {
    /// Checks a request before its body is read.
    ///
    /// # Errors
    /// The answer to a request that is refused.
    fn admit(&self, parts: &Parts) -> Result<(), Box<Answer>>;

    /// Answers a request that was admitted.
    fn answer(&self, parts: &Parts, body: &[u8]) -> impl Future<Output = Answer> + Send;
}

/// One line of plain text, or several.
#[must_use]
pub fn text(status: StatusCode, line: &str) -> Answer {
    let mut answer = Response::new(Full::from(format!("{}\n", line.trim_end())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// The answer to a request that the server does not know.
#[must_use]
pub fn not_found() -> Box<Answer> {
    Box::new(text(StatusCode::NOT_FOUND, "not found"))
}
