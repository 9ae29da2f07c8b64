//! One segment of a scope: the host, or one element of the path.

use std::cmp::Ordering;

/// A segment, as what it matches.
///
/// Ordered by specificity: [`Run`](Self::Run), [`Any`](Self::Any), then patterns by the number of their literal
/// characters, then literals.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// `**`: any number of path segments, including zero.
    Run,
    /// `*`: any one segment; as the host, any host with any port.
    Any,
    /// Text with `*` in it.
    Pattern(Pattern),
    /// Exactly this text.
    Literal(Box<str>),
}

impl Segment {
    /// Patterns of single segments, sorted, each once. A pattern is one for texts that are `valid`.
    ///
    /// # Errors
    /// The first that matches no valid text.
    pub(super) fn list<T: AsRef<str>>(patterns: &[T], valid: fn(&str) -> bool) -> Result<Vec<Self>, &str> {
        let mut segments = Vec::new();
        for text in patterns {
            let text = text.as_ref();
            // Wherever a `*` is allowed, a letter is.
            if text.contains("**") || !valid(&text.replace('*', "a")) {
                return Err(text);
            }
            segments.push(match text {
                "*" => Self::Any,
                _ if text.contains('*') => Self::Pattern(Pattern::of_path(text)),
                _ => Self::Literal(text.into()),
            });
        }
        segments.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        segments.dedup();
        Ok(segments)
    }

    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::Run => Rank::Run,
            Self::Any => Rank::Any,
            Self::Pattern(pattern) => Rank::Pattern(pattern.literal_length()),
            Self::Literal(_) => Rank::Literal,
        }
    }

    /// Whether `text` matches this segment. Every segment matches a run.
    pub(super) fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Run | Self::Any => true,
            Self::Pattern(pattern) => pattern.accepts(text),
            Self::Literal(literal) => &**literal == text,
        }
    }

    /// Whether some text matches both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run | Self::Any, _) | (_, Self::Run | Self::Any) => true,
            (Self::Literal(literal), other) | (other, Self::Literal(literal)) => other.accepts(literal),
            (Self::Pattern(one), Self::Pattern(other)) => one.overlaps(other),
        }
    }

    /// The segment as in the policy.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Run => "**",
            Self::Any => "*",
            Self::Pattern(pattern) => &pattern.text,
            Self::Literal(text) => text,
        }
    }
}

/// The specificity of a segment; greater is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rank {
    Run,
    Any,
    Pattern(usize),
    Literal,
}

/// Text in which each `*` matches any number of characters, including zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    text: Box<str>,
    /// In a host, `*` stays within one label: it does not match `.`, `:` or brackets.
    host: bool,
}

impl Pattern {
    pub(super) fn of_host(text: &str) -> Self {
        Self { text: text.into(), host: true }
    }

    pub(super) fn of_path(text: &str) -> Self {
        Self { text: text.into(), host: false }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn literal_length(&self) -> usize {
        self.text.bytes().filter(|&byte| byte != b'*').count()
    }

    /// The text before the first `*`: a prefix of every matching text.
    pub(super) fn literal_prefix(&self) -> &str {
        self.text.split('*').next().unwrap_or_default()
    }

    /// Matches greedily and backtracks to the last `*` only. That is enough within a label, and a `*` in a host does
    /// not match the characters that separate labels.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let (pattern, text) = (self.text.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            match (pattern.get(p), text.get(t)) {
                (None, None) => return true,
                (Some(b'*'), _) => {
                    p += 1;
                    star = Some((p, t));
                    continue;
                }
                (Some(wanted), Some(found)) if wanted == found => {
                    p += 1;
                    t += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after, swallowed)) = star else { return false };
            match text.get(swallowed) {
                Some(&byte) if self.star_stands_for(byte) => {
                    star = Some((after, swallowed + 1));
                    (p, t) = (after, swallowed + 1);
                }
                _ => return false,
            }
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.literal_prefix(), other.literal_prefix());
        if !ours.starts_with(theirs) && !theirs.starts_with(ours) {
            return false;
        }
        let (one, two) = (self.text.as_bytes(), other.text.as_bytes());
        // `row[j]`: whether one[i..] and two[j..] have a common text, filled from the end of both.
        let mut below: Vec<bool> = Vec::new();
        for i in (0..=one.len()).rev() {
            let mut row = vec![false; two.len() + 1];
            for j in (0..=two.len()).rev() {
                let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or_default();
                let shared = match (one.get(i), two.get(j)) {
                    (None, None) => true,
                    (Some(b'*'), Some(b'*')) => at(&below, j) || at(&row, j + 1),
                    (Some(b'*'), Some(&byte)) => {
                        at(&below, j) || (self.star_stands_for(byte) && at(&row, j + 1))
                    }
                    (Some(&byte), Some(b'*')) => {
                        at(&row, j + 1) || (other.star_stands_for(byte) && at(&below, j))
                    }
                    (Some(b'*'), None) => at(&below, j),
                    (None, Some(b'*')) => at(&row, j + 1),
                    (Some(a), Some(b)) => a == b && at(&below, j + 1),
                    (Some(_), None) | (None, Some(_)) => false,
                };
                if let Some(cell) = row.get_mut(j) {
                    *cell = shared;
                }
            }
            below = row;
        }
        below.first().copied().unwrap_or_default()
    }

    fn star_stands_for(&self, byte: u8) -> bool {
        !self.host || !matches!(byte, b'.' | b':' | b'[' | b']')
    }
}

