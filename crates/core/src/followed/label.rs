//! A label that a node declares.

use std::fmt;

/// Maximum length of a label.
pub const MAX_LABEL_BYTES: usize = 128;

/// A label such as `pool=edge`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// Parses `KEY=VALUE`: ASCII letters, digits, `-`, `_`, `.`, in the key also `/`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let (key, value) = text.split_once('=')?;
        let is_label = text.len() <= MAX_LABEL_BYTES
            && !key.is_empty()
            && !value.is_empty()
            && key.bytes().all(|byte| plain(byte) || byte == b'/')
            && value.bytes().all(plain);
        is_label.then(|| Self(text.to_owned()))
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
