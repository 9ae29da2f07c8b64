//! Untrusted JSON, parsed without ambiguity: duplicate keys are an error at every level (RFC 8259 section 4 leaves open
//! which one counts), depth and number of values are limited, and nothing may follow the document.

mod keep;

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use self::keep::Keep;

/// Which keys of one object are duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Identical keys.
    Exact,
    /// Keys that Go considers equal: containerd reads the same bytes with `encoding/json`, which matches keys
    /// case-insensitively and uses the last one.
    AsGo,
}

/// Limits of a document. The caller limits its length.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The maximum nesting depth of arrays and objects.
    pub depth: usize,
    /// The maximum number of values: limits memory, which the length limits only loosely.
    pub values: usize,
    /// Which keys are duplicates.
    pub keys: Keys,
}

/// Parses one document.
///
/// # Errors
/// When it is not strict JSON within `bounds`, or anything follows it.
pub fn parse(document: &[u8], bounds: Bounds) -> Result<Value, JsonError> {
    parse_kept(document, bounds, Keep::everything())
}

/// As [`parse`], but only what `keep` selects is in the result. The rest is checked as strictly, and takes no memory.
///
/// # Errors
/// As [`parse`].
pub fn parse_kept(document: &[u8], bounds: Bounds, keep: &Keep) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(document).map_err(|_| JsonError::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let remaining = Cell::new(bounds.values);
    let strict = Strict { depth: bounds.depth, keys: bounds.keys, remaining: &remaining, keep };
    let value = strict.deserialize(&mut deserializer).map_err(|error| JsonError::of(&error))?;
    deserializer.end().map_err(|error| JsonError::of(&error))?;
    Ok(value)
}

