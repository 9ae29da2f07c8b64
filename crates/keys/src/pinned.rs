//! Public keys of private keys elsewhere, each pinned by its fingerprint.

use super::{KeySettings, KeysError, Location, kms, open};
use pullgate_core::digest::Digest;
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

/// A key in a policy: its location, and its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedKey {
    /// The location of its private key.
    pub location: Location,
    /// The SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fingerprint: Digest,
    /// The one algorithm of its signatures.
    pub algorithm: Algorithm,
    /// The salt length that it requires of RSASSA-PSS.
    pub salt: PssSalt,
}

impl PinnedKey {
    /// Why its service cannot confirm signatures; `None` if it can.
    #[must_use]
    pub fn cannot_confirm(&self) -> Option<&'static str> {
        let fits = match &self.location {
            Location::File(_) => return Some("a key file has no service that confirms signatures"),
            Location::Token(_) => {
                return Some(
                    "a PKCS#11 token on this node can only repeat the verification with the public key",
                );
            }
            Location::AlibabaKms(_) if kms::name(self.algorithm).is_none() => {
                return Some("KMS verifies only RSA_PSS_SHA_256, RSA_PKCS1_SHA_256 and ECDSA_SHA_256");
            }
            Location::Transit(_) if self.algorithm == Algorithm::Ed25519ph => {
                return Some("the transit engine verifies pure Ed25519 only, not ED25519PH");
            }
            Location::AlibabaKms(_) | Location::Transit(_) => self.salt == PssSalt::default(),
        };
        (!fits).then_some("its service verifies only salts of 32 bytes; leave `salt-length` out")
    }

    /// Fetches the public key from the location of the key.
    ///
    /// # Errors
    /// When there is no key, or its fingerprint is not the pinned one.
    pub(super) async fn ask(&self, settings: &KeySettings) -> Result<PublicKey, KeysError> {
        let opened = open(&self.location, Some(self.algorithm), settings).await?;
        self.is(opened.public().clone(), &self.location.to_string())
    }

    /// Returns `public` if it has the pinned fingerprint.
    pub(super) fn is(&self, public: PublicKey, origin: &str) -> Result<PublicKey, KeysError> {
        if public.fingerprint() == self.fingerprint.as_str() {
            return Ok(public);
        }
        Err(KeysError::Fingerprint {
            origin: origin.to_owned(),
            pinned: self.fingerprint.to_string(),
            found: public.fingerprint().to_owned(),
        })
    }
}
