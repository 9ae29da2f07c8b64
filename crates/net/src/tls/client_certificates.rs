//! Client certificates, and which of them a server receives.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// The client certificates for one host, in the order of its configuration.
///
/// Selects the first that the server could accept: its key supports a signature scheme of the server, and the
/// certificate or one in its chain was issued by an authority that the server names (if it names any). Otherwise no
/// certificate is sent. This is what Go's `getClientCertificate` does, and so containerd.
#[derive(Debug)]
pub(super) struct ClientCertificates(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for ClientCertificates {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |pair: &&Arc<CertifiedKey>| {
            let issued =
                || pair.cert.iter().filter_map(|der| issuer(der)).any(|issuer| authorities.contains(&issuer));
            pair.key.choose_scheme(schemes).is_some() && (authorities.is_empty() || issued())
        };
        self.0.iter().find(fits).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The encoded issuer of a certificate (RFC 5280, 4.1), after version, serial number and algorithm.
fn issuer(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    let (first, _, rest) = element(to_be_signed)?;
    // Certificates of version 1 omit the version.
    let rest = if first.first() == Some(&0xa0) { element(rest)?.2 } else { rest };
    let (_, _, rest) = element(rest)?;
    Some(element(rest)?.0)
}

/// The first DER element of `bytes`: the whole element, its content, and the bytes after it.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, length) = match *bytes.get(1)? {
        short @ ..=0x7f => (2, usize::from(short)),
        long @ 0x81..=0x83 => {
            let head = 2 + usize::from(long & 0x7f);
            let digits = bytes.get(2..head)?;
            (head, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    let (encoded, rest) = bytes.split_at_checked(head.checked_add(length)?)?;
    Some((encoded, encoded.get(head..)?, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SignatureAlgorithm,
    };
    use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256};
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    }

    fn pair(
        issuer: &CertifiedIssuer<'static, KeyPair>,
        kind: &'static SignatureAlgorithm,
    ) -> Arc<CertifiedKey> {
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = CertificateParams::new(vec!["client".to_owned()]).unwrap().signed_by(&key, issuer);
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = rustls::crypto::ring::default_provider();
        let chain = vec![certificate.unwrap().der().clone()];
        Arc::new(CertifiedKey::from_der(chain, private, &provider).unwrap())
    }

    #[test]
    fn selects_the_first_that_the_server_could_accept() {
        let (one, two, three) = (authority("one"), authority("two"), authority(&"three".repeat(60)));
        let certificates = ClientCertificates(vec![
            pair(&one, &rcgen::PKCS_ECDSA_P256_SHA256),
            pair(&one, &rcgen::PKCS_ED25519),
            pair(&two, &rcgen::PKCS_ECDSA_P256_SHA256),
            pair(&three, &rcgen::PKCS_ED25519),
        ]);
        let name = |authority: &CertifiedIssuer<'static, KeyPair>| issuer(authority.der()).unwrap().to_vec();
        let (one, two, three) = (name(&one), name(&two), name(&three));
        let (p256, ed25519, rsa) = ([ECDSA_NISTP256_SHA256], [ED25519], [RSA_PSS_SHA256]);
        for (authorities, schemes, expected) in [
            (vec![], &p256[..], Some(0)),
            (vec![], &ed25519, Some(1)),
            (vec![], &rsa, None),
            (vec![&two[..]], &p256, Some(2)),
            (vec![&two[..]], &ed25519, None),
            (vec![&three[..], &two], &ed25519, Some(3)),
            (vec![&two[..], &one], &p256, Some(0)),
            (vec![&b"another"[..]], &p256, None),
        ] {
            let found = certificates.resolve(&authorities, schemes);
            let index =
                found.and_then(|found| certificates.0.iter().position(|pair| Arc::ptr_eq(pair, &found)));
            assert_eq!(index, expected, "{authorities:?} {schemes:?}");
        }
    }

    #[test]
    fn malformed_certificates_have_no_issuer() {
        let encoded = authority("one").der().to_vec();
        assert!(issuer(&encoded).is_some());
        for length in 0..encoded.len().min(120) {
            assert_eq!(issuer(&encoded[..length]), None, "{length}");
        }
        for bytes in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x83, 0xff]] {
            assert_eq!(issuer(bytes), None, "{bytes:?}");
        }
    }
}
