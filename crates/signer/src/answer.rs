//! What is answered to whom: the three places that requests come in at.

use crate::Status;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;

use super::http::Secret;
use super::notification::{self, Attributes, Envelope};
use super::queue::QueueError;
use super::requests::{RequestError, SubmitRequest};
use super::service::Signer;
use pullgate_core::json::{self, Bounds, Keys};

/// How long a sender is asked to wait when the queue is full, in seconds.
const FULL: &str = "30";

pub(super) type Answer = Response<Full<Bytes>>;

/// Who may be asking.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// Registries. Without a secret the connection itself has said who it is.
    Notifications { secret: Option<Arc<Secret>> },
    /// The operator, by a socket of his own.
    Control,
    /// Whoever gathers metrics.
    Metrics,
}

impl Endpoint {
    /// Looks at a request before its body is read.
    pub(super) fn admit(&self, signer: &Signer, parts: &Parts) -> Result<(), Box<Answer>> {
        let path = parts.uri.path();
        let known = match self {
            Self::Notifications { .. } => matches!((&parts.method, path), (&Method::POST, "/notify")),
            Self::Control => matches!(
                (&parts.method, path),
                (&Method::GET, "/status" | "/metrics") | (&Method::POST, "/requests")
            ),
            Self::Metrics => matches!((&parts.method, path), (&Method::GET, "/metrics")),
        };
        if let Self::Notifications { secret: Some(secret) } = self
            && !shows(&parts.headers, secret)
        {
            signer.metrics.unauthorized.add();
            let reason = "the header Authorization does not hold the secret";
            let mut refused = text(StatusCode::UNAUTHORIZED, reason);
            // Who does not belong here does not keep the place of one who does.
            refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Err(Box::new(refused));
        }
        if known { Ok(()) } else { Err(Box::new(text(StatusCode::NOT_FOUND, "there is nothing here"))) }
    }

    pub(super) async fn answer(&self, signer: &Signer, parts: &Parts, body: &[u8]) -> Answer {
        match (self, parts.uri.path()) {
            (Self::Notifications { .. }, _) => notified(signer, parts, body).await,
            (_, "/metrics") => metrics(signer),
            (_, "/status") => as_json(StatusCode::OK, &Status::of(signer)),
            _ => requested(signer, body).await,
        }
    }
}

/// Exactly one header, whose value is the secret, or the secret behind `Bearer `.
fn shows(headers: &HeaderMap, secret: &Secret) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => secret.is(value.as_bytes()),
        _ => false,
    }
}

async fn notified(signer: &Signer, parts: &Parts, body: &[u8]) -> Answer {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let active_config = signer.active_config();
    let attributes = header("ce-specversion").map(|version| Attributes {
        version,
        kind: header("ce-type").unwrap_or_default(),
        time: header("ce-time"),
    });
    let envelope = Envelope {
        content_type: header(CONTENT_TYPE.as_str()).unwrap_or_default(),
        attributes,
        registry: &active_config.settings.registry.host,
        events: active_config.settings.limits.events,
    };
    let told = match notification::read(body, envelope) {
        Ok(told) => told,
        Err(error) => {
            signer.metrics.malformed.add();
            tracing::warn!(%error, "a notification was refused");
            return text(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    match signer.notified(told).await {
        Ok(offered) => {
            signer.metrics.notifications.add();
            tracing::debug!(?offered, "notified");
            Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap_or_default()
        }
        Err(error) => {
            signer.metrics.turned_away.add();
            tracing::warn!(%error, "a notification was turned away");
            unavailable(&error)
        }
    }
}

async fn requested(signer: &Signer, body: &[u8]) -> Answer {
    let bounds = Bounds { depth: 4, values: 10_000, keys: Keys::Exact };
    let wanted =
        json::parse(body, bounds).ok().and_then(|value| serde_json::from_value::<SubmitRequest>(value).ok());
    let Some(wanted) = wanted else { return text(StatusCode::BAD_REQUEST, "this is not a request") };
    match signer.request(&wanted).await {
        Ok(taken) => as_json(StatusCode::ACCEPTED, &taken),
        Err(RequestError::Queue(error)) => unavailable(&error),
        Err(error) => text(StatusCode::CONFLICT, &error.to_string()),
    }
}

fn unavailable(error: &QueueError) -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(FULL));
    answer
}

fn metrics(signer: &Signer) -> Answer {
    let mut answer = text(StatusCode::OK, &signer.metrics.text(signer.queue.depth()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// A line for people.
pub(super) fn text(status: StatusCode, line: &str) -> Answer {
    let mut answer = Response::new(Full::from(format!("{}\n", line.trim_end())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn as_json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
