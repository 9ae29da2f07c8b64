//! The table `rewrite` of a host: other repository paths at this host, by regular expressions.
//!
//! Only the containerd of k3s and RKE2 reads it; others ignore it. Source: `withRewritesFromHost` in
//! `core/remotes/docker/resolver.go` of k3s-io/containerd, and `HostsTomlTemplate` in `pkg/agent/templates` of k3s-io/k3s.
//! The first rewrite that changes the path applies. containerd takes them in random order, we in the order of the file.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};
use toml::de::{DeTable, DeValue};

use super::address::clean;
use pullgate_core::untrusted::excerpt;

/// Rewrites of one host that are used.
const REWRITES: usize = 64;
/// Characters of a pattern and of a replacement.
const TEXT: usize = 512;
/// Bytes of a compiled pattern.
const COMPILED: usize = 1 << 20;
/// Characters of a repository's path.
const PATH: usize = 255;

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Rewrites(Vec<Rewrite>);

#[derive(Clone, Debug)]
struct Rewrite {
    pattern: Regex,
    replacement: String,
}

impl PartialEq for Rewrites {
    fn eq(&self, other: &Self) -> bool {
        let texts = |rewrites: &Self| -> Vec<(String, String)> {
            rewrites.0.iter().map(|it| (it.pattern.as_str().to_owned(), it.replacement.clone())).collect()
        };
        texts(self) == texts(other)
    }
}

impl Eq for Rewrites {}

impl Rewrites {
    /// What cannot be used is left out with a warning, as by containerd.
    pub(super) fn read(value: &DeValue<'_>, warnings: &mut Vec<String>) -> Self {
        let Some(table) = value.as_table() else {
            warnings.push("rewrite is not a table of strings and is ignored".to_owned());
            return Self::default();
        };
        let mut rewrites = Vec::new();
        for (pattern, replacement) in in_file_order(table) {
            match Rewrite::read(pattern, replacement) {
                Ok(_) if rewrites.len() >= REWRITES => {
                    warnings.push(format!("only the first {REWRITES} rewrites of a host are used"));
                    break;
                }
                Ok(rewrite) => rewrites.push(rewrite),
                Err(reason) => {
                    warnings.push(format!("rewrite \"{}\" is ignored: {reason}", excerpt(pattern)));
                }
            }
        }
        Self(rewrites)
    }

    /// The path of a repository at the host.
    pub(in super::super) fn apply<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let changed = self.0.iter().find_map(|rewrite| rewrite.apply(path));
        changed.map_or(Cow::Borrowed(path), Cow::Owned)
    }
}

impl Rewrite {
    fn read(pattern: &str, replacement: &DeValue<'_>) -> Result<Self, String> {
        let replacement = replacement.as_str().ok_or("its replacement is not a string")?;
        if pattern.len() > TEXT || replacement.len() > TEXT {
            return Err(format!("it is longer than {TEXT} characters"));
        }
        let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
        if !replacement.bytes().all(is_path) {
            return Err("its replacement cannot be part of a path".to_owned());
        }
        // Names of repositories are ASCII, for which `unicode(false)` is what Go matches.
        let pattern = RegexBuilder::new(&from_go(pattern))
            .unicode(false)
            .size_limit(COMPILED)
            .build()
            .map_err(|_| "its pattern is not a regular expression".to_owned())?;
        Ok(Self { pattern, replacement: replacement.to_owned() })
    }

    /// Go's `ReplaceAllString`, and `path.Join`; `None` if it changes nothing, or the result cannot be a repository's path.
    fn apply(&self, path: &str) -> Option<String> {
        let mut result = Vec::new();
        let mut end = 0;
        for captures in self.pattern.captures_iter(path.as_bytes()) {
            let found = captures.get(0)?;
            result.extend_from_slice(path.as_bytes().get(end..found.start())?);
            captures.expand(self.replacement.as_bytes(), &mut result);
            end = found.end();
            if result.len() > 2 * PATH {
                return None;
            }
        }
        result.extend_from_slice(path.as_bytes().get(end..)?);
        let result = String::from_utf8(result).ok().filter(|result| result != path)?;
        let result = clean(&result).trim_start_matches('/').to_owned();
        (!result.is_empty() && result.len() <= PATH).then_some(result)
    }
}

fn in_file_order<'a>(table: &'a DeTable<'_>) -> Vec<(&'a str, &'a DeValue<'a>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value.get_ref()))
        .collect();
    entries.sort_by_key(|(start, ..)| *start);
    entries.into_iter().map(|(_, pattern, replacement)| (pattern, replacement)).collect()
}

