//! What is signed with a digest: `key=value`, as `cosign sign -a` takes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use pullgate_core::untrusted::sanitize_to;

/// Annotations that one signature may have.
pub const MAX_ANNOTATIONS: usize = 64;
/// Bytes of all keys and values of one signature, far below what verifiers read of a payload.
pub const MAX_ANNOTATION_BYTES: usize = 16 << 10;

/// Texts by their names, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(BTreeMap<String, String>);

impl Annotations {
    /// Reads annotations that are each written `key=value`; the value may be empty.
    ///
    /// # Errors
    /// When one is not, a key is there twice, or there is more than the bounds allow.
    pub fn parse<T: AsRef<str>>(written: impl IntoIterator<Item = T>) -> Result<Self, AnnotationError> {
        let (mut found, mut bytes) = (BTreeMap::new(), 0_usize);
        for text in written {
            let text = text.as_ref();
            let (key, value) = text
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| AnnotationError::Form { found: sanitize_to(text, 80) })?;
            bytes = bytes.saturating_add(text.len());
            if found.len() >= MAX_ANNOTATIONS || bytes > MAX_ANNOTATION_BYTES {
                return Err(AnnotationError::TooMuch);
            }
            if found.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(AnnotationError::Twice { key: sanitize_to(key, 80) });
            }
        }
        Ok(Self(found))
    }

    /// As the field `optional` of a simple-signing payload: an object, or null when there are none; byte for byte as Go
    /// writes it, so that the payload is the one that cosign would sign.
    pub(super) fn go_json(&self) -> String {
        if self.0.is_empty() {
            return "null".to_owned();
        }
        let fields: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}:{}", go_string(key), go_string(value))).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// As the annotations of a statement's subject.
    pub(super) fn object(&self) -> Map<String, Value> {
        self.0.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
    }
}

/// A JSON string as Go's `encoding/json` writes it: `<`, `>`, `&` and two line ends of Unicode are escaped as well.
fn go_string(text: &str) -> String {
    let mut escaped = String::new();
    for character in Value::from(text).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Why a text is no annotation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// It is not `key=value`.
    #[error("an annotation is written key=value, not {found}")]
    Form {
        /// What was found.
        found: String,
    },
    /// A key is there twice.
    #[error("the annotation {key} is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// More than the bounds allow.
    #[error("a signature has at most {MAX_ANNOTATIONS} annotations with {MAX_ANNOTATION_BYTES} bytes in all")]
    TooMuch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_key_and_value() {
        let read = |written: &[&str]| Annotations::parse(written).map(|annotations| annotations.go_json());
        assert_eq!(read(&[]).unwrap(), "null");
        assert_eq!(read(&["commit=abc", "build=42"]).unwrap(), r#"{"build":"42","commit":"abc"}"#);
        assert_eq!(read(&["a=", "b=c=d"]).unwrap(), r#"{"a":"","b":"c=d"}"#);
        assert_eq!(
            read(&["k=<a&b>\u{2028}\"\\\n\u{1}é"]).unwrap(),
            r#"{"k":"\u003ca\u0026b\u003e\u2028\"\\\n\u0001é"}"#
        );
        for wrong in [&["a"][..], &["=a"], &[""], &["a=1", "a=1"], &["a=1", "a=2"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        let many: Vec<String> = (0..=MAX_ANNOTATIONS).map(|number| format!("{number}=x")).collect();
        assert!(Annotations::parse(&many[..MAX_ANNOTATIONS]).is_ok());
        assert_eq!(Annotations::parse(&many), Err(AnnotationError::TooMuch));
        assert!(Annotations::parse([format!("k={}", "x".repeat(MAX_ANNOTATION_BYTES))]).is_err());
    }
}
