//! The annotations that a rule requires, against those that were signed with the digest.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::SignatureError;
use crate::untrusted::quoted;

/// Checks that each of the `required` annotations was signed, with exactly its value. Others may have been signed as well.
pub(super) fn check(
    required: &BTreeMap<String, String>,
    signed: &Map<String, Value>,
) -> Result<(), SignatureError> {
    for (key, wanted) in required {
        let wrong = |found| SignatureError::Annotation { key: quoted(key), wanted: quoted(wanted), found };
        match signed.get(key) {
            None => return Err(wrong("none".to_owned())),
            Some(Value::String(value)) if value == wanted => {}
            Some(Value::String(value)) => return Err(wrong(quoted(value).to_string())),
            Some(_) => return Err(wrong("a value that is not a string".to_owned())),
        }
    }
    Ok(())
}