/// A pattern of Go's `regexp` in the syntax of the crate `regex`, which knows no `\Q…\E`, and has nested classes and
/// operators in classes where Go has plain characters.
fn from_go(pattern: &str) -> String {
    let mut result = String::new();
    let mut rest = pattern;
    // Characters since the class began; a `]` is plain if it is the first of them.
    let mut class: Option<usize> = None;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        if let Some(quoted) = rest.strip_prefix("\\Q").filter(|_| class.is_none()) {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            result.push_str(&regex::escape(text));
            rest = after;
            continue;
        }
        if character == '\\' {
            let escaped = after.chars().next();
            result.push(character);
            result.extend(escaped);
            rest = after.get(escaped.map_or(0, char::len_utf8)..).unwrap_or_default();
            class = class.map(|length| length + 1);
            continue;
        }
        rest = after;
        class = match (class, character) {
            (None, '[') => {
                result.push('[');
                if let Some(negated) = rest.strip_prefix('^') {
                    result.push('^');
                    rest = negated;
                }
                Some(0)
            }
            (Some(length), '[') if rest.starts_with(':') && rest.contains(":]") => {
                let (name, after) = rest.split_once(":]").unwrap_or((rest, ""));
                result.extend(["[", name, ":]"]);
                rest = after;
                Some(length + 1)
            }
            (Some(length), ']') if length > 0 => {
                result.push(']');
                None
            }
            (Some(length), '[' | ']' | '&' | '~') => {
                result.extend(['\\', character]);
                Some(length + 1)
            }
            (Some(length), '-') if rest.starts_with('-') => {
                result.push_str("\\-");
                Some(length + 1)
            }
            (class, character) => {
                result.push(character);
                class.map(|length| length + 1)
            }
        };
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Rewrites, Vec<String>) {
        let document = DeTable::parse(text).unwrap();
        let mut warnings = Vec::new();
        let rewrites = Rewrites::read(document.get_ref().get("rewrite").unwrap().get_ref(), &mut warnings);
        (rewrites, warnings)
    }

    #[test]
    fn paths_are_rewritten_as_by_go() {
        for (rewrite, path, expected) in [
            (r#""^library/(.*)" = "hub/$1""#, "library/nginx", "hub/nginx"),
            (r#""^library/(.*)" = "hub/$1""#, "team/library/nginx", "team/library/nginx"),
            (r#""^(.*)$" = "/mirror//hub/$1""#, "a/b", "mirror/hub/a/b"),
            (r#""(.*)" = "x/$1""#, "a", "x/a"),
            // The longest name counts: `$1x` is the group `1x`, which does not exist.
            (r#""^(a)/" = "$1x/""#, "a/b", "b"),
            (r#""^(a)/" = "${1}x/""#, "a/b", "ax/b"),
            (r#""^(?P<team>[^/]+)/" = "$team_mirror/""#, "a/b", "b"),
            (r#""^(?P<team>[^/]+)/" = "$team-mirror/""#, "a/b", "a-mirror/b"),
            (r#""^(?P<team>[^/]+)/" = "${team}-mirror/""#, "a/b", "a-mirror/b"),
            // All matches are replaced.
            (r#""a" = "b""#, "a/aa", "b/bb"),
            (r#""^a$" = "b""#, "a/a", "a/a"),
            (r#"'^\Qa.b\E/' = "c/""#, "a.b/x", "c/x"),
            (r#"'^\Qa.b\E/' = "c/""#, "a-b/x", "a-b/x"),
            (r#"'[a[b]' = "x""#, "b/c", "x/c"),
            (r#"'[a&&b]' = "x""#, "a/c", "x/c"),
            (r#"'[[:digit:]]+' = "n""#, "v12/c", "vn/c"),
            (r#"'[]x]' = "y""#, "x/c", "y/c"),
            // The first that changes the path.
            (
                r#""^z" = "y"
"^a" = "b"
"^b" = "c""#,
                "a",
                "b",
            ),
            (r#""^a$" = """#, "a", "a"),
        ] {
            let (rewrites, warnings) = read(&format!("[rewrite]\n{rewrite}\n"));
            assert_eq!(rewrites.apply(path), expected, "{rewrite}");
            assert!(warnings.is_empty(), "{rewrite}: {warnings:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out_with_a_warning() {
        let long = format!("[rewrite]\n\"a\" = \"{}\"", "b".repeat(TEXT + 1));
        for (text, expected) in [
            ("rewrite = 5", "is not a table of strings"),
            ("[[rewrite]]\nregex = \"a\"", "is not a table of strings"),
            ("[rewrite]\n\"a(\" = \"b\"", "is not a regular expression"),
            ("[rewrite]\n\"((a{1000}){1000}){1000}\" = \"b\"", "is not a regular expression"),
            ("[rewrite]\na = 5", "is not a string"),
            ("[rewrite]\na = \"b?c\"", "cannot be part of a path"),
            (&long, "longer than"),
        ] {
            let (rewrites, warnings) = read(text);
            assert_eq!(rewrites.apply("a"), "a", "{text}");
            assert!(warnings.len() == 1 && warnings[0].contains(expected), "{text}: {warnings:?}");
        }
        let many: String = (0..=REWRITES).map(|number| format!("\"^{number}$\" = \"x\"\n")).collect();
        let (rewrites, warnings) = read(&format!("[rewrite]\n{many}"));
        assert_eq!(rewrites.apply(&REWRITES.to_string()), REWRITES.to_string());
        assert!(warnings[0].contains("only the first"), "{warnings:?}");
        // A result that is longer than a name can be is not a name.
        let (rewrites, _) = read(&format!("[rewrite]\n\"a\" = \"{}\"", "$0".repeat(200)));
        let path = "a".repeat(200);
        assert_eq!(rewrites.apply(&path), path);
    }
}
