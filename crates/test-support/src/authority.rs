//! A certificate authority of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::secrets;

/// A certificate authority that only clients with its certificate trust.
pub struct Authority {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Arc<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A unique name each: servers name the authorities that they accept.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("test authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = secrets::new_key();
        Arc::new(Self { issuer: CertifiedIssuer::self_signed(parameters, key).unwrap() })
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn client(&self) -> (String, String) {
        self.issue("client", rcgen::ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate and key for a server with this name or address.
    pub fn server(&self, name: &str) -> (String, String) {
        self.issue(name, rcgen::ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn issue(&self, name: &str, purpose: rcgen::ExtendedKeyUsagePurpose) -> (String, String) {
        let key = secrets::new_key();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![purpose];
        let pem = key.serialize_pem();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), pem)
    }
}
