//! Texts that a claim of a certificate must be equal to, or fit into as a whole.

use std::fmt;

/// Maximum length of a pattern.
pub const MAX_PATTERN_BYTES: usize = 512;
/// Maximum number of wildcards: the time to match grows with it.
const MAX_WILDCARDS: usize = 8;

/// A text in which `*` stands for any characters but `/`, and `**` for any characters. The whole text must fit: both
/// ends are anchored, and every other character stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Segment,
    Anything,
}

impl Pattern {
    /// Parses a pattern. Without `*`, it is the exact text.
    ///
    /// # Errors
    /// When it is empty, too long, has white space at an end or control characters, or too many wildcards.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(PatternError::Characters);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(star) = rest.find('*') {
            let (literal, after) = rest.split_at(star);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let stars = after.len() - after.trim_start_matches('*').len();
            parts.push(match stars {
                1 => Part::Segment,
                2 => Part::Anything,
                _ => return Err(PatternError::Stars),
            });
            rest = after.get(stars..).unwrap_or_default();
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        let wildcards = parts.iter().filter(|part| !matches!(part, Part::Literal(_))).count();
        if wildcards > MAX_WILDCARDS {
            return Err(PatternError::TooMany(wildcards));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether exactly one text fits.
    pub fn is_exact(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether what is fixed of it names somebody below the host of a URL, or the domain of an address. A pattern that
    /// does not would accept everybody whom the issuer knows, or others with a longer name: wildcards come after a whole
    /// segment of the path (`https://host/acme/**`, and not `https://host/acme**`, which `acme-evil` fits).
    pub fn names_somebody(&self) -> bool {
        if self.is_exact() {
            return true;
        }
        let first = match self.parts.first() {
            Some(Part::Literal(text)) => text.as_str(),
            _ => "",
        };
        let last = match self.parts.last() {
            Some(Part::Literal(text)) => text.as_str(),
            _ => "",
        };
        let below_host = first.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let domain = last.rsplit_once('@').map(|(_, domain)| domain);
        let segment = below_host.and_then(|(host, path)| Some((host, path.split_once('/')?.0)));
        // A wildcard that can cross `/` would accept a URI that ends with the domain.
        let is_address = !self.parts.contains(&Part::Anything);
        segment.is_some_and(|(host, segment)| !host.is_empty() && !segment.is_empty())
            || is_address && domain.is_some_and(|domain| domain.contains('.') && !domain.contains('/'))
    }

    /// Whether the whole of `text` fits. The time is bounded by the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        // The ends in `text` that the parts so far can have.
        let mut ends = vec![0];
        for part in &self.parts {
            ends = match part {
                Part::Literal(literal) => ends
                    .into_iter()
                    .filter(|&end| text.get(end..).is_some_and(|rest| rest.starts_with(literal.as_str())))
                    .map(|end| end + literal.len())
                    .collect(),
                Part::Segment | Part::Anything => reached(text, &ends, *part == Part::Anything),
            };
        }
        ends.contains(&text.len())
    }
}

/// The ends of a wildcard that begins at any of `starts`, which are sorted.
fn reached(text: &str, starts: &[usize], slashes: bool) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut open = false;
    for (at, character) in text.char_indices() {
        open |= starts.binary_search(&at).is_ok();
        if open {
            ends.push(at);
        }
        open &= slashes || character != '/';
    }
    if open || starts.last() == Some(&text.len()) {
        ends.push(text.len());
    }
    ends
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum PatternError {
    #[error("is empty")]
    Empty,
    #[error("has {0} bytes, more than the limit of {MAX_PATTERN_BYTES}")]
    TooLong(usize),
    #[error("contains control characters, or begins or ends with white space")]
    Characters,
    #[error("has more than two `*` in a row")]
    Stars,
    #[error("has {0} wildcards, more than the limit of {MAX_WILDCARDS}")]
    TooMany(usize),
}
