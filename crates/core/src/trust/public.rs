//! A public key with its algorithm pinned.

use std::fmt;
use std::sync::Arc;

use super::key_error::{KeyError, MAX_PEM_BYTES};
use super::kind::Kind;
use super::pem;
use super::{Algorithm, Key, KeyIds, PssSalt, RemoteCheck, TrustError, ecdsa, ed25519, rsa};
use crate::digest::Digest;

/// How many bytes a signature may have: 1 KiB, twice that of RSA with 4096 bits.
pub const MAX_SIGNATURE_BYTES: usize = 1024;

/// A public key that verifies signatures of exactly one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    salt: PssSalt,
    fingerprint: String,
    scheme: Scheme,
}

#[derive(Clone)]
enum Scheme {
    Rsa(rsa::Public),
    Ecdsa(ecdsa::Public),
    Ed25519(ed25519::Public),
}

impl PublicKey {
    /// Reads the one `PUBLIC KEY` block (SubjectPublicKeyInfo) of a PEM text of at most [`MAX_PEM_BYTES`].
    ///
    /// `salt` counts for [`Algorithm::RsaPssSha256`] alone; elsewhere it must be the default.
    ///
    /// # Errors
    /// When there is anything but that one block, the key is not of the kind `algorithm` needs, or is too weak.
    /// Errors never contain text of the file.
    pub fn from_pem(text: &str, algorithm: Algorithm, salt: PssSalt) -> Result<Self, KeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge { found: text.len() });
        }
        let block = pem::read_one(text).map_err(|error| {
            // The first thing to know of a private key in a public place is that it is one, broken or not.
            if text.contains("PRIVATE KEY-----") { KeyError::Private } else { KeyError::Pem(error) }
        })?;
        match block.label {
            "PUBLIC KEY" => Self::from_der(&block.der, algorithm, salt),
            "RSA PUBLIC KEY" => Err(KeyError::Pkcs1),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyError::Certificate),
            "PGP PUBLIC KEY BLOCK" => Err(KeyError::Other { found: "an OpenPGP key" }),
            "SSH2 PUBLIC KEY" => Err(KeyError::Other { found: "an SSH key" }),
            label if label.contains("PRIVATE KEY") => Err(KeyError::Private),
            _ => Err(KeyError::Other { found: "a PEM block of another type" }),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    pub(super) fn from_der(der: &[u8], algorithm: Algorithm, salt: PssSalt) -> Result<Self, KeyError> {
        let kind = Kind::of(der).ok_or(KeyError::Malformed)?;
        if !kind.fits(algorithm) {
            return Err(KeyError::Kind { found: kind.name(), algorithm });
        }
        if algorithm != Algorithm::RsaPssSha256 && salt != PssSalt::default() {
            return Err(KeyError::SaltUnused { algorithm });
        }
        let scheme = match algorithm {
            Algorithm::RsaPssSha256 => Scheme::Rsa(rsa::Public::pss(der, salt)?),
            Algorithm::RsaPkcs1Sha256 => Scheme::Rsa(rsa::Public::pkcs1(der)?),
            Algorithm::EcdsaSha256 => Scheme::Ecdsa(ecdsa::Public::p256(der)?),
            Algorithm::EcdsaSha384 => Scheme::Ecdsa(ecdsa::Public::p384(der)?),
            Algorithm::Ed25519 => Scheme::Ed25519(ed25519::Public::read(der, false)?),
            Algorithm::Ed25519ph => Scheme::Ed25519(ed25519::Public::read(der, true)?),
        };
        // Over the re-encoded key, so that two encodings of a key are one key.
        let canonical = scheme.der().ok_or(KeyError::Malformed)?;
        Ok(Self { algorithm, salt, fingerprint: Digest::of(&canonical).as_str().to_owned(), scheme })
    }

    /// The one algorithm it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The salt it asks of RSASSA-PSS; of no meaning for other algorithms.
    pub fn salt(&self) -> PssSalt {
        self.salt
    }

    /// `sha256:` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo in canonical DER: what
    /// `openssl pkey -pubin -in key.pem -outform DER | sha256sum` prints.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What others call it.
    pub fn key_ids(&self) -> KeyIds {
        KeyIds::of(&self.scheme.der().unwrap_or_default())
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`TrustError::TooLong`], [`TrustError::Form`] or [`TrustError::Mismatch`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<Valid, TrustError> {
        if signature.len() > MAX_SIGNATURE_BYTES {
            return Err(TrustError::TooLong { found: signature.len() });
        }
        let (verified, wanted) = match &self.scheme {
            Scheme::Rsa(key) => (
                (signature.len() == key.signature_bytes()).then(|| key.verifies(message, signature)),
                "as many bytes as the modulus has",
            ),
            Scheme::Ecdsa(key) => {
                (key.verifies(message, signature), "ASN.1 DER of r and s, not the two side by side")
            }
            Scheme::Ed25519(key) => (key.verifies(message, signature), "64 bytes"),
        };
        match verified {
            Some(true) => Ok(Valid { fingerprint: self.fingerprint.clone(), demand: None }),
            Some(false) => Err(TrustError::Mismatch { fingerprint: self.fingerprint.clone() }),
            None => Err(TrustError::Form { algorithm: self.algorithm, wanted }),
        }
    }

    /// The key as one `PUBLIC KEY` block.
    pub fn pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.scheme.der().unwrap_or_default())
    }
}

impl Scheme {
    fn der(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => key.der(),
            Self::Ecdsa(key) => key.der(),
            Self::Ed25519(key) => key.der(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Proof that a signature was verified: only [`PublicKey::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Valid {
    fingerprint: String,
    demand: Option<Arc<RemoteCheck>>,
}

impl Valid {
    /// The fingerprint of the key that verified it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What a service has to confirm before it counts.
    pub fn demand(&self) -> Option<&Arc<RemoteCheck>> {
        self.demand.as_ref()
    }

    /// The same for a key of an authenticator, which may demand that its service confirms it.
    pub(super) fn demanded_by(self, key: &Key, message: &[u8], signature: &[u8]) -> Self {
        let demand = key.remote.as_ref().map(|remote| RemoteCheck::new(key, remote, message, signature));
        Self { demand: demand.map(Arc::new), ..self }
    }
}
