//! Times in predicates.

use jiff::Timestamp;
use serde_json::Value;

use super::Unmet;
use crate::untrusted::quoted;

/// The time in a field that may be missing.
pub(super) fn read(field: Option<&Value>) -> Result<Option<Timestamp>, Unmet> {
    match field {
        None | Some(Value::Null) => Ok(None),
        // RFC 3339, which has an offset: without one it would be another moment on every node.
        Some(Value::String(text)) => {
            text.parse().map(Some).map_err(|_| Unmet::Time { found: quoted(text).to_string() })
        }
        Some(_) => Err(Unmet::Time { found: "a value that is not a string".to_owned() }),
    }
}
