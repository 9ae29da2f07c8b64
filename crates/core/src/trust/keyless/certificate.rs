//! What the certificate of a signature says of its signer.

use std::collections::{BTreeMap, BTreeSet};

use der::asn1::{ObjectIdentifier, Utf8StringRef};
use der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::claim::Claim;
use crate::trust::PublicKey;

/// Fulcio's arc (sigstore/fulcio `docs/oid-info.md`).
const FULCIO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// The arc of the issuer as it was written first, a bare text.
const ISSUER_V1: u32 = 1;
/// The arc of a subject that is neither an address nor a URI.
const OTHER_NAME: u32 = 7;
/// The arc of the issuer as DER.
const ISSUER: u32 = 8;

/// Maximum length of a subject, issuer or claim.
const MAX_TEXT_BYTES: usize = 2048;
/// Maximum number of extensions; Fulcio writes about 25.
const MAX_EXTENSIONS: usize = 64;

/// Issuer, subject and claims of a certificate. That an authority vouches for them is checked elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertificate {
    issuer: String,
    subject: String,
    key: String,
    claims: BTreeMap<u32, String>,
}

impl SigningCertificate {
    /// Reads a certificate in DER. It must have exactly one subject alternative name, an issuer, and no extension twice:
    /// what could be read in two ways is not read.
    ///
    /// # Errors
    /// In all other cases.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let key = certificate.tbs_certificate().subject_public_key_info().to_der();
        let key = PublicKey::fingerprint_of(&key.map_err(|_| CertificateError::Malformed)?);
        let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
        if extensions.len() > MAX_EXTENSIONS {
            return Err(CertificateError::TooMany);
        }
        let mut seen = BTreeSet::new();
        if extensions.iter().any(|extension| !seen.insert(extension.extn_id)) {
            return Err(CertificateError::Twice);
        }
        let (mut subject, mut issuer_v1, mut fulcio) = (None, None, BTreeMap::new());
        for extension in extensions {
            if extension.extn_id == SUBJECT_ALTERNATIVE_NAME {
                subject = Some(only_name(extension)?);
                continue;
            }
            match fulcio_arc(&extension.extn_id) {
                Some(ISSUER_V1) => issuer_v1 = Some(bare_text(extension.extn_value.as_bytes())?),
                // Texts of 2 to 6 are deprecated, and the same as others.
                Some(arc) if arc >= ISSUER => {
                    fulcio.insert(arc, der_text(extension.extn_value.as_bytes())?);
                }
                _ => {}
            }
        }
        let issuer = match (fulcio.remove(&ISSUER), issuer_v1) {
            (Some(issuer), Some(other)) if issuer != other => return Err(CertificateError::TwoIssuers),
            (issuer, other) => issuer.or(other).ok_or(CertificateError::NoIssuer)?,
        };
        Ok(Self { issuer, subject: subject.ok_or(CertificateError::Subject)?, key, claims: fulcio })
    }

    /// The OpenID provider that knows the signer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The signer: an address, a URI or another name.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The fingerprint of its key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A claim, if the certificate has it.
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims.get(&claim.arc()).map(String::as_str)
    }
}

/// The last arc of an object identifier directly below Fulcio's.
fn fulcio_arc(oid: &ObjectIdentifier) -> Option<u32> {
    if oid.parent() == Some(FULCIO) { oid.arcs().last() } else { None }
}

/// The one name of the subject.
fn only_name(extension: &Extension) -> Result<String, CertificateError> {
    let names = SubjectAltName::from_der(extension.extn_value.as_bytes());
    let names = names.map_err(|_| CertificateError::Malformed)?;
    let [name] = names.0.as_slice() else { return Err(CertificateError::Subject) };
    match name {
        GeneralName::Rfc822Name(text) => checked(text.as_str()),
        GeneralName::UniformResourceIdentifier(text) => checked(text.as_str()),
        GeneralName::OtherName(other) if fulcio_arc(&other.type_id) == Some(OTHER_NAME) => {
            let der = other.value.to_der().map_err(|_| CertificateError::Malformed)?;
            der_text(&der)
        }
        _ => Err(CertificateError::Subject),
    }
}

fn der_text(der: &[u8]) -> Result<String, CertificateError> {
    let text = Utf8StringRef::from_der(der).map_err(|_| CertificateError::Malformed)?;
    checked(text.as_str())
}

fn bare_text(bytes: &[u8]) -> Result<String, CertificateError> {
    checked(std::str::from_utf8(bytes).map_err(|_| CertificateError::Malformed)?)
}

fn checked(text: &str) -> Result<String, CertificateError> {
    if text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
        return Err(CertificateError::Text);
    }
    Ok(text.to_owned())
}

/// Why a certificate does not say who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum CertificateError {
    #[error("certificate is malformed")]
    Malformed,
    #[error("certificate has more than {MAX_EXTENSIONS} extensions")]
    TooMany,
    #[error("certificate has a duplicate extension")]
    Twice,
    #[error("certificate does not have exactly one subject alternative name that is an email address or URI")]
    Subject,
    #[error("certificate does not name an OpenID issuer")]
    NoIssuer,
    #[error("certificate names two different OpenID issuers")]
    TwoIssuers,
    #[error("certificate has a field that is too long or contains control characters")]
    Text,
}
