//! The secret of notifications.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Hashes of the accepted values. The secret itself is not stored.
pub(crate) struct Secret {
    /// Of the secret, and of `Bearer ` with the secret.
    hashes: [Vec<u8>; 2],
}

impl Secret {
    pub(super) fn new(secret: &str) -> Self {
        let bearer = zeroize::Zeroizing::new(format!("Bearer {secret}"));
        Self { hashes: [secret, &bearer].map(|text| hash(text.as_bytes()).finalize().into_bytes().to_vec()) }
    }

    /// Whether a header has this value. The time that it takes does not depend on the value.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        let [plain, bearer] = self.hashes.each_ref().map(|known| hash(shown).verify_slice(known).is_ok());
        plain | bearer
    }
}

fn hash(value: &[u8]) -> Hmac<Sha256> {
    // Hashing makes the comparison constant-time; the key need not be secret for that.
    let mut mac = Hmac::<Sha256>::new(&[0; 64].into());
    mac.update(value);
    mac
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_sent_alone_or_as_a_bearer_token() {
        let secret = Secret::new("s3cret");
        for (shown, is) in [
            ("s3cret", true),
            ("Bearer s3cret", true),
            ("bearer s3cret", false),
            ("Bearer  s3cret", false),
            ("s3cre", false),
            ("s3crets", false),
            ("", false),
            ("Basic s3cret", false),
        ] {
            assert_eq!(secret.is(shown.as_bytes()), is, "{shown}");
        }
        assert!(Secret::new("Basic eDp5").is(b"Basic eDp5"));
        assert_eq!(format!("{secret:?}"), "<redacted>");
    }
}
