//! Fields that a predicate must have, by JSON pointer (RFC 6901), with exactly one value.

use std::fmt;

use serde_json::Value;

use super::Unmet;
use crate::untrusted::{quoted, sanitize};

/// Maximum length of a pointer.
const MAX_BYTES: usize = 512;
/// Maximum number of names in a pointer.
const MAX_NAMES: usize = 16;

/// A place in a predicate: `/a/b`, where `~1` stands for `/` and `~0` for `~`. In an array, a name is the index from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    text: String,
    names: Vec<String>,
}

impl Pointer {
    /// Parses a pointer to a field.
    ///
    /// # Errors
    /// When it does not begin with `/`, is too long, or has a `~` that stands for nothing.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let names = text.strip_prefix('/').ok_or(PointerError::Form)?;
        if text.len() > MAX_BYTES {
            return Err(PointerError::TooLong);
        }
        let names: Vec<String> =
            names.split('/').map(unescaped).collect::<Option<_>>().ok_or(PointerError::Form)?;
        if names.len() > MAX_NAMES {
            return Err(PointerError::TooLong);
        }
        Ok(Self { text: text.to_owned(), names })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn find<'v>(&self, predicate: &'v Value) -> Option<&'v Value> {
        predicate.pointer(&self.text)
    }

    pub(super) fn check(&self, expected: &Expected, predicate: &Value) -> Result<(), Unmet> {
        let found = match self.find(predicate) {
            Some(found) if expected.is(found) => return Ok(()),
            None => "missing".to_owned(),
            Some(found) => shown(found),
        };
        Err(Unmet::Field { field: sanitize(&self.text), wanted: expected.to_string(), found })
    }
}

/// The name without escapes; `None` when a `~` stands for nothing.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        text.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The value that a field must have. Types count: the number 1 is not the text "1".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl Expected {
    fn is(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Text(text), Value::String(found)) => text == found,
            // 1.0 is not a whole number here.
            (Self::Integer(number), Value::Number(found)) => found.as_i64() == Some(*number),
            (Self::Boolean(value), Value::Bool(found)) => value == found,
            _ => false,
        }
    }

    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Text(text) => format!("text {text}"),
            Self::Integer(number) => format!("integer {number}"),
            Self::Boolean(value) => format!("boolean {value}"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(text).fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

/// A value of a predicate in a message.
pub(super) fn shown(found: &Value) -> String {
    match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text).to_string(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Why a text is not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum PointerError {
    #[error("is not a JSON pointer such as `/a/b`")]
    Form,
    #[error("has more than {MAX_BYTES} bytes or {MAX_NAMES} names")]
    TooLong,
}
