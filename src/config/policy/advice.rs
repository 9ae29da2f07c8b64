//! The message and the hint of an error about keys.

use std::error::Error;

/// The message of an error about keys, and its own hint, which follows a semicolon. Neither it nor its cause contains text
/// of a key.
pub(super) fn advice(error: &dyn Error, otherwise: &str) -> (String, String) {
    let text = error.to_string();
    let (message, hint) = text.split_once("; ").unwrap_or((&text, otherwise));
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    (format!("{message}{cause}"), hint.to_owned())
}
