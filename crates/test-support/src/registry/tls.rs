//! TLS with certificates of a test's own authority.

use std::sync::Arc;

use rcgen::CertificateParams;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::secrets;

impl Authority {
    /// A server with a certificate for `name`.
    pub fn acceptor(&self, name: &str) -> TlsAcceptor {
        self.acceptor_in(name, (1975, 4096), false)
    }

    /// A server whose certificate is valid between the first days of these years, and that can require client certificates.
    pub fn acceptor_in(&self, name: &str, (from, to): (i32, i32), clients: bool) -> TlsAcceptor {
        let key = secrets::new_key();
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
