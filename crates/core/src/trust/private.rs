//! A private key that signs with one pinned algorithm.

use std::fmt;

use super::kind::Kind;
use super::{
    Algorithm, KeyError, MAX_PEM_BYTES, PssSalt, PublicKey, Scheme, TrustError, ecdsa, ed25519, pem, rsa,
};

/// A private key in memory; `Debug` shows its public key only. It is wiped when dropped, except for the numbers of an
/// RSA key in `ring`, which does not wipe them.
pub struct PrivateKey {
    public: PublicKey,
    signer: Signer,
}

enum Signer {
    Rsa(Box<rsa::Private>),
    Ecdsa(ecdsa::Private),
    Ed25519(ed25519::Private),
}

/// The encoding of a private key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrapping {
    Pkcs8,
    Pkcs1,
    Sec1,
}

impl PrivateKey {
    /// Parses the one private key of a PEM text of at most [`MAX_PEM_BYTES`]: PKCS#8 (`PRIVATE KEY`), or the formats of
    /// older tools, `RSA PRIVATE KEY` and `EC PRIVATE KEY`, all unencrypted.
    ///
    /// The caller wipes `text`. The rules for public keys apply, and the key signs with `salt`.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`], and when the key is encrypted or public.
    pub fn from_pem(text: &str, algorithm: Algorithm, salt: PssSalt) -> Result<Self, KeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge { found: text.len() });
        }
        let block = pem::read_one(text).map_err(KeyError::Pem)?;
        let wrapping = match block.label {
            "PRIVATE KEY" => Wrapping::Pkcs8,
            "RSA PRIVATE KEY" => Wrapping::Pkcs1,
            "EC PRIVATE KEY" => Wrapping::Sec1,
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return Err(KeyError::Public),
            label if label.starts_with("ENCRYPTED ") => return Err(KeyError::Encrypted),
            _ => return Err(KeyError::Other { found: "a PEM block of another type" }),
        };
        let (signer, public) = Signer::read(&block.der, wrapping, algorithm, salt)?;
        Ok(Self { public: PublicKey::from_der(&public, algorithm, salt)?, signer })
    }

    ///
    /// # Errors
    /// [`TrustError::Signing`] when the operation fails, for example because a fault made the result wrong.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let signature = match &self.signer {
            Signer::Rsa(key) => key.sign(message),
            Signer::Ecdsa(key) => key.sign(message),
            Signer::Ed25519(key) => key.sign(message),
        };
        signature.ok_or(TrustError::Signing { algorithm: self.public.algorithm() })
    }

    /// The public key, with the same algorithm and salt.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// The public key as one PEM block.
    pub fn public_pem(&self) -> String {
        self.public.pem()
    }
}

impl Signer {
    /// The key and its SubjectPublicKeyInfo.
    fn read(
        der: &[u8],
        wrapping: Wrapping,
        algorithm: Algorithm,
        salt: PssSalt,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let kind = match wrapping {
            Wrapping::Pkcs8 => Kind::of_private(der).ok_or(KeyError::Malformed)?,
            Wrapping::Pkcs1 => Kind::Rsa,
            // The curve is checked when the key is parsed.
            Wrapping::Sec1 => match algorithm.kind() {
                curve @ Kind::Ec(_) => curve,
                _ => Kind::Other("elliptic-curve"),
            },
        };
        if kind != algorithm.kind() {
            return Err(KeyError::Kind { found: kind.name(), algorithm });
        }
        let rsa = || rsa::read_private(der, wrapping == Wrapping::Pkcs1).ok_or(KeyError::Malformed);
        let read = match algorithm.scheme() {
            Scheme::RsaPss(hash) => {
                let key = rsa()?;
                let public = rsa::public_der(&key);
                let signer = Self::Rsa(Box::new(rsa::Private::pss(key, hash, salt)?));
                public.map(|public| (signer, public))
            }
            Scheme::RsaPkcs1(hash) => {
                let key = rsa()?;
                let public = rsa::public_der(&key);
                public.map(|public| (Self::Rsa(Box::new(rsa::Private::pkcs1(key, hash))), public))
            }
            Scheme::Ecdsa(curve, hash) => ecdsa::Private::read(der, wrapping == Wrapping::Sec1, curve, hash)
                .and_then(|key| key.public_der().map(|public| (Self::Ecdsa(key), public))),
            Scheme::Ed25519 | Scheme::Ed25519ph => {
                ed25519::Private::read(der, algorithm == Algorithm::Ed25519ph)
                    .and_then(|key| key.public_der().map(|public| (Self::Ed25519(key), public)))
            }
        };
        read.ok_or(KeyError::Malformed)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .field("signer", &format_args!("<redacted>"))
            .finish()
    }
}
