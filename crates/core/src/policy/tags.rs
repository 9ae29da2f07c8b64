//! The tags that a signing rule applies to.

use std::fmt;

use super::segment::Segment;
use crate::reference;

/// Maximum number of patterns to include, and of patterns to exclude.
pub const MAX_TAG_PATTERNS: usize = 64;

/// Tags, by name or by patterns in which `*` matches any number of characters, including zero: those that are included
/// and not excluded. Without patterns to include, every tag is included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    include: Vec<Segment>,
    exclude: Vec<Segment>,
}

impl Tags {
    /// Tags that match one of `include`, or all if `include` is empty, except those that match one of `exclude`.
    ///
    /// # Errors
    /// When there are too many patterns, or a pattern matches no valid tag.
    pub fn new<T: AsRef<str>>(include: &[T], exclude: &[T]) -> Result<Self, TagsError> {
        Ok(Self { include: read(include)?, exclude: read(exclude)? })
    }

    /// Whether the filter selects this tag.
    #[must_use]
    pub fn cover(&self, tag: &str) -> bool {
        let among = |patterns: &[Segment]| patterns.iter().any(|pattern| pattern.accepts(tag));
        (self.include.is_empty() || among(&self.include)) && !among(&self.exclude)
    }
}

/// A canonical text: `v*, !*-dev`, or `*`.
impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written: Vec<String> = self.include.iter().map(|it| it.as_str().to_owned()).collect();
        if written.is_empty() {
            written.push("*".to_owned());
        }
        written.extend(self.exclude.iter().map(|it| format!("!{}", it.as_str())));
        f.write_str(&written.join(", "))
    }
}

fn read<T: AsRef<str>>(patterns: &[T]) -> Result<Vec<Segment>, TagsError> {
    if patterns.len() > MAX_TAG_PATTERNS {
        return Err(TagsError::TooMany);
    }
    Segment::list(patterns, reference::is_tag)
        .map_err(|text| TagsError::NotATag(text.chars().take(128).collect()))
}

/// Why patterns cannot match tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum TagsError {
    #[error("more than {MAX_TAG_PATTERNS} tag patterns")]
    TooMany,
    #[error("tag pattern `{0}` cannot match any tag")]
    NotATag(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_tags_that_are_included_and_not_excluded() {
        for (include, exclude, tag, covered) in [
            (&[][..], &[][..], "latest", true),
            (&["v*"], &[], "v1.2", true),
            (&["v*"], &[], "latest", false),
            (&["v*"], &["*-dev"], "v1-dev", false),
            (&["v*"], &["*-dev"], "v1-dev2", true),
            (&[], &["latest"], "latest", false),
            (&[], &["latest"], "latest2", true),
            (&["V1"], &[], "v1", false),
            (&["*"], &["*"], "v1", false),
        ] {
            let tags = Tags::new(include, exclude).unwrap();
            assert_eq!(tags.cover(tag), covered, "{tags} {tag}");
        }
        for bad in ["", "a/b", "a:b", "**", "-a", ".a", "ä", &"a".repeat(129)] {
            assert!(matches!(Tags::new(&[bad], &[]), Err(TagsError::NotATag(_))), "{bad}");
            assert!(matches!(Tags::new(&[], &[bad]), Err(TagsError::NotATag(_))), "{bad}");
        }
        assert_eq!(Tags::new(&vec!["a"; MAX_TAG_PATTERNS + 1], &[]), Err(TagsError::TooMany));
    }

    #[test]
    fn equal_filters_have_equal_texts() {
        let text = |include: &[&str], exclude: &[&str]| Tags::new(include, exclude).unwrap().to_string();
        assert_eq!(text(&["b", "a", "a"], &["x*"]), "a, b, !x*");
        assert_eq!(text(&[], &[]), "*");
    }
}
