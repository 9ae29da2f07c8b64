//! Content digests as the OCI image specification defines them.
//!
//! Only the two registered algorithms are accepted, and only in their canonical lower-case form: anything else in a
//! reference, a descriptor or a payload is an error, so that it cannot compare as unequal. Source:
//! <https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md#digests>.

use std::cell::OnceCell;
use std::fmt;

use sha2::{Digest as _, Sha256, Sha512};

/// A valid digest: `sha256:` or `sha512:`, then exactly the number of lower-case hexadecimal digits of the algorithm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    text: String,
}

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self::from_hash(Algorithm::Sha256, &Sha256::digest(content))
    }

    /// Parses a digest in its canonical form.
    ///
    /// # Errors
    /// When the algorithm is not registered, or the encoded part is not the exact number of lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (name, encoded) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::UnknownAlgorithm),
        };
        if encoded.len() != algorithm.hex_length() {
            return Err(DigestError::Length { expected: algorithm.hex_length(), found: encoded.len() });
        }
        if !encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::NotLowerHex);
        }
        Ok(Self { algorithm, text: text.to_owned() })
    }

    /// Whether `content` hashes to this digest with its algorithm. To compare one content with several digests, use
    /// [`ContentDigests`].
    #[must_use]
    pub fn matches(&self, content: &[u8]) -> bool {
        ContentDigests::of(content).has(self)
    }

    /// The algorithm before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The encoded part after the colon.
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, encoded)| encoded)
    }

    /// The whole digest, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        Self { algorithm, text: format!("{}:{}", algorithm.name(), hex(hash)) }
    }
}

/// The digests of one content. Each algorithm hashes it once, when it is first asked for, however many digests it is
/// compared with: a document from outside chooses that number.
#[derive(Debug)]
pub struct ContentDigests<'a> {
    content: &'a [u8],
    sha256: OnceCell<Digest>,
    sha512: OnceCell<Digest>,
}

impl<'a> ContentDigests<'a> {
    /// Of `content`; nothing is hashed yet.
    #[must_use]
    pub fn of(content: &'a [u8]) -> Self {
        Self { content, sha256: OnceCell::new(), sha512: OnceCell::new() }
    }

    /// The digest by SHA-256.
    pub fn sha256(&self) -> &Digest {
        self.sha256.get_or_init(|| Digest::of(self.content))
    }

    /// Whether the content hashes to `digest` with its algorithm.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        let hashed = || Digest::from_hash(Algorithm::Sha512, &Sha512::digest(self.content));
        match digest.algorithm {
            Algorithm::Sha256 => self.sha256() == digest,
            Algorithm::Sha512 => self.sha512.get_or_init(hashed) == digest,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A registered digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which every registry must support.
    Sha256,
    /// SHA-512, which a registry may support.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// The bytes of lower-case hexadecimal.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if odd.is_empty() { bytes.collect() } else { None }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum DigestError {
    #[error("digest does not begin with an algorithm, such as sha256:")]
    NoAlgorithm,
    #[error("digest algorithm is not sha256 or sha512")]
    UnknownAlgorithm,
    #[error("digest has {found} hexadecimal digits, but its algorithm has {expected}")]
    Length {
        /// The number of digits that the algorithm has.
        expected: usize,
        found: usize,
    },
    #[error("digest is not lower-case hexadecimal")]
    NotLowerHex,
}

/// Whether `text` is the image id `id` or a prefix of it as containerd accepts it: at least one hexadecimal digit, with
/// or without `sha256:` before them.
#[must_use]
pub fn is_id_prefix(text: &str, id: &Digest) -> bool {
    let prefix = text.strip_prefix("sha256:").unwrap_or(text);
    let hexadecimal = prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    !prefix.is_empty() && hexadecimal && id.hex().starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_and_compares_content() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        let parsed = Digest::parse(EMPTY).unwrap();
        assert!(parsed.matches(b""));
        assert!(!parsed.matches(b"x"));
        assert_eq!(parsed.hex().len(), 64);
    }

    #[test]
    fn sha512_is_checked_by_sha512() {
        let text = concat!(
            "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce",
            "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
        );
        assert!(Digest::parse(text).unwrap().matches(b""));
        assert!(!Digest::parse(text).unwrap().matches(b"x"));
    }

    #[test]
    fn refuses_every_other_spelling() {
        for (text, error) in [
            ("", DigestError::NoAlgorithm),
            ("sha256", DigestError::NoAlgorithm),
            ("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", DigestError::UnknownAlgorithm),
            (
                "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                DigestError::UnknownAlgorithm,
            ),
            ("sha256+b64:aaaa", DigestError::UnknownAlgorithm),
            ("../sha256:aaaa", DigestError::UnknownAlgorithm),
            ("sha256:e3b0", DigestError::Length { expected: 64, found: 4 }),
            (
                "sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                DigestError::NotLowerHex,
            ),
            (
                "sha256:../../298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8559",
                DigestError::NotLowerHex,
            ),
        ] {
            assert_eq!(Digest::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_beginning_of_an_id_is_hexadecimal_and_not_empty() {
        let id = Digest::of(b"image");
        for (text, expected) in [
            (id.as_str(), true),
            (id.hex(), true),
            (&id.hex()[..1], true),
            (&format!("sha256:{}", &id.hex()[..12]), true),
            ("", false),
            ("sha256:", false),
            ("sha256", false),
            ("g", false),
            (&id.hex()[..4].to_uppercase(), id.hex()[..4].bytes().all(|byte| byte.is_ascii_digit())),
            (Digest::of(b"other").hex(), false),
        ] {
            assert_eq!(is_id_prefix(text, &id), expected, "{text:?}");
        }
    }
}
