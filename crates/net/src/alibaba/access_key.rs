//! Access keys of Alibaba Cloud.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

/// An access key that signs requests. The secret is wiped on drop and never printed.
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    /// The STS security token, for temporary keys.
    pub(super) token: Option<Zeroizing<String>>,
    /// The expiry of a temporary key, if the service sent it.
    pub(super) until: Option<Timestamp>,
}

impl AccessKey {
    /// Parses a temporary key from an answer of STS or of the instance metadata.
    pub(super) fn temporary(answer: &mut Value) -> Option<Self> {
        Some(Self {
            secret: Zeroizing::new(take_string(answer, "AccessKeySecret")?),
            token: Some(Zeroizing::new(take_string(answer, "SecurityToken")?)),
            id: take_string(answer, "AccessKeyId")?,
            until: answer.get("Expiration").and_then(Value::as_str).and_then(|text| text.parse().ok()),
        })
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(<redacted>)")
    }
}

/// Moves a non-empty string out of `answer`, so that no copy of it remains.
fn take_string(answer: &mut Value, name: &str) -> Option<String> {
    match answer.get_mut(name)?.take() {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}
