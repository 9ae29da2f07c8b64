//! Signed annotations: `key=value`, as `cosign sign -a` takes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use pullgate_core::reference::Repository;
use pullgate_core::signature::REPOSITORY_ANNOTATION;
use pullgate_core::untrusted::sanitize_to;

/// The most annotations of one signature.
pub const MAX_ANNOTATIONS: usize = 64;
/// Bytes of all keys and values of one signature, far below the limits of verifiers for a payload.
pub const MAX_ANNOTATION_BYTES: usize = 16 << 10;

/// Values by key, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(BTreeMap<String, String>);

impl Annotations {
    /// No annotations.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Parses annotations in the form `key=value`; the value may be empty.
    ///
    /// # Errors
    /// For another form, a duplicate key, or more than the limits.
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

    /// The field `optional` of a simple-signing payload: an object, or null without annotations; byte for byte as Go writes
    /// it, so that the payload equals cosign's.
    pub(super) fn go_json(&self) -> String {
        if self.0.is_empty() {
            return "null".to_owned();
        }
        let fields: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}:{}", go_string(key), go_string(value))).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// The annotations of a signature in a format that does not name a repository otherwise: these, and the name of the
    /// repository, unless they have one. So it counts only there, as a classic signature does, where a policy has
    /// `identity = "required"`.
    pub(super) fn with_repository(&self, repository: &Repository) -> BTreeMap<String, String> {
        let mut annotations = self.0.clone();
        let name = || repository.canonical().into_owned();
        annotations.entry(REPOSITORY_ANNOTATION.to_owned()).or_insert_with(name);
        annotations
    }
}

/// A JSON string as Go's `encoding/json` writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped as well.
fn go_string(text: &str) -> String {
    let mut escaped = String::new();
    for character in Value::from(text).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Why annotations cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// Not `key=value`.
    #[error("annotation {found} is not of the form key=value")]
    Form { found: String },
    /// A duplicate key.
    #[error("duplicate annotation {key}")]
    Twice { key: String },
    /// More than the limits.
    #[error(
        "a signature may have at most {MAX_ANNOTATIONS} annotations with {MAX_ANNOTATION_BYTES} bytes in total"
    )]
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
