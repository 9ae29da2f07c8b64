//! What a failed request means, found out from reqwest's chain of causes.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::{CertificateError, InvalidMessage};
use serde_json::Value;

use super::error::{RegistryError, remote};

/// The error of a request for `what` to `host`.
pub(super) fn of(host: &str, what: &str, error: &reqwest::Error, connect: Duration) -> RegistryError {
    let host = host.to_owned();
    if let Some(error) = tls(error) {
        return RegistryError::Tls { host, reason: tls_reason(error) };
    }
    if error.is_timeout() {
        if error.is_connect() {
            return RegistryError::ConnectTimeout { host, limit: connect };
        }
        return RegistryError::Timeout { host, what: what.to_owned(), limit: connect };
    }
    RegistryError::Unavailable { host, reason: last_cause(error) }
}

/// Whether the other side answered our TLS in plain HTTP.
pub(super) fn speaks_plain_http(error: &reqwest::Error) -> bool {
    matches!(tls(error), Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// The code of a registry's error document (`errors[0].code`), which does not change from one attempt to the next;
/// its message and detail may.
pub(super) fn reason(body: &[u8]) -> String {
    let code = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|document| document.get("errors")?.get(0)?.get("code")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { code } else { String::new() }
}

/// The code and the message of a registry's error document, for a person who reads it once.
pub(super) fn told(body: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|document| document.get("errors")?.get(0)?.get("message")?.as_str().map(remote))
        .filter(|message| !message.is_empty());
    match (reason(body), message) {
        (code, None) => code,
        (code, Some(message)) if code.is_empty() => message,
        (code, Some(message)) => format!("{code}: {message}"),
    }
}

fn tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error's source is the source of what it wraps, so what it wraps is asked for.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// rustls shows the time in some of its messages, which would make each one different.
fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has expired: is this node's clock right?".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not yet valid: is this node's clock right?".to_owned(),
        error => remote(&error.to_string()),
    }
}

fn last_cause(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    if last.downcast_ref::<reqwest::Error>().is_some() {
        // reqwest's own words end in the URL.
        return "the request failed".to_owned();
    }
    remote(&last.to_string())
}
