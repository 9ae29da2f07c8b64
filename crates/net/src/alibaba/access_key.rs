//! An access key.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

/// An access key that signs requests. Its secret is wiped when it is dropped, and never printed.
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    /// Of temporary keys.
    pub(super) token: Option<Zeroizing<String>>,
    /// When a temporary key ends, if that was said.
    pub(super) until: Option<Timestamp>,
}

impl AccessKey {
    /// A temporary key as STS and the instance metadata write it.
    pub(super) fn temporary(answer: &mut Value) -> Option<Self> {
        Some(Self {
            secret: Zeroizing::new(taken(answer, "AccessKeySecret")?),
            token: Some(Zeroizing::new(taken(answer, "SecurityToken")?)),
            id: taken(answer, "AccessKeyId")?,
            until: answer.get("Expiration").and_then(Value::as_str).and_then(|text| text.parse().ok()),
        })
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(<redacted>)")
    }
}

/// A text that is not empty, moved out: no copy of it stays.
fn taken(answer: &mut Value, name: &str) -> Option<String> {
    match answer.get_mut(name)?.take() {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}
