//! The certificate chain of a signing key.

use jiff::Timestamp;

use pullgate_core::trust::x509::{Certificate, Chain, Purpose, Store, X509Error, certificates_of};
use pullgate_core::trust::{Algorithm, PublicKey};

/// The certificate of a key for Notation signatures, with those of its CAs up to a self-signed root.
#[derive(Clone, Debug)]
pub struct CertificateChain {
    chain: Chain,
    /// The key of the leaf, with the algorithm that Notation fixes for it.
    key: PublicKey,
    /// The last certificate.
    root: Store,
}

impl CertificateChain {
    /// Maximum size of a file with a chain, in bytes.
    pub const MAX_BYTES: u64 = 256 << 10;

    /// Reads a chain in PEM, leaf first. [`Self::check_validity`] checks whether it is valid at some time.
    ///
    /// # Errors
    /// When the file is not a complete chain with a leaf for signing code.
    pub fn parse(file: &[u8]) -> Result<Self, CertificateChainError> {
        let chain = Chain::check(certificates_of(file)?, Purpose::CodeSigning)?;
        let key = chain.leaf().public_key().ok_or(CertificateChainError::Key)?;
        let mut root = Store::default();
        if let Some(last) = chain.certificates().last() {
            root.add(last.der())?;
        }
        Ok(Self { chain, key, root })
    }

    /// The algorithm that its key must sign with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Checks that it is the chain of this key, with its algorithm.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_key(&self, key: &PublicKey) -> Result<(), CertificateChainError> {
        if key.fingerprint() != self.key.fingerprint() {
            let (found, key) = (self.key.fingerprint().to_owned(), key.fingerprint().to_owned());
            return Err(CertificateChainError::OtherKey { found, key });
        }
        if key.algorithm() != self.algorithm() {
            let (wanted, found) = (self.algorithm(), key.algorithm());
            return Err(CertificateChainError::OtherAlgorithm { wanted, found });
        }
        Ok(())
    }

    /// Checks that all its certificates are valid at `now`.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_validity(&self, now: Timestamp) -> Result<(), CertificateChainError> {
        self.chain.check_validity(now, now).map_err(CertificateChainError::Ended)
    }

    /// When the first of its certificates ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.chain.expires()
    }

    pub(super) fn leaf(&self) -> &Certificate {
        self.chain.leaf()
    }

    pub(super) fn root(&self) -> &Store {
        &self.root
    }

    /// The certificates, leaf first.
    pub(super) fn der(&self) -> Vec<&[u8]> {
        self.chain.certificates().map(Certificate::der).collect()
    }
}

/// Why a file is not the certificate chain of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateChainError {
    #[error("it is not a certificate chain for Notation signatures")]
    Invalid(#[from] X509Error),
    #[error("a certificate is not valid now")]
    Ended(#[source] X509Error),
    #[error("Notation signatures cannot be made with its type of key")]
    Key,
    #[error("it is the chain of key {found}, but the signing key is {key}")]
    OtherKey { found: String, key: String },
    #[error("Notation signatures with this key must use {wanted}, but the key signs with {found}")]
    OtherAlgorithm { wanted: Algorithm, found: Algorithm },
}
