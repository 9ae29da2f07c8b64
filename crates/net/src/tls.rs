//! TLS client configuration for a host.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use client_certificates::ClientCertificates;

mod client_certificates;

/// Maximum size of a certificate or key file, in bytes.
const FILE: u64 = 4 << 20;

/// Files and options for TLS with one host. By default: the system's roots and no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// Files with additional trusted certificate authorities.
    pub authorities: Vec<PathBuf>,
    /// Client certificate and key; without a second file, the first contains both.
    pub pairs: Vec<(PathBuf, Option<PathBuf>)>,
    /// Whether the server's certificate is not verified.
    pub skip_verify: Option<bool>,
}

impl TlsFiles {
    pub fn is_explicit(&self) -> bool {
        *self != Self::default()
    }
}

/// The system's trusted roots.
///
/// Roots that cannot be read are skipped: certificates signed by them are not trusted.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "cannot load a CA certificate of the system");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// The configuration for `files`: at least TLS 1.2, HTTP/2 preferred.
///
/// # Errors
/// When a file cannot be read or used.
pub fn config(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    files: &TlsFiles,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if files.skip_verify == Some(true) {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(provider))))
    } else {
        let mut roots = Arc::clone(roots);
        for path in &files.authorities {
            add_authorities(Arc::make_mut(&mut roots), path)?;
        }
        builder.with_root_certificates(roots)
    };
    let mut pairs = Vec::new();
    for (certificate, key) in &files.pairs {
        let (chain, key) = pair(certificate, key.as_deref())?;
        let pair = CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| format!("{} cannot be used: {error}", certificate.display()))?;
        pairs.push(Arc::new(pair));
    }
    let mut config = match pairs.is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_resolver(Arc::new(ClientCertificates(pairs))),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let pem = read(path)?;
    let mut found = false;
    // As Go's AppendCertsFromPEM: anything but certificates is skipped, but at least one certificate is required.
    for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
        found |= roots.add(certificate).is_ok();
    }
    if found { Ok(()) } else { Err(format!("{} contains no certificate", path.display())) }
}

fn pair(
    certificate: &Path,
    key: Option<&Path>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let pem = read(certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(format!("{} contains no certificate", certificate.display()));
    }
    let path = key.unwrap_or(certificate);
    let key_pem = match key {
        Some(path) => read(path)?,
        None => pem,
    };
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| format!("{} contains no private key", path.display()))?;
    Ok((chain, key))
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if fs::metadata(path).map_err(failed)?.len() > FILE {
        return Err(format!("{} is larger than {FILE} bytes", path.display()));
    }
    Ok(zeroize::Zeroizing::new(fs::read(path).map_err(failed)?))
}

/// For `skip_verify`: accepts any certificate, but still verifies that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
