//! Where lists of revoked certificates come from, and who signs them.

use super::certificate::Certificate;

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
}
