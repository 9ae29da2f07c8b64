//! A certificate authority of a test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// An authority, whose certificates only those trust who have its own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Arc<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own: servers ask for certificates of authorities by their names.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("test authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Arc::new(Self { issuer: CertifiedIssuer::self_signed(parameters, key).unwrap() })
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server with a certificate for `name`.
    pub fn acceptor(&self, name: &str) -> TlsAcceptor {
        self.acceptor_in(name, (1975, 4096), false)
    }

    /// A certificate and key for a client.
    pub fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A server whose certificate is valid between the first days of these years, and that may want one of its clients.
    pub fn acceptor_in(&self, name: &str, (from, to): (i32, i32), clients: bool) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(to, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier = match clients {
            false => rustls::server::WebPkiClientVerifier::no_client_auth(),
            true => rustls::server::WebPkiClientVerifier::builder_with_provider(
                roots.into(),
                Arc::clone(&provider),
            )
            .build()
            .unwrap(),
        };
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
