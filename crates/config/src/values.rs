//! Values that several configuration files share.

use std::ops::Range;

use pullgate_core::trust::Algorithm;

use crate::document::{Document, Value};
use crate::suggest;

/// The longest name of an authenticator, in bytes.
pub const MAX_NAME: usize = 64;

/// Notes a problem unless `name` can be the name of an authenticator.
pub fn check_name(document: &mut Document<'_>, name: &str, at: &Range<usize>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        document.problem(
            at.clone(),
            format!("{} cannot be the name of an authenticator", suggest::quoted(name)),
            format!("use at most {MAX_NAME} letters, digits, `-`, `_` and `.`"),
        );
    }
}

/// Reads the name of a signature algorithm.
pub fn read_algorithm(document: &mut Document<'_>, value: Value<'_>) -> Option<Algorithm> {
    let (text, span) = document.string(value, "`algorithm`")?;
    let algorithm = text.parse();
    algorithm
        .map_err(|_| {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            let message = format!("unknown algorithm {}", suggest::quoted(&text));
            document.problem(span, message, suggest::one_of(&text, &known));
        })
        .ok()
}

/// Whether `text` is a host name or an IP address, with or without a port.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "443"));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) && port.parse::<u16>().is_ok()
}
