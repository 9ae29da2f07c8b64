//! What somebody says was pushed.

use jiff::Timestamp;

use crate::digest::Digest;
use crate::reference::Repository;

/// How much of what a notification calls the pusher is kept, in characters.
const ACTOR: usize = 128;

/// A push, as a notification or a list tells of it. It is a hint: what is signed is what the registry itself has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where.
    pub repository: Repository,
    /// Under which tag, if it was one.
    pub tag: Option<String>,
    /// What.
    pub digest: Digest,
    /// When, if it is told.
    pub at: Option<Timestamp>,
    /// By whom, if it is told.
    pub actor: Option<String>,
}

/// The name of whoever pushed, for records: one line, shortened.
pub(super) fn actor(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|character| !character.is_control()).take(ACTOR).collect();
    (!plain.is_empty()).then_some(plain)
}

/// Whether signatures, attestations or the list that stands in for referrers are kept under this tag: `sha256-<hex>`, and
/// whatever follows it after a period (cosign's `specs/SIGNATURE_SPEC.md`; distribution specification 1.1, "Referrers Tag
/// Schema", which cuts the hash off after 64 digits).
#[must_use]
pub fn is_of_signatures(tag: &str) -> bool {
    let rest = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-"));
    let Some(rest) = rest else { return false };
    let hash = rest.split('.').next().unwrap_or_default();
    hash.len() >= 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_signatures_are_known() {
        let hash = "0123456789abcdef".repeat(4);
        for (tag, is) in [
            (format!("sha256-{hash}"), true),
            (format!("sha256-{hash}.sig"), true),
            (format!("sha256-{hash}.att"), true),
            (format!("sha256-{hash}.sbom"), true),
            (format!("sha512-{hash}"), true),
            (format!("sha512-{hash}{}", &hash[..63]), true),
            (format!("sha256-{}", &hash[1..]), false),
            (format!("sha256-{hash}x"), false),
            (format!("sha256-{}", hash.to_uppercase()), false),
            (format!("v{hash}.sig"), false),
            ("latest".to_owned(), false),
            ("sha256-".to_owned(), false),
        ] {
            assert_eq!(is_of_signatures(&tag), is, "{tag}");
        }
    }
}
