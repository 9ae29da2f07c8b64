//! Requests to a timestamp authority (RFC 3161 section 3.4).

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;

use pullgate_core::signature::{Stamp, StampError, TimestampRequest};
use pullgate_core::trust::x509::Store;
use pullgate_core::trust::{HashFunction, random};
use pullgate_net::service::{self, Client, Request, ServiceError, ServiceSettings};

/// A timestamp authority. Its answers are signed, so it may be contacted without TLS.
#[derive(Debug)]
pub struct TimestampAuthority {
    url: String,
    roots: Store,
    client: Client,
}

impl TimestampAuthority {
    /// The authority at `url`, whose certificate is below one of the `roots`. Opens no connection.
    ///
    /// # Errors
    /// As [`service::open_address`].
    pub fn new(url: &str, roots: Store, settings: ServiceSettings) -> Result<Self, ServiceError> {
        Ok(Self { url: service::open_address(url)?, roots, client: Client::new(settings) })
    }

    /// A timestamp of `message`, which was verified.
    ///
    /// # Errors
    /// When there is none within the limits.
    pub async fn stamp(&self, hash: HashFunction, message: &[u8]) -> Result<Stamp, TimestampRequestError> {
        let nonce = random().ok_or(TimestampRequestError::Random)?;
        let request = TimestampRequest::new(hash, message, *nonce);
        let body = request.der().map(Bytes::from).ok_or(TimestampRequestError::Random)?;
        let headers = [("content-type", "application/timestamp-query")];
        let (method, url) = (Method::POST, self.url.as_str());
        let answer = self
            .client
            .ask(Request { method, url, headers: &headers, body: Some(body), plain: true })
            .await?;
        // sigstore's timestamp-server answers 201.
        if !matches!(answer.status, 200 | 201) {
            return Err(TimestampRequestError::Status { url: self.url.clone(), status: answer.status });
        }
        request
            .check(&answer.body, &self.roots, Timestamp::now())
            .map_err(|error| TimestampRequestError::Answer { url: self.url.clone(), error })
    }

    pub(super) fn roots(&self) -> &Store {
        &self.roots
    }
}

impl TimestampRequestError {
    /// Whether a retry may succeed without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Service(error) => error.is_transient(),
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Answer { .. } | Self::Random => false,
        }
    }
}

/// Why there is no timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampRequestError {
    #[error("the timestamp authority did not answer")]
    Service(#[from] ServiceError),
    #[error("the timestamp authority {url} answered with HTTP status {status}")]
    Status { url: String, status: u16 },
    #[error("the answer of the timestamp authority {url} was not accepted")]
    Answer {
        url: String,
        #[source]
        error: StampError,
    },
    #[error("the system has no random numbers")]
    Random,
}
