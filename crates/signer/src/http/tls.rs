//! TLS of the server: its certificate, and the CAs of client certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::ListenError;
use crate::Tls;

/// The most bytes of a certificate or key file.
const FILE: u64 = 1 << 20;

pub(super) fn config(tls: &Tls) -> Result<Arc<ServerConfig>, ListenError> {
    let unusable = |path: &Path, reason: &dyn std::fmt::Display| ListenError::Tls {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&tls.certificate)?).collect();
    let chain = chain.map_err(|error| unusable(&tls.certificate, &error))?;
    // Checks and reads the same open file, even if it is replaced meanwhile.
    let key = pullgate_net::secret::read_all(&tls.key, FILE).map_err(|reason| unusable(&tls.key, &reason))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| unusable(&tls.key, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&tls.certificate, &error))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
                let certificate = certificate.map_err(|error| unusable(path, &error))?;
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(path, &error))?)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| unusable(&tls.certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, ListenError> {
    use std::io::Read as _;
    let unreadable =
        |error: std::io::Error| ListenError::Tls { path: path.to_owned(), reason: error.kind().to_string() };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
