//! Untrusted text, shortened and escaped for messages.

use std::fmt;

/// Maximum length of the shown text, in characters.
const MAX_CHARACTERS: usize = 128;

/// A quoted piece of untrusted text: printable ASCII, escaped, at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// Escapes and shortens `text`.
    pub fn of(text: &str) -> Self {
        let mut escaped = text.chars().flat_map(char::escape_default);
        let mut shown: String = escaped.by_ref().take(MAX_CHARACTERS).collect();
        let cut = escaped.next().is_some();
        shown.insert(0, '"');
        shown.push_str(if cut { "...\"" } else { "\"" });
        Self(shown)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_short_line_of_ascii() {
        for (text, shown) in [
            ("", r#""""#.to_owned()),
            ("plain/text:1", r#""plain/text:1""#.to_owned()),
            ("two\nlines\r\t\0\u{1b}[31m", r#""two\nlines\r\t\u{0}\u{1b}[31m""#.to_owned()),
            ("q\"\u{202e}ü", r#""q\"\u{202e}\u{fc}""#.to_owned()),
            (&"a".repeat(128), format!("\"{}\"", "a".repeat(128))),
            (&"a".repeat(129), format!("\"{}...\"", "a".repeat(128))),
        ] {
            assert_eq!(Excerpt::of(text).to_string(), shown);
        }
    }
}
