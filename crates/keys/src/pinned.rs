//! Public keys whose private half is kept elsewhere, each pinned by its fingerprint.

use super::{KeysError, Location, Settings, kms, open};
use pullgate_core::digest::Digest;
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

/// A key as a policy names it: where it is kept, and which one it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedKey {
    /// Where its private half is kept.
    pub location: Location,
    /// The SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fingerprint: Digest,
    /// The one algorithm that it verifies.
    pub algorithm: Algorithm,
    /// The salt that it asks of RSASSA-PSS.
    pub salt: PssSalt,
}

impl PinnedKey {
    /// Why its service cannot confirm its signatures, if it cannot.
    #[must_use]
    pub fn cannot_confirm(&self) -> Option<&'static str> {
        let fits = match &self.location {
            Location::File(_) => return Some("a file confirms nothing"),
            Location::Token(_) => {
                return Some("a PKCS#11 token on this node would verify no more than the public key does");
            }
            Location::AlibabaKms(_) if kms::name(self.algorithm).is_none() => {
                return Some("KMS verifies RSA_PSS_SHA_256, RSA_PKCS1_SHA_256 and ECDSA_SHA_256");
            }
            Location::Transit(_) if self.algorithm == Algorithm::Ed25519ph => {
                return Some("the transit engine verifies pure Ed25519");
            }
            Location::AlibabaKms(_) | Location::Transit(_) => self.salt == PssSalt::default(),
        };
        (!fits).then_some("it is asked for salts of 32 bytes; leave `salt-length` out")
    }

    /// Asks the place where the key is kept for its public half.
    ///
    /// # Errors
    /// When there is none, or it is not the one that is pinned.
    pub(super) async fn ask(&self, settings: &Settings) -> Result<PublicKey, KeysError> {
        let opened = open(&self.location, Some(self.algorithm), settings).await?;
        self.is(opened.public().clone(), &self.location.to_string())
    }

    /// `public`, if it is the one that is pinned.
    pub(super) fn is(&self, public: PublicKey, origin: &str) -> Result<PublicKey, KeysError> {
        if public.fingerprint() == self.fingerprint.as_str() {
            return Ok(public);
        }
        Err(KeysError::Other {
            origin: origin.to_owned(),
            pinned: self.fingerprint.to_string(),
            found: public.fingerprint().to_owned(),
        })
    }
}