/// A key in the form in which Go compares it: `strings.EqualFold` also folds the long s and the Kelvin sign.
pub fn folded(key: &str) -> String {
    key.chars()
        .map(|character| match character {
            'ſ' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Why a document cannot be parsed. Errors contain no text of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Arrays and objects are nested more deeply than the limit.
    #[error("it is nested too deeply (line {line}, column {column})")]
    Deep {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A duplicate key in an object.
    #[error("it has a duplicate key (line {line}, column {column})")]
    Duplicate {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// More values than the limit.
    #[error("it has too many values (line {line}, column {column})")]
    Many {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is not JSON, or more than one document.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The document is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The document begins with U+FEFF, which JSON does not allow (RFC 8259 section 8.1).
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
}

const DEEP: &str = "nested too deeply";
const DUPLICATE: &str = "a duplicate key";
const MANY: &str = "too many values";

impl JsonError {
    /// serde carries our errors as text; its own errors may quote the document, so they are dropped.
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

/// Parses one value with at most `depth` levels of arrays and objects; `left` counts the values that are still allowed.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    keys: Keys,
    remaining: &'a Cell<usize>,
    keep: &'a Keep,
}

impl<'a> Strict<'a> {
    fn keeping(self, keep: &'a Keep) -> Self {
        Self { keep, ..self }
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(DEEP))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let remaining = self.remaining.get().checked_sub(1).ok_or_else(|| D::Error::custom(MANY))?;
        self.remaining.set(remaining);
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
        Ok(if self.keep.is_nothing() { Value::Null } else { Value::String(text.to_owned()) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut values = Vec::new();
        let mut index = 0_usize;
        loop {
            let keep = self.keep.element(index);
            let Some(value) = access.next_element_seed(within.keeping(keep))? else { break };
            // Of elements that are not kept, one shows that the array is not empty.
            if values.is_empty() || !keep.is_nothing() || self.keep.has_places() {
                values.push(value);
            }
            index = index.saturating_add(1);
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
            let keep = self.keep.field(&key);
            let value = access.next_value_seed(within.keeping(keep))?;
            if !keep.is_nothing() {
                map.insert(key, value);
            }
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
        read_kept(document, keys, Keep::everything())
    }

    fn read_kept(document: &[u8], keys: Keys, keep: &Keep) -> &'static str {
        match parse_kept(document, Bounds { keys, ..BOUNDS }, keep) {
            Ok(_) => "ok",
            Err(JsonError::Deep { .. }) => "deep",
            Err(JsonError::Duplicate { .. }) => "duplicate",
            Err(JsonError::Many { .. }) => "many",
            Err(JsonError::NotJson { .. }) => "not JSON",
            Err(JsonError::NotUtf8) => "not UTF-8",
            Err(JsonError::ByteOrderMark) => "byte order mark",
        }
    }

    #[test]
    fn ambiguous_documents_are_errors() {
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
            ("\u{feff}{}".to_owned(), "byte order mark"),
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
    fn only_what_is_selected_is_kept() {
        let document =
            r#"{"a":{"b":[{"c":1,"d":"x"},{"c":[2],"e":{}}],"f":"y"},"g":["z","z"],"h":[],"i":"j"}"#;
        for (paths, expected) in [
            (&["a/b/*/c"][..], r#"{"a":{"b":[{"c":1},{"c":[2]}]}}"#),
            (&["a/b/1/c", "i"], r#"{"a":{"b":[{},{"c":[2]}]},"i":"j"}"#),
            (&["a/f", "a/b/*/d"], r#"{"a":{"b":[{"d":"x"},{}],"f":"y"}}"#),
            (&["g/none", "h/none"], r#"{"g":[null,null],"h":[]}"#),
            (&["g/*/none", "i/none"], r#"{"g":["z","z"],"i":"j"}"#),
            (&["a"], r#"{"a":{"b":[{"c":1,"d":"x"},{"c":[2],"e":{}}],"f":"y"}}"#),
            (&["none"], "{}"),
        ] {
            let kept = parse_kept(document.as_bytes(), BOUNDS, &Keep::paths(paths)).unwrap();
            assert_eq!(kept.to_string(), expected, "{paths:?}");
        }
        // A name beside `*`, in whichever of the two the name is.
        for (names, expected) in [
            (&["a", "b", "1", "e"][..], r#"{"a":{"b":[{"c":1},{"c":[2],"e":{}}]}}"#),
            (&["a", "b", "0", "c"], r#"{"a":{"b":[{"c":1},{"c":[2]}]}}"#),
            (&["a", "b", "0"], r#"{"a":{"b":[{"c":1,"d":"x"},{"c":[2]}]}}"#),
            (&["a", "b", "2", "c"], r#"{"a":{"b":[{"c":1},{"c":[2]}]}}"#),
        ] {
            let mut keep = Keep::paths(&["a/b/*/c"]);
            keep.add(names.iter().copied());
            let kept = parse_kept(document.as_bytes(), BOUNDS, &keep).unwrap();
            assert_eq!(kept.to_string(), expected, "{names:?}");
        }
        // What is not kept is checked all the same.
        for (document, expected) in [
            (r#"{"a":1,"x":{"b":1,"b":1}}"#.to_owned(), "duplicate"),
            (format!(r#"{{"a":1,"x":{}{}}}"#, "[".repeat(16), "]".repeat(16)), "deep"),
            (format!(r#"{{"a":1,"x":[{}0]}}"#, "0,".repeat(100)), "many"),
        ] {
            assert_eq!(read_kept(document.as_bytes(), Keys::Exact, &Keep::paths(&["a"])), expected);
        }
        let many = format!("[{}0]", "0,".repeat(90));
        assert_eq!(parse_kept(many.as_bytes(), BOUNDS, &Keep::paths(&[])).unwrap().to_string(), "[0]");
    }

    #[test]
    fn duplicate_keys_are_exact_or_as_go_folds_them() {
        for document in
            [r#"{"digest":1,"Digest":1}"#, "{\"digest\":1,\"dige\u{17f}t\":1}", "{\"k\":1,\"\u{212a}\":1}"]
        {
            assert_eq!(read(document.as_bytes(), Keys::Exact), "ok", "{document}");
            assert_eq!(read(document.as_bytes(), Keys::AsGo), "duplicate", "{document}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json(
            document in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if parse(&document, BOUNDS).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&document).is_ok());
            }
        }

        #[test]
        fn never_panics_on_json_like_text(document in r#"[\[\]{}:,"a01\\. ]{0,60}"#) {
            if parse(document.as_bytes(), BOUNDS).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&document).is_ok());
            }
        }
    }
}
