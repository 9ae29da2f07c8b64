//! JSON of registries, read into values without second meanings.
//!
//! No key twice at any level, not even in another case: Go, in which containerd reads the same bytes, matches keys
//! without regard to case and lets the last one count.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may lie; image documents need six.
const DEPTH: usize = 24;
/// How many values a document may have: a bound on memory, which its length alone bounds loosely.
const VALUES: usize = 1 << 17;

/// Reads one document and nothing behind it.
///
/// # Errors
/// With words about what is wrong, none of them from the document.
pub(super) fn parse(document: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(document).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let left = Cell::new(VALUES);
    let value = Strict { depth: DEPTH, left: &left }
        .deserialize(&mut deserializer)
        .map_err(|error| explain(&error))?;
    deserializer.end().map_err(|error| explain(&error))?;
    Ok(value)
}

/// A key as Go compares it: `strings.EqualFold` also takes the long s and the Kelvin sign for letters.
pub(super) fn folded(key: &str) -> String {
    key.chars()
        .map(|character| match character {
            'ſ' => 's',
            'K' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

fn explain(error: &serde_json::Error) -> String {
    // The text of a serde error may quote the document.
    let what = match error.to_string() {
        text if text.starts_with(DUPLICATE) => DUPLICATE,
        text if text.starts_with(DEEP) => DEEP,
        text if text.starts_with(MANY) => MANY,
        _ => "it is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

const DUPLICATE: &str = "it has a key twice";
const DEEP: &str = "it is nested too deeply";
const MANY: &str = "it has too many values";

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(DEEP)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom(MANY)),
        }
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(seed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut seen = HashSet::new();
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if !seen.insert(folded(&key)) {
                return Err(A::Error::custom(DUPLICATE));
            }
            map.insert(key, access.next_value_seed(seed)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_meaning_or_none() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let wide = format!("[{}1]", "1,".repeat(VALUES));
        for (document, error) in [
            (br#"{"a":{"b":[1,2.5,"x",null,true]},"c":-1}"#.to_vec(), None),
            (deep(DEPTH).into_bytes(), None),
            (deep(DEPTH + 1).into_bytes(), Some(DEEP)),
            (deep(100_000).into_bytes(), Some(DEEP)),
            (wide.into_bytes(), Some(MANY)),
            (br#"{"a":1,"a":1}"#.to_vec(), Some(DUPLICATE)),
            (br#"{"a":1,"\u0061":1}"#.to_vec(), Some(DUPLICATE)),
            (br#"{"digest":1,"Digest":1}"#.to_vec(), Some(DUPLICATE)),
            ("{\"digest\":1,\"dige\u{17f}t\":1}".as_bytes().to_vec(), Some(DUPLICATE)),
            (br#"{"x":[{"a":1,"a":1}]}"#.to_vec(), Some(DUPLICATE)),
            (b"{} {}".to_vec(), Some("it is not JSON")),
            (b"{}x".to_vec(), Some("it is not JSON")),
            (b"\xef\xbb\xbf{}".to_vec(), Some("it is not JSON")),
            (b"{\0}\0".to_vec(), Some("it is not JSON")),
            (b"{\"a\":\"\xff\"}".to_vec(), Some("it is not UTF-8")),
            (b"".to_vec(), Some("it is not JSON")),
            (br#"{"a":NaN}"#.to_vec(), Some("it is not JSON")),
        ] {
            let parsed = parse(&document);
            let shown = String::from_utf8_lossy(&document).chars().take(40).collect::<String>();
            match error {
                None => assert!(parsed.is_ok(), "{shown}: {parsed:?}"),
                Some(error) => {
                    assert!(parsed.as_ref().unwrap_err().starts_with(error), "{shown}: {parsed:?}")
                }
            }
        }
    }
}
