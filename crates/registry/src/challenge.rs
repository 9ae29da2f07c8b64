//! `WWW-Authenticate` challenges, read as containerd reads them.
//!
//! Source: `ParseAuthHeader` in `core/remotes/docker/auth/parse.go`: one challenge per header line, unknown schemes are
//! skipped, Bearer before Basic, a malformed parameter ends its challenge.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The authorization that a registry requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token of the service at `realm`.
    Bearer {
        /// URL of the token service, not yet checked.
        realm: String,
        /// The registry's name at the token service; may be empty.
        service: String,
        /// Scopes that the registry asks for, separated by spaces; may be empty.
        scope: String,
    },
    Basic,
}

/// The challenge to answer, or `None` if no scheme is supported.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = false;
    for line in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(line) = line.to_str() else { continue };
        let (scheme, rest) = token(line);
        if scheme.eq_ignore_ascii_case("basic") {
            basic = true;
        } else if scheme.eq_ignore_ascii_case("bearer") {
            let mut realm = None;
            let (mut service, mut scope) = (String::new(), String::new());
            for (name, value) in parameters(rest) {
                match name.as_str() {
                    "realm" => realm = Some(value),
                    "service" => service = value,
                    "scope" => scope = value,
                    _ => {}
                }
            }
            return Some(Challenge::Bearer { realm: realm.unwrap_or_default(), service, scope });
        }
    }
    basic.then_some(Challenge::Basic)
}

fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        let (name, rest) = token(text.trim_start_matches(SPACE));
        let Some(rest) = rest.strip_prefix('=') else { return found };
        if name.is_empty() {
            return found;
        }
        let (value, rest) = token_or_quoted(rest);
        found.push((name.to_ascii_lowercase(), value));
        match rest.trim_start_matches(SPACE).strip_prefix(',') {
            Some(rest) => text = rest,
            None => return found,
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn token(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii() || c.is_ascii_control() || " \t\"(),/:;<=>?@[]\\{}".contains(c))
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A token, or a quoted string without its escapes; an unterminated one is empty, and so is the rest.
fn token_or_quoted(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (position, character) in quoted.char_indices() {
        match character {
            _ if escaped => {
                escaped = false;
                value.push(character);
            }
            '\\' => escaped = true,
            '"' => return (value, quoted.get(position + 1..).unwrap_or_default()),
            _ => value.push(character),
        }
    }
    (String::new(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, http::HeaderValue::from_static(line));
        }
        challenge(&headers)
    }

    fn bearer(realm: &str, service: &str, scope: &str) -> Option<Challenge> {
        let [realm, service, scope] = [realm, service, scope].map(str::to_owned);
        Some(Challenge::Bearer { realm, service, scope })
    }

    #[test]
    fn challenges_are_read_as_containerd_reads_them() {
        for (lines, expected) in [
            (&[][..], None),
            (&["Digest realm=\"x\""], None),
            (&["Basic realm=\"x\""], Some(Challenge::Basic)),
            (&["bEaReR realm=\"https://a/t\",service=\"s\""], bearer("https://a/t", "s", "")),
            (&["Basic realm=x", "Bearer realm=\"https://a\""], bearer("https://a", "", "")),
            (
                &[
                    "Bearer realm=\"https://a\" , service=s, scope=\"repository:a/b:pull,push repository:c:pull\"",
                ],
                bearer("https://a", "s", "repository:a/b:pull,push repository:c:pull"),
            ),
            (&["Bearer realm=\"a\\\"b\",service=\"s\""], bearer("a\"b", "s", "")),
            (&["Bearer realm=\"unterminated"], bearer("", "", "")),
            (&["Bearer realm=\"a\" service=\"no comma\""], bearer("a", "", "")),
            (&["Bearer"], bearer("", "", "")),
        ] {
            assert_eq!(parse(lines), expected, "{lines:?}");
        }
    }
}
