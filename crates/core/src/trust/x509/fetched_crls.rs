//! Lists of revoked certificates that were fetched, by where they come from and who signed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::certificate::Certificate;
use super::crl::Crl;
use super::revocation_error::CrlError;

/// Where the list of an issuer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrlSource {
    address: String,
    /// The SubjectPublicKeyInfo of the issuer.
    key: Vec<u8>,
}

impl CrlSource {
    /// The list of `issuer` at an address.
    pub fn new(address: String, issuer: &Certificate) -> Self {
        Self { address, key: issuer.key().to_vec() }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The SubjectPublicKeyInfo of the issuer.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Parses one list in DER that the issuer signed. It is parsed only then: a list takes many times its size meanwhile.
    ///
    /// # Errors
    /// When the issuer did not sign it, or as [`Crl::parse`].
    pub fn read(&self, der: &[u8]) -> Result<Crl, CrlError> {
        Crl::check_signed(der, &self.key)?;
        Crl::parse(der)
    }
}

/// What is known of the list of one source.
#[derive(Clone, Debug, Default)]
pub struct FetchedCrl {
    /// The newest list that was ever there.
    pub list: Option<Arc<Crl>>,
    /// Why the last attempt gave no newer one.
    pub failed: Option<String>,
    /// Whether the list is to be asked for again. It revokes what it has all the same.
    pub is_stale: bool,
}

/// The lists that were fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchedCrls(pub BTreeMap<CrlSource, FetchedCrl>);
