//! Typed access to the fields of a JSON document.

use serde_json::{Map, Value};

use crate::json::{self, Bounds, JsonError, Keep, Keys};
use crate::untrusted::{Quoted, quoted};

/// Maximum number of values in a document.
const MAX_VALUES: usize = 1 << 16;

/// Parses one document with arrays and objects at most `depth` deep. The caller limits its length.
pub(super) fn parse(document: &[u8], depth: usize) -> Result<Value, FieldError> {
    Ok(json::parse(document, Bounds { depth, values: MAX_VALUES, keys: Keys::Exact })?)
}

/// What `keep` selects of one document, which may have `values` values.
pub(super) fn parse_kept(
    document: &[u8],
    (depth, values): (usize, usize),
    keep: &Keep,
) -> Result<Value, FieldError> {
    Ok(json::parse_kept(document, Bounds { depth, values, keys: Keys::Exact }, keep)?)
}

/// The value as an object; `field` names it in errors.
pub(super) fn object(value: Value, field: &'static str) -> Result<Fields, FieldError> {
    match value {
        Value::Object(map) => Ok(Fields { within: field, map }),
        _ => Err(FieldError::Kind { field, wanted: "an object" }),
    }
}

/// The value as an array; `field` names it in errors.
pub(super) fn array(value: Value, field: &'static str) -> Result<Vec<Value>, FieldError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(FieldError::Kind { field, wanted: "an array" }),
    }
}

/// The value as a string; `field` names it in errors.
pub(super) fn string(value: Value, field: &'static str) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FieldError::Kind { field, wanted: "a string" }),
    }
}

/// The remaining fields of an object. Names are case-sensitive.
#[derive(Debug)]
pub(super) struct Fields {
    within: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Takes a field that is required.
    pub(super) fn required(&mut self, field: &'static str) -> Result<Value, FieldError> {
        self.map.remove(field).ok_or(FieldError::Missing { field, within: self.within })
    }

    /// Takes a field that may be missing or null.
    pub(super) fn optional(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|value| !value.is_null())
    }

    /// Whether it has this field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// Takes a string that is required.
    pub(super) fn string(&mut self, field: &'static str) -> Result<String, FieldError> {
        string(self.required(field)?, field)
    }

    /// Takes an object that is required.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Self, FieldError> {
        object(self.required(field)?, field)
    }

    /// Takes an array that is required.
    pub(super) fn array(&mut self, field: &'static str) -> Result<Vec<Value>, FieldError> {
        array(self.required(field)?, field)
    }

    /// Fails if fields remain.
    pub(super) fn end(self) -> Result<(), FieldError> {
        match self.map.keys().next() {
            Some(name) => Err(FieldError::Unknown { within: self.within, found: quoted(name) }),
            None => Ok(()),
        }
    }

    /// The fields that were not taken.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.map
    }
}

/// Why a document does not have the required shape.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum FieldError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("{within} has no field {field}")]
    Missing {
        field: &'static str,
        /// The object that misses it.
        within: &'static str,
    },
    #[error("{field} is not {wanted}")]
    Kind {
        field: &'static str,
        /// The required type.
        wanted: &'static str,
    },
    /// A field that is not allowed.
    #[error("{within} has an unknown field {found}")]
    Unknown {
        /// The object that has it.
        within: &'static str,
        /// The name of the field.
        found: Quoted,
    },
}
