//! Requests to a timestamp authority (RFC 3161 section 3.4).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;

use super::cooldown::{Cooldown, Turn};
use pullgate_core::signature::{Stamp, StampError, TimestampRequest};
use pullgate_core::trust::x509::Store;
use pullgate_core::trust::{HashFunction, random};
use pullgate_net::service::{self, Client, Request, ServiceError, ServiceSettings};

/// A timestamp authority. Its answers are signed, so it may be contacted without TLS.
pub struct TimestampAuthority {
    /// The query may have a token.
    url: String,
    roots: Store,
    client: Client,
    cooldown: Option<Arc<Cooldown>>,
}

impl fmt::Debug for TimestampAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimestampAuthority").field("url", &self.shown()).finish_non_exhaustive()
    }
}

impl TimestampAuthority {
    /// The authority at `url`, whose certificate is below one of the `roots`. Opens no connection.
    ///
    /// # Errors
    /// As [`service::open_address`].
    pub fn new(url: &str, roots: Store, settings: ServiceSettings) -> Result<Self, ServiceError> {
        let url = service::open_address(url)?;
        Ok(Self { url, roots, client: Client::new(settings), cooldown: None })
    }

    /// The same with a cooldown while it does not answer, which all callers of this URL share.
    #[must_use]
    pub fn with_cooldown(self, cooldown: Arc<Cooldown>) -> Self {
        Self { cooldown: Some(cooldown), ..self }
    }

    /// The permission to ask for a timestamp. It is needed before a key signs what would not get one.
    ///
    /// # Errors
    /// During a cooldown.
    pub(super) fn turn(&self) -> Result<StampTurn<'_>, TimestampRequestError> {
        let turn = match &self.cooldown {
            None => None,
            Some(cooldown) => {
                let turn = cooldown.turn();
                Some(turn.ok_or_else(|| TimestampRequestError::CoolingDown { url: self.shown() })?)
            }
        };
        Ok(StampTurn { authority: self, turn })
    }

    async fn stamp(&self, hash: HashFunction, message: &[u8]) -> Result<Stamp, TimestampRequestError> {
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
            return Err(TimestampRequestError::Status { url: self.shown(), status: answer.status });
        }
        request
            .check(&answer.body, &self.roots, Timestamp::now())
            .map_err(|error| TimestampRequestError::Answer { url: self.shown(), error })
    }

    pub(super) fn roots(&self) -> &Store {
        &self.roots
    }

    /// The URL for messages.
    fn shown(&self) -> String {
        service::without_query(&self.url).to_owned()
    }
}

/// The permission to ask an authority for one timestamp.
pub(super) struct StampTurn<'a> {
    authority: &'a TimestampAuthority,
    turn: Option<Turn<'a>>,
}

impl StampTurn<'_> {
    /// A timestamp of `message`, which was verified.
    ///
    /// # Errors
    /// When there is none within the limits.
    pub(super) async fn stamp(
        self,
        hash: HashFunction,
        message: &[u8],
    ) -> Result<Stamp, TimestampRequestError> {
        let stamped = self.authority.stamp(hash, message).await;
        if let Some(turn) = self.turn {
            turn.end(!stamped.as_ref().is_err_and(TimestampRequestError::is_transient));
        }
        stamped
    }
}

impl TimestampRequestError {
    /// Whether a retry may succeed without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Service(error) => error.is_transient(),
            Self::CoolingDown { .. } => true,
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
    #[error(
        "the timestamp authority {url} did not answer an earlier request, so no new request is sent for a short time"
    )]
    CoolingDown { url: String },
    #[error("the timestamp authority {url} answered with HTTP status {status}")]
    Status { url: String, status: u16 },
    #[error("the answer of the timestamp authority {url} was not accepted")]
    Answer {
        url: String,
        #[source]
        error: StampError,
    },
    #[error("the operating system returned no random numbers")]
    Random,
}
