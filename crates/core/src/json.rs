//! JSON of strangers, read without second meanings: no key twice at any level (RFC 8259 section 4 leaves open which one
//! counts), bounded depth and number of values, and nothing behind the document.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Which keys of one object count as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Those that are spelled the same.
    Exact,
    /// Those that Go takes for the same: containerd reads the same bytes with `encoding/json`, which matches keys without
    /// regard to case and lets the last one count.
    AsGo,
}

/// What a document may be like. The caller bounds its length.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How deep arrays and objects may lie.
    pub depth: usize,
    /// How many values there may be: a bound on memory, which the length alone bounds loosely.
    pub values: usize,
    /// Which keys must not both be there.
    pub keys: Keys,
}

/// Reads one document and nothing behind it.
///
/// # Errors
/// When it is not strict JSON within `bounds`.
pub fn parse(document: &[u8], bounds: Bounds) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(document).map_err(|_| JsonError::NotUtf8)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let left = Cell::new(bounds.values);
    let strict = Strict { depth: bounds.depth, keys: bounds.keys, left: &left };
    let value = strict.deserialize(&mut deserializer).map_err(|error| JsonError::of(&error))?;
    deserializer.end().map_err(|error| JsonError::of(&error))?;
    Ok(value)
}

/// A key as Go compares it: `strings.EqualFold` also takes the long s and the Kelvin sign for letters.
pub fn folded(key: &str) -> String {
    key.chars()
        .map(|character| match character {
            'ſ' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Why a document is not read. Nothing of the document is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Arrays and objects lie deeper than the bound.
    #[error("it is nested too deeply (line {line}, column {column})")]
    Deep {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// An object has a key twice.
    #[error("it has a key twice (line {line}, column {column})")]
    Duplicate {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// There are more values than the bound.
    #[error("it has too many values (line {line}, column {column})")]
    Many {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// It is not JSON, or there is more than one document.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
}

const DEEP: &str = "nested too deeply";
const DUPLICATE: &str = "a key twice";
const MANY: &str = "too many values";

impl JsonError {
    /// serde carries our errors as text; its own texts may quote the document, so they are dropped.
    fn of(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.to_string() {
            text if text.starts_with(DEEP) => Self::Deep { line, column },
            text if text.starts_with(DUPLICATE) => Self::Duplicate { line, column },
            text if text.starts_with(MANY) => Self::Many { line, column },
            _ => Self::NotJson { line, column },
        }
    }
}

/// Reads one value with `depth` levels of arrays and objects and `left` values to go.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    keys: Keys,
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(DEEP))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom(MANY))?;
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

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
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
        let mut seen = HashSet::new();
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let compared = match self.keys {
                Keys::Exact => key.clone(),
                Keys::AsGo => folded(&key),
            };
            if !seen.insert(compared) {
                return Err(A::Error::custom(DUPLICATE));
            }
            map.insert(key, access.next_value_seed(within)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 16, values: 100, keys: Keys::Exact };

    /// The name of the error's variant, or "ok".
    fn read(document: &[u8], keys: Keys) -> &'static str {
        match parse(document, Bounds { keys, ..BOUNDS }) {
            Ok(_) => "ok",
            Err(JsonError::Deep { .. }) => "deep",
            Err(JsonError::Duplicate { .. }) => "duplicate",
            Err(JsonError::Many { .. }) => "many",
            Err(JsonError::NotJson { .. }) => "not JSON",
            Err(JsonError::NotUtf8) => "not UTF-8",
        }
    }

    #[test]
    fn one_meaning_or_none() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        for (document, expected) in [
            (r#"{"a":{"b":[1,-1,1.5,true,null,"x"]}}"#.to_owned(), "ok"),
            (" {} \n".to_owned(), "ok"),
            (r#"{"a":1,"a":1}"#.to_owned(), "duplicate"),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), "duplicate"),
            (r#"[[{"x":[{"a":1,"a":1}]}]]"#.to_owned(), "duplicate"),
            ("{}{}".to_owned(), "not JSON"),
            ("{} x".to_owned(), "not JSON"),
            ("{}\0".to_owned(), "not JSON"),
            ("".to_owned(), "not JSON"),
            ("\u{feff}{}".to_owned(), "not JSON"),
            (r#"{"a":1,}"#.to_owned(), "not JSON"),
            ("{'a':1}".to_owned(), "not JSON"),
            ("// x\n{}".to_owned(), "not JSON"),
            ("NaN".to_owned(), "not JSON"),
            ("\"a\nb\"".to_owned(), "not JSON"),
            (r#""\ud800""#.to_owned(), "not JSON"),
            (deep(16), "ok"),
            (deep(17), "deep"),
            (deep(100_000), "deep"),
            (many(99), "ok"),
            (many(100), "many"),
        ] {
            let shown: String = document.chars().take(40).collect();
            assert_eq!(read(document.as_bytes(), Keys::Exact), expected, "{shown}");
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}", Keys::Exact), "not UTF-8");
    }

    #[test]
    fn keys_are_the_same_exactly_or_as_go_has_it() {
        for document in
            [r#"{"digest":1,"Digest":1}"#, "{\"digest\":1,\"dige\u{17f}t\":1}", "{\"k\":1,\"\u{212a}\":1}"]
        {
            assert_eq!(read(document.as_bytes(), Keys::Exact), "ok", "{document}");
            assert_eq!(read(document.as_bytes(), Keys::AsGo), "duplicate", "{document}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json_on_what_it_reads(
            document in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if parse(&document, BOUNDS).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&document).is_ok());
            }
        }

        #[test]
        fn never_panics_on_what_looks_like_json(document in r#"[\[\]{}:,"a01\\. ]{0,60}"#) {
            if parse(document.as_bytes(), BOUNDS).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&document).is_ok());
            }
        }
    }
}
