//! Suggestions for mistyped names.

use pullgate_core::untrusted::sanitize_to;

/// How much of a text is repeated in a message, in bytes.
const SHOWN: usize = 64;

/// The text in backquotes, sanitized and shortened. A PEM text is never quoted: it may be a private key in the wrong place.
pub fn quoted(text: &str) -> String {
    if text.contains("-----BEGIN") {
        return "(a PEM text)".to_owned();
    }
    format!("`{}`", sanitize_to(text, SHOWN))
}

/// A hint with the closest of `known`, if one is close, and all of them.
pub fn one_of<T: AsRef<str>>(text: &str, known: &[T]) -> String {
    let all: Vec<String> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    let all = all.join(", ");
    match closest(text, known) {
        Some(name) => format!("did you mean `{name}`? Known are {all}"),
        None if known.is_empty() => "no names are known".to_owned(),
        None => format!("known are {all}"),
    }
}

/// The closest of `known`, at a distance of at most a third of its letters.
fn closest<'a, T: AsRef<str>>(text: &str, known: &'a [T]) -> Option<&'a str> {
    let (distance, name) = known
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| text.len() <= SHOWN && name.len() <= SHOWN)
        .map(|name| (distance(text, name), name))
        .min()?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

/// The edit distance, without regard to case and to `_` for `-`; two letters that are swapped are one edit.
fn distance(one: &str, other: &str) -> usize {
    let [one, other] = [one, other].map(|text| text.to_ascii_lowercase().replace('_', "-"));
    strsim::osa_distance(&one, &other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_distance() {
        for (one, other, expected) in [
            ("", "", 0),
            ("scope", "scope", 0),
            ("scop", "scope", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("fiel", "file", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn names_what_is_close_and_all_there_is() {
        assert_eq!(
            one_of("scop", &["scope", "require"]),
            "did you mean `scope`? Known are `scope`, `require`"
        );
        assert_eq!(one_of("not_after", &["not-after"]), "did you mean `not-after`? Known are `not-after`");
        assert_eq!(one_of("zzz", &["scope", "require"]), "known are `scope`, `require`");
        assert_eq!(one_of::<&str>("zzz", &[]), "no names are known");
    }

    #[test]
    fn repeats_little_and_never_a_key() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(65)), format!("`{}…`", "x".repeat(61)));
        assert_eq!(quoted("-----BEGIN PRIVATE KEY-----\nMC4"), "(a PEM text)");
    }
}
