//! A public key with its algorithm pinned.

use std::fmt;
use std::sync::Arc;

use super::hash::HashFunction;
use super::key_error::{KeyError, MAX_PEM_BYTES};
use super::kind::Kind;
use super::pem;
use super::{Algorithm, Key, KeyIds, PssSalt, RemoteCheck, Scheme, TrustError, ecdsa, ed25519, rsa};
use crate::digest::Digest;

/// Maximum size of a signature: 1 KiB, twice that of RSA with 4096 bits.
pub const MAX_SIGNATURE_BYTES: usize = 1024;

/// A public key that verifies signatures of exactly one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    salt: PssSalt,
    fingerprint: String,
    /// The same over other encodings of the key: as it was given, and with a compressed point.
    other_fingerprints: Vec<String>,
    verifier: Verifier,
}

#[derive(Clone)]
enum Verifier {
    Rsa(rsa::Public),
    Ecdsa(ecdsa::Public),
    Ed25519(ed25519::Public),
}

impl PublicKey {
    /// Parses the one `PUBLIC KEY` block (SubjectPublicKeyInfo) of a PEM text of at most [`MAX_PEM_BYTES`].
    ///
    /// `salt` is for RSASSA-PSS; for other algorithms it must be the default.
    ///
    /// # Errors
    /// When the text has anything but that one block, or the key does not fit `algorithm` or is too weak. Errors
    /// contain nothing of the text.
    pub fn from_pem(text: &str, algorithm: Algorithm, salt: PssSalt) -> Result<Self, KeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge { found: text.len() });
        }
        let block = pem::read_one(text).map_err(|error| {
            // A private key in a public place must be reported as such, also when it is malformed.
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

    /// Parses a SubjectPublicKeyInfo in DER.
    pub(super) fn from_der(der: &[u8], algorithm: Algorithm, salt: PssSalt) -> Result<Self, KeyError> {
        let kind = Kind::of(der).ok_or(KeyError::Malformed)?;
        if kind != algorithm.kind() {
            return Err(KeyError::Kind { found: kind.name(), algorithm });
        }
        // A salt of 32 bytes was the default of every algorithm once; policies may still spell it.
        if !algorithm.is_pss() && !salt.is_of(HashFunction::Sha256) {
            return Err(KeyError::SaltUnused { algorithm });
        }
        let verifier = match algorithm.scheme() {
            Scheme::RsaPss(hash) => Verifier::Rsa(rsa::Public::pss(der, hash, salt)?),
            Scheme::RsaPkcs1(hash) => Verifier::Rsa(rsa::Public::pkcs1(der, hash)?),
            Scheme::Ecdsa(curve, hash) => Verifier::Ecdsa(ecdsa::Public::read(der, curve, hash)?),
            Scheme::Ed25519 => Verifier::Ed25519(ed25519::Public::read(der, false)?),
            Scheme::Ed25519ph => Verifier::Ed25519(ed25519::Public::read(der, true)?),
        };
        // The re-encoded key, so that all encodings of a key have one fingerprint.
        let canonical = verifier.der().ok_or(KeyError::Malformed)?;
        let compressed = match &verifier {
            Verifier::Ecdsa(key) => Some(key.compressed_der()),
            Verifier::Rsa(_) | Verifier::Ed25519(_) => None,
        };
        let fingerprint = |der: &[u8]| Digest::of(der).as_str().to_owned();
        let mut others = vec![fingerprint(der)];
        others.extend(compressed.map(|der| fingerprint(&der)));
        let canonical = fingerprint(&canonical);
        others.retain(|other| *other != canonical);
        others.dedup();
        Ok(Self { algorithm, salt, fingerprint: canonical, other_fingerprints: others, verifier })
    }

    /// The fingerprint of the key in a SubjectPublicKeyInfo, whatever its encoding and algorithm; of a key that no algorithm
    /// takes, the SHA-256 of these bytes.
    pub(crate) fn fingerprint_of(der: &[u8]) -> String {
        let kind = Kind::of(der);
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| kind == Some(algorithm.kind()));
        let key = algorithm.and_then(|it| Self::from_der(der, it, PssSalt::default()).ok());
        key.map_or_else(|| Digest::of(der).as_str().to_owned(), |key| key.fingerprint)
    }

    /// The pinned algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The salt for RSASSA-PSS; without effect for other algorithms.
    pub fn salt(&self) -> PssSalt {
        self.salt
    }

    /// `sha256:` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo in canonical DER, as printed by `openssl
    /// pkey -pubin -in key.pem -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The fingerprint, and the SHA-256 of other encodings of the key: as it was given, and with a compressed point.
    /// An operator may have any of them from other tools.
    pub fn all_fingerprints(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.fingerprint).chain(&self.other_fingerprints).map(String::as_str)
    }

    /// Its identifiers in other systems.
    pub fn key_ids(&self) -> KeyIds {
        KeyIds::of(&self.verifier.der().unwrap_or_default())
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`TrustError::TooLong`], [`TrustError::Form`] or [`TrustError::Mismatch`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<Valid, TrustError> {
        if signature.len() > MAX_SIGNATURE_BYTES {
            return Err(TrustError::TooLong { found: signature.len() });
        }
        let (verified, wanted) = match &self.verifier {
            Verifier::Rsa(key) => (
                (signature.len() == key.signature_bytes()).then(|| key.verifies(message, signature)),
                "as many bytes as the RSA modulus",
            ),
            Verifier::Ecdsa(key) => {
                (key.verifies(message, signature), "ASN.1 DER of r and s, not r and s concatenated")
            }
            Verifier::Ed25519(key) => (key.verifies(message, signature), "64 bytes"),
        };
        match verified {
            Some(true) => Ok(Valid { fingerprint: self.fingerprint.clone(), demand: None }),
            Some(false) => Err(TrustError::Mismatch { fingerprint: self.fingerprint.clone() }),
            None => Err(TrustError::Form { algorithm: self.algorithm, wanted }),
        }
    }

    /// The key as one `PUBLIC KEY` block.
    pub fn pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.verifier.der().unwrap_or_default())
    }
}

impl Verifier {
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
    /// The fingerprint of the key that verified the signature.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The remote check that is still required.
    pub fn demand(&self) -> Option<&Arc<RemoteCheck>> {
        self.demand.as_ref()
    }

    /// Adds the remote check that `key` requires, if any.
    pub(super) fn with_remote_check_of(self, key: &Key, message: &[u8], signature: &[u8]) -> Self {
        let demand = key.remote.as_ref().map(|remote| RemoteCheck::new(key, remote, message, signature));
        Self { demand: demand.map(Arc::new), ..self }
    }
}
