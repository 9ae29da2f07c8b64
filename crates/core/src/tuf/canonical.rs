//! The form of JSON that signatures of TUF cover: OLPC's canonical JSON (as securesystemslib `formats.encode_canonical`).
//!
//! Keys are sorted, there is no white space, strings escape only the quotation mark and the backslash, and numbers are
//! whole. Line breaks within keys in PEM stay as they are, which no other canonical form of JSON has.

use serde_json::Value;

use super::TufError;

/// Appends the canonical form of a value.
pub(super) fn write(value: &Value, to: &mut Vec<u8>) -> Result<(), TufError> {
    match value {
        Value::Null => to.extend(b"null"),
        Value::Bool(flag) => to.extend(flag.to_string().bytes()),
        Value::Number(number) if number.is_i64() || number.is_u64() => to.extend(number.to_string().bytes()),
        Value::Number(_) => return Err(TufError::Malformed { why: "a number is not an integer" }),
        Value::String(text) => write_text(text, to),
        Value::Array(values) => {
            to.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                write(value, to)?;
            }
            to.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            to.push(b'{');
            for (at, (name, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                write_text(name, to);
                to.push(b':');
                write(value, to)?;
            }
            to.push(b'}');
        }
    }
    Ok(())
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            to.push(b'\\');
        }
        to.push(byte);
    }
    to.push(b'"');
}
