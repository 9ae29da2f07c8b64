//! The cause of a failed request, from reqwest's chain of errors.

use std::error::Error;
use std::io;

use pullgate_core::untrusted::excerpt;
use rustls::{CertificateError, InvalidMessage};

/// How rustls begins the message for a TLS alert from the peer.
const ALERT: &str = "received fatal alert: ";

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Tls(String),
    ConnectTimeout,
    Timeout,
    /// The response head has more fields or bytes than the limit.
    HeadTooLarge,
    Other(String),
}

impl Cause {
    pub fn of(error: &reqwest::Error) -> Self {
        match tls(error) {
            Some(error) => Self::Tls(tls_reason(error)),
            None if error.is_timeout() && error.is_connect() => Self::ConnectTimeout,
            None if error.is_timeout() => Self::Timeout,
            None if causes(error).any(too_large) => Self::HeadTooLarge,
            None => {
                let reason = last_cause(error);
                // Over HTTP/2, only the text remains of an alert about our certificate.
                match reason.split_once(ALERT) {
                    Some((_, alert)) => Self::Tls(format!("{ALERT}{alert}")),
                    None => Self::Other(reason),
                }
            }
        }
    }

    /// Whether the peer answered our TLS handshake in plain HTTP.
    pub fn is_plain_http(error: &reqwest::Error) -> bool {
        matches!(tls(error), Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
    }
}

fn tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // `io::Error::source` skips the error that it wraps, so `get_ref` is used.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

fn too_large(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large)
}

/// Some messages of rustls contain the time, which would make each refusal different.
fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has expired; check the clock of this node".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not yet valid; check the clock of this node".to_owned(),
        error => excerpt(&error.to_string()),
    }
}

fn last_cause(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    if last.downcast_ref::<reqwest::Error>().is_some() {
        // The text of this error ends in the URL.
        return "the request failed".to_owned();
    }
    excerpt(&last.to_string())
}
