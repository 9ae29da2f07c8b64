//! Text from outside, made safe to display: in messages, logs, terminals and files.
//!
//! There is one convention. What is not printable is escaped as Rust escapes it (`\n`, `\u{202e}`), so that nothing ends a
//! line, starts a terminal sequence or reverses the direction of writing. Everything else stays as it is, also backslashes:
//! text that was made safe already does not change.

use std::borrow::Cow;
use std::fmt;

/// Bytes of foreign text that an error repeats: room for the longest digest.
const EXCERPT_BYTES: usize = 160;

/// `text` on one line.
pub fn sanitize(text: &str) -> String {
    sanitize_to(text, usize::MAX)
}

/// `text` on one line of at most `limit` bytes, which ends in `…` when it is cut.
pub fn sanitize_to(text: &str, limit: usize) -> String {
    fit(text, limit, |character| matches!(character, '"' | '\'' | '\\'))
}

/// `text` on one line, as much of it as an error repeats: at most 160 bytes.
pub fn excerpt(text: &str) -> String {
    sanitize_to(text, EXCERPT_BYTES)
}

/// The name of an image on one line of at most `limit` bytes. If somebody wrote a password into it, as in
/// `https://user:password@registry/app`, it is not shown.
pub fn image_name(text: &str, limit: usize) -> String {
    sanitize_to(&without_user(text), limit)
}

/// `text` with `***` for what is before an `@`, except the one before a digest, and for what is after a `?`. A valid name has
/// neither.
fn without_user(text: &str) -> Cow<'_, str> {
    let (text, has_query) = text.split_once('?').map_or((text, false), |(text, _)| (text, true));
    let query = if has_query { "?***" } else { "" };
    let (name, digest) = match text.rsplit_once('@') {
        Some((name, digest)) if is_digest(digest) => (name, Some(digest)),
        _ => (text, None),
    };
    let Some((before, host)) = name.rsplit_once('@') else {
        return if has_query { Cow::Owned(format!("{text}{query}")) } else { Cow::Borrowed(text) };
    };
    let scheme = before.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let scheme = scheme.map_or_else(String::new, |(scheme, _)| format!("{scheme}://"));
    let digest = digest.map_or_else(String::new, |digest| format!("@{digest}"));
    Cow::Owned(format!("{scheme}***@{host}{digest}{query}"))
}

/// Whether `text` is a digest, and not a host with a port: https://github.com/distribution/reference, `digest-hex` has at least
/// 32 digits. A shorter one after the name of a hash is an invalid digest.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex && (hex.len() >= 32 || matches!(algorithm, "sha256" | "sha384" | "sha512"))
    })
}

/// As in RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A piece of foreign text in double quotes, which it cannot close: one line, at most 160 bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(String);

/// Quotes `text`.
pub fn quoted(text: &str) -> Quoted {
    Quoted(fit(text, EXCERPT_BYTES, |character| character == '\''))
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// An error and its causes on one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    sanitize(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Escapes all of `text` but what is printable, and those of Rust's escapes that `is_kept`. No escape is cut in the middle.
fn fit(text: &str, limit: usize, is_kept: impl Fn(char) -> bool) -> String {
    let (mut shown, mut end) = (String::new(), 0);
    for character in text.chars() {
        if is_kept(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
        if shown.len() > limit {
            shown.truncate(end);
            shown.push('…');
            break;
        }
        if shown.len().saturating_add('…'.len_utf8()) <= limit {
            end = shown.len();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_names_are_not_shown() {
        for (text, shown) in [
            ("r.io/app:1", "r.io/app:1"),
            ("r.io:5000/app:1@sha256:abc", "r.io:5000/app:1@sha256:abc"),
            ("https://user:pass@r.io/app", "https://***@r.io/app"),
            ("user:pass@r.io/app:1", "***@r.io/app:1"),
            ("https://user:p/a@ss@r.io/app@sha256:abc", "https://***@r.io/app@sha256:abc"),
            ("user:pass@", "***@"),
            ("https://user:pass@shared.example.com/app", "https://***@shared.example.com/app"),
            ("user:pass@shared:5000/app", "***@shared:5000/app"),
            ("user:pass@shared:5000", "***@shared:5000"),
            ("user:p://x@r.io/app", "***@r.io/app"),
            ("r.io/app?token=pass", "r.io/app?***"),
            ("https://user:pass@r.io/app?token=pass", "https://***@r.io/app?***"),
            ("user:pass@sha256:abc@r.io", "***@r.io"),
            ("https://r.io/app\u{1b}", "https://r.io/app\\u{1b}"),
        ] {
            assert_eq!(image_name(text, 512), shown, "{text}");
        }
    }

    #[test]
    fn text_is_one_line_of_printable_characters() {
        for (name, text, shown) in [
            ("nothing", "", ""),
            ("a name", "reg.example/app:1", "reg.example/app:1"),
            (
                "line breaks",
                "a\r\nfaked: line\u{2028}\u{2029}\u{85}",
                "a\\r\\nfaked: line\\u{2028}\\u{2029}\\u{85}",
            ),
            ("a terminal sequence", "\u{1b}[2J\u{9b}31m\u{7f}\0\t", "\\u{1b}[2J\\u{9b}31m\\u{7f}\\0\\t"),
            ("an override", "a\u{202e}b", "a\\u{202e}b"),
            ("an isolate", "\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
            ("direction marks", "\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("no width", "a\u{200b}\u{feff}", "a\\u{200b}\\u{feff}"),
            ("combining marks", "a\u{301}", "a\\u{301}"),
            ("letters", "Grüße 世界 😀", "Grüße 世界 😀"),
            ("percent", "100%0a%s", "100%0a%s"),
            ("quotes and backslashes", r#"'a' "b" \c"#, r#"'a' "b" \c"#),
        ] {
            assert_eq!(sanitize(text), shown, "{name}");
            assert_eq!(sanitize(shown), shown, "{name}, twice");
        }
    }

    #[test]
    fn long_text_is_cut_to_bytes_between_characters_and_escapes() {
        for (name, text, limit, shown) in [
            ("it fits", "abcdef", 6, "abcdef"),
            ("ASCII", "abcdefg", 6, "abc…"),
            ("two bytes each", "éééé", 6, "é…"),
            ("four bytes each", "😀😀😀", 9, "😀…"),
            ("an escape", "ab\n\n", 6, "ab\\n\\n"),
            ("an escape that does not fit", "ab\u{202e}cd", 8, "ab…"),
            ("no room for anything", "abcd", 3, "…"),
        ] {
            assert_eq!(sanitize_to(text, limit), shown, "{name}");
        }
        assert_eq!(excerpt(&"x".repeat(10_000)), format!("{}…", "x".repeat(157)));
    }

    #[test]
    fn quotes_stay_closed() {
        for (text, shown) in [
            ("", r#""""#.to_owned()),
            ("two\nlines", r#""two\nlines""#.to_owned()),
            ("it's \"q\" \\", r#""it's \"q\" \\""#.to_owned()),
            (&"a".repeat(160), format!("\"{}\"", "a".repeat(160))),
            (&"a".repeat(161), format!("\"{}…\"", "a".repeat(157))),
        ] {
            assert_eq!(quoted(text).to_string(), shown);
        }
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read\nit")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(error_chain(&Outer(std::io::Error::other("gone\u{1b}"))), "cannot read\\nit: gone\\u{1b}");
    }
}
