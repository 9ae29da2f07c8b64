//! Errors of failed requests.

use std::time::Duration;

use serde_json::Value;

use super::error::{Bound, RegistryError};
use super::limits::HEADER_FIELDS;
use pullgate_core::untrusted::excerpt;
use pullgate_net::service::Cause;

/// The error of a request for `what` to `host`.
pub(super) fn of(host: &str, what: &str, error: &reqwest::Error, connect: Duration) -> RegistryError {
    let host = host.to_owned();
    match Cause::of(error) {
        Cause::Tls(reason) => RegistryError::Tls { host, reason },
        Cause::ConnectTimeout => RegistryError::ConnectTimeout { host, limit: connect },
        Cause::Timeout => RegistryError::Timeout { host, what: what.to_owned(), limit: connect },
        Cause::HeadTooLarge => {
            let what = "header fields in a response";
            RegistryError::TooMany { bound: Bound::Headers, what, limit: HEADER_FIELDS }
        }
        Cause::Other(reason) => RegistryError::Unavailable { host, reason },
    }
}

/// The code of a registry's error document (`errors[0].code`), which is the same on every attempt; its message and detail
/// may differ.
pub(super) fn reason(body: &[u8]) -> String {
    let code = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|document| document.get("errors")?.get(0)?.get("code")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { code } else { String::new() }
}

/// The code and the message of a registry's error document, for errors that are shown once.
pub(super) fn code_and_message(body: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|document| document.get("errors")?.get(0)?.get("message")?.as_str().map(excerpt))
        .filter(|message| !message.is_empty());
    match (reason(body), message) {
        (code, None) => code,
        (code, Some(message)) if code.is_empty() => message,
        (code, Some(message)) => format!("{code}: {message}"),
    }
}
