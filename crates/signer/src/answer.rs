//! Responses of the three endpoints.

use crate::Status;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use pullgate_daemon::http::{Answer, Service, not_found, text};
use pullgate_daemon::metrics;

use super::http::Secret;
use super::notification::{self, Attributes, Envelope};
use super::queue::QueueError;
use super::requests::{RequestError, SubmitRequest};
use super::service::Signer;
use pullgate_core::json::{self, Bounds, Keys};

/// Retry-After when the queue is full, in seconds.
const FULL: &str = "30";

/// An endpoint, which decides who may send requests.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// For registries. Without a secret, the connection authenticates the sender.
    Notifications { secret: Option<Arc<Secret>> },
    /// For the operator, on a Unix socket.
    Control,
    /// For Prometheus.
    Metrics,
}

/// An endpoint of a service.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) endpoint: Endpoint,
    pub(super) signer: Arc<Signer>,
}

impl Service for Door {
    fn admit(&self, parts: &Parts) -> Result<(), Box<Answer>> {
        let request = (&parts.method, parts.uri.path());
        let known = match self.endpoint {
            Endpoint::Notifications { .. } => matches!(request, (&Method::POST, "/notify")),
            Endpoint::Control => {
                metrics::is_scrape(parts)
                    || matches!(request, (&Method::GET, "/status") | (&Method::POST, "/requests"))
            }
            Endpoint::Metrics => metrics::is_scrape(parts),
        };
        if let Endpoint::Notifications { secret: Some(secret) } = &self.endpoint
            && !shows(&parts.headers, secret)
        {
            self.signer.metrics.unauthorized.add();
            let reason = "the header Authorization does not contain the secret of `secret-file` in [listen]";
            let mut refused = text(StatusCode::UNAUTHORIZED, reason);
            // An unauthorized client must not occupy a connection.
            refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Err(Box::new(refused));
        }
        if known { Ok(()) } else { Err(not_found()) }
    }

    async fn answer(&self, parts: &Parts, body: &[u8]) -> Answer {
        let signer = &*self.signer;
        match (&self.endpoint, parts.uri.path()) {
            (Endpoint::Notifications { .. }, _) => notification_received(signer, parts, body).await,
            (_, "/metrics") => metrics::answer(signer.metrics.page(signer.queue.depth())),
            (_, "/status") => as_json(StatusCode::OK, &Status::of(signer)),
            _ => submit(signer, body).await,
        }
    }
}

/// Whether there is exactly one header, with the secret, or the secret after `Bearer `.
fn shows(headers: &HeaderMap, secret: &Secret) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => secret.is(value.as_bytes()),
        _ => false,
    }
}

async fn notification_received(signer: &Signer, parts: &Parts, body: &[u8]) -> Answer {
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
    let notification = match notification::read(body, envelope) {
        Ok(notification) => notification,
        Err(error) => {
            signer.metrics.malformed.add();
            tracing::warn!(%error, "notification refused");
            return text(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    if let Some(error) = notification.malformed.first() {
        signer.metrics.malformed_events.add_all(notification.malformed.len());
        tracing::warn!(%error, events = notification.malformed.len(), "malformed events in a notification skipped");
    }
    match signer.enqueue(notification).await {
        Ok(offered) => {
            signer.metrics.notifications.add();
            tracing::debug!(?offered, "notification accepted");
            Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap_or_default()
        }
        Err(error) => {
            signer.metrics.turned_away.add();
            tracing::warn!(%error, "notification not queued");
            unavailable(&error)
        }
    }
}

async fn submit(signer: &Signer, body: &[u8]) -> Answer {
    let bounds = Bounds { depth: 4, values: 10_000, keys: Keys::Exact };
    let request =
        json::parse(body, bounds).ok().and_then(|value| serde_json::from_value::<SubmitRequest>(value).ok());
    let Some(request) = request else {
        return text(StatusCode::BAD_REQUEST, "the request is not valid JSON of the expected form");
    };
    match signer.submit(&request).await {
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

fn as_json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
