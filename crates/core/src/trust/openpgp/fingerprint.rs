//! Fingerprints of keys.

use std::fmt;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The fingerprint of a version 4 key: the SHA-1 of its packet (RFC 9580 section 5.5.4.2). SHA-1 is broken for collisions:
/// somebody can make two keys with one fingerprint. A second key for a given fingerprint is out of reach, so a fingerprint
/// that the policy names stands for one key, or for two of one owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 20]);

impl Fingerprint {
    /// The fingerprint of a public key packet with this body.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let length = u16::try_from(body.len()).ok()?.to_be_bytes();
        let hashed = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&[0x99], &length[..], body].concat());
        hashed.as_ref().try_into().ok().map(Self)
    }

    pub(super) fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Reads 40 digits as gpg prints them: in groups or not, in either case, or behind `0x` or `openpgp4fpr:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("openpgp4fpr:").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
        let digits: Vec<u8> = text
            .chars()
            .filter(|it| *it != ' ')
            .map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok()))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| (sum << 4) | digit)).collect();
        if digits.len() != 40 { None } else { bytes.try_into().ok().map(Self) }
    }

    /// The last eight bytes, which older signatures name instead.
    pub(super) fn key_id(&self) -> &[u8] {
        self.0.get(12..).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    /// 40 digits in upper case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_fingerprint() {
        let canonical = "567E347AD0044ADE55BA8A5F199E2F91FD431D51";
        for text in [
            canonical,
            "567e347ad0044ade55ba8a5f199e2f91fd431d51",
            "0x567E347AD0044ADE55BA8A5F199E2F91FD431D51",
            "567E 347A D004 4ADE 55BA  8A5F 199E 2F91 FD43 1D51",
            "openpgp4fpr:567e347ad0044ade55ba8a5f199e2f91fd431d51",
        ] {
            assert_eq!(
                Fingerprint::parse(text).map(|it| it.to_string()).as_deref(),
                Some(canonical),
                "{text}"
            );
        }
        for text in [
            "",
            "199E2F91FD431D51",
            "567E347AD0044ADE55BA8A5F199E2F91FD431D5",
            "567E347AD0044ADE55BA8A5F199E2F91FD431D5G",
            "567E347AD0044ADE55BA8A5F199E2F91FD431D5100",
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
