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
    pub(super) fn temporary(answer: &Value) -> Option<Self> {
        Some(Self {
            id: text(answer, "AccessKeyId")?,
            secret: Zeroizing::new(text(answer, "AccessKeySecret")?),
            token: Some(Zeroizing::new(text(answer, "SecurityToken")?)),
            until: answer.get("Expiration").and_then(Value::as_str).and_then(|text| text.parse().ok()),
        })
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(<redacted>)")
    }
}

fn text(answer: &Value, name: &str) -> Option<String> {
    answer.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
