//! The pods that a rule applies to, by Kubernetes namespace.

use std::fmt;

use super::segment::Segment;

/// Maximum number of patterns in a rule.
pub const MAX_POD_PATTERNS: usize = 64;

/// Maximum length of a namespace's name: that of an RFC 1123 label.
const MAX_NAMESPACE: usize = 63;

/// Kubernetes namespaces, by name or by patterns in which `*` matches any number of characters, including zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods(Vec<Segment>);

impl Pods {
    /// Namespaces that match one of the patterns.
    ///
    /// # Errors
    /// When the list is empty or too long, or an entry is not a pattern for namespaces.
    pub fn new<T: AsRef<str>>(patterns: &[T]) -> Result<Self, PodsError> {
        if patterns.is_empty() {
            return Err(PodsError::Empty);
        }
        if patterns.len() > MAX_POD_PATTERNS {
            return Err(PodsError::TooMany);
        }
        Segment::list(patterns, is_namespace)
            .map(Self)
            .map_err(|text| PodsError::NotANamespace(text.chars().take(MAX_NAMESPACE).collect()))
    }

    /// Whether a pattern matches this namespace.
    #[must_use]
    pub fn cover(&self, namespace: &str) -> bool {
        self.0.iter().any(|segment| segment.accepts(namespace))
    }

    /// Whether some namespace matches both.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> bool {
        self.0.iter().any(|one| other.0.iter().any(|two| one.overlaps(two)))
    }

    /// The patterns, sorted.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Segment::as_str)
    }
}

/// `payments, payments-*`
impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.patterns().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            f.write_str(pattern)?;
        }
        Ok(())
    }
}

/// Why patterns cannot match namespaces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum PodsError {
    #[error("`pods` is empty, so the rule would never apply")]
    Empty,
    #[error("`pods` has more than {MAX_POD_PATTERNS} patterns")]
    TooMany,
    #[error("`{0}` cannot match any Kubernetes namespace")]
    NotANamespace(String),
}

/// Whether Kubernetes allows this name for a namespace: an RFC 1123 label.
pub(super) fn is_namespace(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= MAX_NAMESPACE
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_namespaces_and_nothing_else() {
        for (patterns, namespace, covered) in [
            (&["payments", "payments-*"][..], "payments", true),
            (&["payments", "payments-*"], "payments-eu", true),
            (&["payments", "payments-*"], "payments2", false),
            (&["payments-*"], "payments", false),
            (&["*"], "default", true),
            (&["*-system"], "kube-system", true),
            (&["*-system"], "kube-system2", false),
            (&["a*c"], "abc", true),
        ] {
            assert_eq!(Pods::new(patterns).unwrap().cover(namespace), covered, "{patterns:?} {namespace}");
        }
        let long = "a".repeat(64);
        for bad in ["", "A", "a/b", "../../etc", "a.b", "-a", "a-", "a**", "a_b", "ä", "a b", &long] {
            let error = Pods::new(&[bad]).unwrap_err();
            assert!(matches!(error, PodsError::NotANamespace(_)), "{bad}: {error}");
        }
        assert_eq!(Pods::new::<&str>(&[]), Err(PodsError::Empty));
        assert_eq!(Pods::new(&vec!["a"; MAX_POD_PATTERNS + 1]), Err(PodsError::TooMany));
    }

    #[test]
    fn patterns_that_share_a_namespace_overlap() {
        for (one, other, overlap) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "ab", true),
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("*", "x", true),
        ] {
            let (one, other) = (Pods::new(&[one]).unwrap(), Pods::new(&["zz", other]).unwrap());
            assert_eq!(one.overlap(&other), overlap, "{one} {other}");
            assert_eq!(other.overlap(&one), overlap, "{other} {one}");
        }
    }
}
