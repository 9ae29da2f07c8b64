//! Trust stores: the certificates that an operator trusts.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::chain::Chain;
use super::error::X509Error;
use super::limits::MAX_STORE;
use crate::digest::Digest;
use crate::trust::pem;

/// Trusted certificates. An empty store trusts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    certificates: Vec<Certificate>,
}

impl Store {
    /// Adds the certificates of a file, as [`certificates_of`] reads it.
    ///
    /// # Errors
    /// When the file is neither, or has a certificate that is neither a CA nor self-signed: the certificate of an end
    /// entity is not an anchor (notation-go `verifier/truststore/truststore.go`, `ValidateCertificates`).
    pub fn add(&mut self, file: &[u8]) -> Result<(), X509Error> {
        for certificate in certificates_of(file)? {
            if !certificate.is_ca() && !certificate.is_self_signed() {
                return Err(X509Error::NotAnAnchor { subject: certificate.name() });
            }
            if self.certificates.len() >= MAX_STORE {
                return Err(X509Error::LargeStore);
            }
            if !self.certificates.contains(&certificate) {
                self.certificates.push(certificate);
            }
        }
        Ok(())
    }

    /// When each certificate expires.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.certificates().iter().map(|certificate| certificate.not_after)
    }

    /// Its certificates, for the hash of the policy, where it has this name.
    pub(crate) fn entries(&self, name: &'static str) -> impl Iterator<Item = Vec<String>> {
        let digest = |anchor: &Certificate| Digest::of(anchor.der()).to_string();
        self.certificates.iter().map(move |anchor| vec![name.to_owned(), digest(anchor)])
    }

    /// Checks that every certificate is a self-signed root: what anchors of timestamps must be.
    ///
    /// # Errors
    /// [`X509Error::NotARoot`] for the first that is not.
    pub fn check_roots(&self) -> Result<(), X509Error> {
        match self.certificates.iter().find(|certificate| !certificate.is_self_signed()) {
            Some(other) => Err(X509Error::NotARoot { subject: other.name() }),
            None => Ok(()),
        }
    }

    /// Whether it trusts nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The certificates, in the order of the files.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether a certificate of `chain` that may be an anchor is in the store, byte for byte.
    #[must_use]
    pub fn anchors(&self, chain: &Chain) -> bool {
        chain.possible_anchors().any(|certificate| self.certificates.contains(certificate))
    }
}

/// The certificates of a file, in its order: PEM with one or more blocks, or one certificate in DER, as notation reads them.
///
/// # Errors
/// When the file is neither.
pub fn certificates_of(file: &[u8]) -> Result<Vec<Certificate>, X509Error> {
    match file {
        // A DER certificate is a SEQUENCE.
        [0x30, ..] => Ok(vec![Certificate::parse(file)?]),
        _ => certificates_of_pem(file),
    }
}

fn certificates_of_pem(file: &[u8]) -> Result<Vec<Certificate>, X509Error> {
    let text = std::str::from_utf8(file).map_err(|_| X509Error::Malformed)?;
    let blocks = pem::read_all(text).map_err(X509Error::Pem)?;
    let parse = |block: pem::Block<'_>| match block.label {
        "CERTIFICATE" => Certificate::parse(&block.der),
        _ => Err(X509Error::OtherBlock),
    };
    blocks.into_iter().map(parse).collect()
}
