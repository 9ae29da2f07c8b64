//! JSON of strangers, read without second meanings: no key twice at any level (RFC 8259 section 4 leaves open which one
//! counts), bounded depth and number of values, and nothing behind the document.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Excerpt;

/// How many values a document may have: a bound on memory, which its length alone bounds loosely.
const MAX_VALUES: usize = 1 << 16;

/// Reads one document whose arrays and objects lie at most `depth` deep. The caller bounds its length.
pub(super) fn parse(document: &[u8], depth: usize) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(document).map_err(|_| JsonError::NotUtf8)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let left = Cell::new(MAX_VALUES);
    let value = Strict { depth, left: &left }.deserialize(&mut deserializer).map_err(JsonError::Syntax)?;
    deserializer.end().map_err(JsonError::Syntax)?;
    Ok(value)
}

/// A value. Booleans and numbers are only ever skipped here, so their value is not kept.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Scalar,
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Value {
    /// The value as an object; `field` names it in errors.
    pub(super) fn object(self, field: &'static str) -> Result<Fields, JsonError> {
        match self {
            Self::Object(map) => Ok(Fields { within: field, map }),
            _ => Err(JsonError::Kind { field, wanted: "an object" }),
        }
    }

    /// The value as an array; `field` names it in errors.
    pub(super) fn array(self, field: &'static str) -> Result<Vec<Self>, JsonError> {
        match self {
            Self::Array(values) => Ok(values),
            _ => Err(JsonError::Kind { field, wanted: "an array" }),
        }
    }

    /// The value as a string; `field` names it in errors.
    pub(super) fn string(self, field: &'static str) -> Result<String, JsonError> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(JsonError::Kind { field, wanted: "a string" }),
        }
    }
}

/// The fields of an object, taken out one by one. Their names are case-sensitive.
#[derive(Debug)]
pub(super) struct Fields {
    within: &'static str,
    map: BTreeMap<String, Value>,
}

impl Fields {
    /// Takes a field that must be there.
    pub(super) fn required(&mut self, field: &'static str) -> Result<Value, JsonError> {
        self.map.remove(field).ok_or(JsonError::Missing { field, within: self.within })
    }

    /// Takes a field that may be absent, or null.
    pub(super) fn optional(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|value| *value != Value::Null)
    }

    /// Takes a string that must be there.
    pub(super) fn string(&mut self, field: &'static str) -> Result<String, JsonError> {
        self.required(field)?.string(field)
    }

    /// Takes an object that must be there.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Self, JsonError> {
        self.required(field)?.object(field)
    }

    /// Refuses whatever was not taken.
    pub(super) fn end(self) -> Result<(), JsonError> {
        match self.map.keys().next() {
            Some(name) => Err(JsonError::Unknown { within: self.within, found: Excerpt::of(name) }),
            None => Ok(()),
        }
    }

    /// What was not taken.
    pub(super) fn rest(self) -> BTreeMap<String, Value> {
        self.map
    }
}

/// Why a document is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Not JSON, or JSON with a key twice, too deep or with too many values.
    #[error("it is not strict JSON")]
    Syntax(#[source] serde_json::Error),
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
        found: Excerpt,
    },
}

/// Reads one value with `depth` levels of arrays and objects and `left` values to go.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(within)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut map = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {} is there twice", Excerpt::of(&key))));
            }
            let value = access.next_value_seed(within)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_json_without_second_meanings() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        for (document, read) in [
            (r#"{"a":{"b":[1,-1,1.5,true,null,"x"]}}"#.to_owned(), true),
            (" {} \n".to_owned(), true),
            (r#"{"a":1,"A":2}"#.to_owned(), true),
            (r#"{"a":1,"a":1}"#.to_owned(), false),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), false),
            (r#"[[{"x":[{"a":1,"a":1}]}]]"#.to_owned(), false),
            ("{}{}".to_owned(), false),
            ("{} x".to_owned(), false),
            ("{}\0".to_owned(), false),
            ("".to_owned(), false),
            ("\u{feff}{}".to_owned(), false),
            (r#"{"a":1,}"#.to_owned(), false),
            ("{'a':1}".to_owned(), false),
            ("// x\n{}".to_owned(), false),
            ("NaN".to_owned(), false),
            ("\"a\nb\"".to_owned(), false),
            (r#""\ud800""#.to_owned(), false),
            (deep(16), true),
            (deep(17), false),
            (deep(100_000), false),
            (many(MAX_VALUES - 1), true),
            (many(MAX_VALUES), false),
        ] {
            let shown: String = document.chars().take(40).collect();
            assert_eq!(parse(document.as_bytes(), 16).is_ok(), read, "{shown}");
        }
        assert!(matches!(parse(b"\"\xff\"", 16), Err(JsonError::NotUtf8)));
    }

    #[test]
    fn says_which_key_is_there_twice_in_one_line() {
        let JsonError::Syntax(error) = parse(br#"{"a\nb":1,"a\nb":2}"#, 4).unwrap_err() else {
            panic!("not syntax")
        };
        assert!(error.to_string().starts_with(r#"key "a\nb" is there twice"#), "{error}");
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json_on_what_it_reads(document in proptest::collection::vec(any::<u8>(), 0..200)) {
            if parse(&document, 16).is_ok() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&document).is_ok());
            }
        }

        #[test]
        fn never_panics_on_what_looks_like_json(document in r#"[\[\]{}:,"a01\\. ]{0,60}"#) {
            if parse(document.as_bytes(), 16).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&document).is_ok());
            }
        }
    }
}
