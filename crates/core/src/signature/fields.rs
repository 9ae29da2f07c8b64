//! The fields of a JSON document, taken out one by one with what each must be.

use serde_json::{Map, Value};

use crate::json::{self, Bounds, JsonError, Keys};
use crate::untrusted::{Quoted, quoted};

/// How many values a document may have.
const MAX_VALUES: usize = 1 << 16;

/// Reads one document whose arrays and objects lie at most `depth` deep. The caller bounds its length.
pub(super) fn parse(document: &[u8], depth: usize) -> Result<Value, FieldError> {
    Ok(json::parse(document, Bounds { depth, values: MAX_VALUES, keys: Keys::Exact })?)
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

/// The fields of an object, taken out one by one. Their names are case-sensitive.
#[derive(Debug)]
pub(super) struct Fields {
    within: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Takes a field that must be there.
    pub(super) fn required(&mut self, field: &'static str) -> Result<Value, FieldError> {
        self.map.remove(field).ok_or(FieldError::Missing { field, within: self.within })
    }

    /// Takes a field that may be absent, or null.
    pub(super) fn optional(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a string that must be there.
    pub(super) fn string(&mut self, field: &'static str) -> Result<String, FieldError> {
        string(self.required(field)?, field)
    }

    /// Takes an object that must be there.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Self, FieldError> {
        object(self.required(field)?, field)
    }

    /// Takes an array that must be there.
    pub(super) fn array(&mut self, field: &'static str) -> Result<Vec<Value>, FieldError> {
        array(self.required(field)?, field)
    }

    /// Refuses whatever was not taken.
    pub(super) fn end(self) -> Result<(), FieldError> {
        match self.map.keys().next() {
            Some(name) => Err(FieldError::Unknown { within: self.within, found: quoted(name) }),
            None => Ok(()),
        }
    }

    /// What was not taken.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.map
    }
}

/// Why a document is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// It is not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is not there.
    #[error("{within} has no field {field}")]
    Missing {
        /// The field.
        field: &'static str,
        /// The object it belongs to.
        within: &'static str,
    },
    /// A field is of the wrong kind.
    #[error("{field} is not {wanted}")]
    Kind {
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A field is there that must not be.
    #[error("{within} has an unknown field {found}")]
    Unknown {
        /// The object it is in.
        within: &'static str,
        /// Its name.
        found: Quoted,
    },
}
