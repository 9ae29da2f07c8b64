//! Digests in text for a person.

/// How many digits are shown, as docker and crictl show of an image id.
const SHOWN: usize = 12;

/// How digests begin, also those in the tags of cosign's signatures, and how many digits they have.
const ALGORITHMS: [(&str, usize); 4] = [("sha256:", 64), ("sha512:", 128), ("sha256-", 64), ("sha512-", 128)];

/// `text` with the first digits of each digest only.
pub(super) fn shortened(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, digits, after)) = next(rest) {
        shown.push_str(before);
        shown.extend(digits.chars().take(SHOWN));
        shown.push('…');
        rest = after;
    }
    shown + rest
}

/// The first digits of an id, which is a digest or other digits.
pub(super) fn short_id(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(SHOWN).collect()
}

/// The first digest: what is before its digits, the digits, and what is after them.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let starts = ALGORITHMS.iter().flat_map(|(algorithm, length)| {
        text.match_indices(algorithm).map(move |(at, _)| (at + algorithm.len(), *length))
    });
    let found = starts.filter_map(|(at, length)| {
        let (before, behind) = text.split_at_checked(at)?;
        let (digits, after) = behind.split_at_checked(length)?;
        let is_digit = |byte: u8| byte.is_ascii_hexdigit();
        let ends = !after.bytes().next().is_some_and(is_digit);
        (ends && digits.bytes().all(is_digit)).then_some((before, digits, after))
    });
    found.min_by_key(|(before, ..)| before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_digests_are_shortened() {
        let (short, long) = ("0123456789ab".repeat(6), "f".repeat(128));
        let digits = &short[..64];
        for (name, text, shown) in [
            ("no digest", "nothing".to_owned(), "nothing".to_owned()),
            ("a digest", format!("sha256:{digits}"), "sha256:0123456789ab…".to_owned()),
            ("in a name", format!("r.io/a@sha256:{digits} b"), "r.io/a@sha256:0123456789ab… b".to_owned()),
            (
                "two",
                format!("sha512:{long}, sha256:{digits}"),
                "sha512:ffffffffffff…, sha256:0123456789ab…".to_owned(),
            ),
            (
                "in a tag",
                format!("sha256-{digits}.sig layer 0"),
                "sha256-0123456789ab….sig layer 0".to_owned(),
            ),
            ("too short", format!("sha256:{}", &digits[1..]), format!("sha256:{}", &digits[1..])),
            ("too long", format!("sha256:{digits}0"), format!("sha256:{digits}0")),
            ("no digits", format!("sha256:{}", "g".repeat(64)), format!("sha256:{}", "g".repeat(64))),
            ("other characters", format!("sha256:é{digits}"), format!("sha256:é{digits}")),
        ] {
            assert_eq!(shortened(&text), shown, "{name}");
        }
        assert_eq!(short_id(&format!("sha256:{digits}")), "0123456789ab");
        assert_eq!(short_id("fedcba98765432"), "fedcba987654");
    }
}