/// The more specific of two sequences of segments, compared segment by segment from the host on. If one is a prefix of
/// the other, the longer one is more specific.
pub(super) fn compare(one: &[Segment], other: &[Segment]) -> Ordering {
    one.iter().map(Segment::rank).cmp(other.iter().map(Segment::rank))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_in_a_host_stays_within_its_label() {
        for (pattern, host, accepted) in [
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a-b.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.example.com:5000", false),
            ("*.example.com", "a.example.com.evil.org", false),
            ("*.example.com:*", "a.example.com:5000", true),
            ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com", true),
            ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.x.evil.org/.amazonaws.com", false),
            ("reg*.example.com", "reg.example.com", true),
            ("reg*.example.com", "reg7.example.com", true),
            ("*.com", "[::1].com", false),
        ] {
            assert_eq!(Pattern::of_host(pattern).accepts(host), accepted, "{pattern} {host}");
        }
    }

    #[test]
    fn a_star_in_a_path_matches_any_characters() {
        for (pattern, text, accepted) in [
            ("team-*", "team-a", true),
            ("team-*", "team", false),
            ("team-*", "a-team-a", false),
            ("*-app", "web-app", true),
            ("*-app", "web-app-evil", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("v*.*", "v1.2.3", true),
        ] {
            assert_eq!(Pattern::of_path(pattern).accepts(text), accepted, "{pattern} {text}");
        }
    }

    /// Reference implementation: slow, but simple.
    fn naive(pattern: &[u8], text: &[u8], host: bool) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => {
                naive(rest, text, host)
                    || text.split_first().is_some_and(|(byte, after)| {
                        !(host && b".:[]".contains(byte)) && naive(pattern, after, host)
                    })
            }
            Some((wanted, rest)) => {
                text.split_first().is_some_and(|(found, after)| wanted == found && naive(rest, after, host))
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab.*]{0,8}", text in "[ab.]{0,8}", host: bool) {
            let compiled = Pattern { text: pattern.clone().into(), host };
            prop_assert_eq!(compiled.accepts(&text), naive(pattern.as_bytes(), text.as_bytes(), host));
        }

        #[test]
        fn patterns_that_match_the_same_text_overlap(one in "[ab.*]{0,6}", two in "[ab.*]{0,6}", text in "[ab.]{0,6}", host: bool) {
            let one = Pattern { text: one.into(), host };
            let two = Pattern { text: two.into(), host };
            if one.accepts(&text) && two.accepts(&text) {
                prop_assert!(one.overlaps(&two) && two.overlaps(&one));
            }
            prop_assert_eq!(one.overlaps(&two), two.overlaps(&one));
        }
    }

    #[test]
    fn patterns_overlap_only_if_some_text_matches_both() {
        for (one, two, overlap) in [
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("a*c", "*bc", true),
            ("a-*-c", "a-b*", true),
            ("*a", "*b", false),
            ("team-1-*", "team-2-*", false),
        ] {
            assert_eq!(Pattern::of_path(one).overlaps(&Pattern::of_path(two)), overlap, "{one} {two}");
        }
        assert!(!Pattern::of_host("*.com").overlaps(&Pattern::of_host("a.*.com")));
        assert!(Pattern::of_path("*.com").overlaps(&Pattern::of_path("a.*.com")));
    }
}
