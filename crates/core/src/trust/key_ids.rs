//! Identifiers of public keys in other systems.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// Identifiers of a key, all made from the SHA-256 of its SubjectPublicKeyInfo in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIds {
    /// Hexadecimal: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    pub hex: String,
    /// `ni:///sha-256;…` (RFC 6920) in base64url: kritis and Grafeas (`pkg/attestlib/pkix_key.go`).
    pub ni: String,
    /// `nih:///sha-256;…` (RFC 6920 section 7) in hexadecimal: Grafeas.
    pub nih: String,
    /// Base64: the key hint in a Sigstore bundle by cosign.
    pub hint: String,
}

impl KeyIds {
    pub(super) fn of(der: &[u8]) -> Self {
        let digest = Sha256::digest(der);
        let hex = hex(&digest);
        Self {
            ni: format!("ni:///sha-256;{}", URL_SAFE_NO_PAD.encode(digest)),
            nih: format!("nih:///sha-256;{hex}"),
            hint: STANDARD.encode(digest),
            hex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known values of the SHA-256 of the empty string.
    #[test]
    fn names_are_spellings_of_one_digest() {
        let names = KeyIds::of(b"");
        assert_eq!(names.hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(names.ni, "ni:///sha-256;47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        assert_eq!(names.nih, format!("nih:///sha-256;{}", names.hex));
        assert_eq!(names.hint, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
