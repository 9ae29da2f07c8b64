//! One certificate, with what the rules look at.

use std::collections::BTreeSet;
use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280 as oid;
use der::{Decode as _, Encode as _, Reader as _, SliceReader};
use jiff::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm;
use super::distribution_point::points_of;
use super::error::X509Error;
use super::limits::{MAX_ALTERNATIVE_NAMES, MAX_CERTIFICATE_BYTES};
use super::signer_name::{NameType, SignerName};
use crate::trust::instant::instant;
use crate::trust::{Algorithm, Identity, Outside, PssSalt, PublicKey, Valid};
use crate::untrusted::{Quoted, quoted, sanitize_to};

/// Extensions that do not restrict what these rules use, so that a critical one may be ignored: names and policies of
/// the subject, and where to find more.
const WITHOUT_EFFECT: [ObjectIdentifier; 4] = [
    oid::ID_CE_SUBJECT_KEY_IDENTIFIER,
    oid::ID_CE_AUTHORITY_KEY_IDENTIFIER,
    oid::ID_CE_ISSUER_ALT_NAME,
    oid::ID_CE_CERTIFICATE_POLICIES,
];

/// A certificate that was parsed and not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// The signed part, as it was encoded.
    signed: Vec<u8>,
    signature: Vec<u8>,
    signature_algorithm: AlgorithmIdentifierOwned,
    /// The SubjectPublicKeyInfo.
    key: Vec<u8>,
    pub(super) subject: Name,
    issuer: Name,
    serial: Vec<u8>,
    /// The extension that says where the list of revoked certificates is.
    points: Option<Vec<u8>>,
    /// The extension with the other names of its holder.
    alternative_names: Option<Vec<u8>>,
    /// Whether it limits the names that certificates below it may have.
    pub(super) limits_names: bool,
    /// Whether it names a responder that knows whether it is revoked (OCSP).
    has_responder: bool,
    not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) constraints: Option<BasicConstraints>,
    /// With whether it is critical.
    pub(super) key_usage: Option<(bool, KeyUsage)>,
    /// With whether it is critical.
    pub(super) extended_key_usage: Option<(bool, Vec<ObjectIdentifier>)>,
}

impl Certificate {
    /// Parses one certificate in DER.
    ///
    /// # Errors
    /// When it is too large, not strict DER, has an extension twice, or a critical one that is not evaluated.
    pub fn parse(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(X509Error::TooLarge { found: der.len() });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| X509Error::Malformed)?;
        let signed = signed_part(der).ok_or(X509Error::Malformed)?;
        let body = parsed.tbs_certificate();
        let signature = parsed.signature().as_bytes().ok_or(X509Error::Malformed)?;
        if body.signature() != parsed.signature_algorithm() {
            return Err(X509Error::Malformed);
        }
        let validity = body.validity();
        let mut certificate = Self {
            der: der.to_vec(),
            signed,
            signature: signature.to_vec(),
            signature_algorithm: parsed.signature_algorithm().clone(),
            key: body.subject_public_key_info().to_der().map_err(|_| X509Error::Malformed)?,
            subject: body.subject().clone(),
            issuer: body.issuer().clone(),
            serial: body.serial_number().as_bytes().to_vec(),
            points: None,
            has_responder: false,
            alternative_names: None,
            limits_names: false,
            not_before: instant(validity.not_before),
            not_after: instant(validity.not_after),
            constraints: None,
            key_usage: None,
            extended_key_usage: None,
        };
        let mut seen = BTreeSet::new();
        for extension in body.extensions().into_iter().flatten() {
            let oid = extension.extn_id;
            if !seen.insert(oid) {
                return Err(X509Error::DuplicateExtension { subject: certificate.name(), oid });
            }
            certificate.take(extension)?;
        }
        Ok(certificate)
    }

    fn take(&mut self, extension: &Extension) -> Result<(), X509Error> {
        let (oid, critical, value) = (extension.extn_id, extension.critical, extension.extn_value.as_bytes());
        let malformed = |_| X509Error::MalformedExtension { subject: self.name(), oid };
        match oid {
            oid::ID_CE_BASIC_CONSTRAINTS => {
                self.constraints = Some(BasicConstraints::from_der(value).map_err(malformed)?);
            }
            oid::ID_CE_KEY_USAGE => {
                self.key_usage = Some((critical, KeyUsage::from_der(value).map_err(malformed)?));
            }
            oid::ID_CE_EXT_KEY_USAGE => {
                let ExtendedKeyUsage(usages) = ExtendedKeyUsage::from_der(value).map_err(malformed)?;
                self.extended_key_usage = Some((critical, usages));
            }
            oid::ID_CE_SUBJECT_ALT_NAME => self.alternative_names = Some(value.to_vec()),
            oid::ID_CE_NAME_CONSTRAINTS if !critical => self.limits_names = true,
            oid::ID_CE_CRL_DISTRIBUTION_POINTS => self.points = Some(value.to_vec()),
            oid::ID_PE_AUTHORITY_INFO_ACCESS => {
                let is_responder = |AuthorityInfoAccessSyntax(places): AuthorityInfoAccessSyntax| {
                    places.iter().any(|place| place.access_method == oid::ID_AD_OCSP)
                };
                self.has_responder = AuthorityInfoAccessSyntax::from_der(value).map_or(true, is_responder);
            }
            _ if critical && !WITHOUT_EFFECT.contains(&oid) => {
                return Err(X509Error::CriticalExtension { subject: self.name(), oid });
            }
            _ => {}
        }
        Ok(())
    }

    /// The certificate as it was read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its SubjectPublicKeyInfo.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its subject, for messages.
    #[must_use]
    pub fn name(&self) -> Quoted {
        quoted(&self.subject.to_string())
    }

    /// The holder of certificates with its subject. Two spellings that name one subject (RFC 5280 section 7.1: case, white
    /// space and the type of a text) are one identity; so are two orders of its parts.
    pub(crate) fn identity(&self) -> Identity {
        let spelled = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let mut parts: Vec<String> = self.subject.iter_rdn().map(|part| spelled(&part.to_string())).collect();
        parts.sort_unstable();
        Identity::subject(&sanitize_to(&parts.join(", "), MAX_CERTIFICATE_BYTES))
    }

    /// Its public key with the algorithm of a leaf, if it has one.
    pub(crate) fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_der(&self.key, algorithm::leaf_algorithm(&self.key)?, PssSalt::default()).ok()
    }

    pub(super) fn is_ca(&self) -> bool {
        self.constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it names this as its issuer.
    pub(super) fn is_issued_as(&self, issuer: &Name) -> bool {
        self.issuer == *issuer
    }

    pub(super) fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Whether its key may sign lists of revoked certificates: if it has a key usage, that must say so (RFC 5280 section
    /// 6.3.3 (f)).
    pub(super) fn may_sign_crls(&self) -> bool {
        self.key_usage.as_ref().is_none_or(|(_, usage)| usage.crl_sign())
    }

    /// The names of its holder that are addresses, host names or URIs, in this order: at least one. Each type is sorted, so
    /// that the first does not depend on the order in the certificate.
    pub(crate) fn signer_names(&self) -> Result<Vec<SignerName>, X509Error> {
        let wrong = || X509Error::AlternativeNames { subject: self.name() };
        let names = SubjectAltName::from_der(self.alternative_names.as_deref().ok_or_else(wrong)?);
        let SubjectAltName(names) = names.map_err(|_| wrong())?;
        let read = |name: &GeneralName| match name {
            GeneralName::Rfc822Name(text) => Some(SignerName::new(NameType::Email, text.as_str())),
            GeneralName::DnsName(text) => Some(SignerName::new(NameType::Dns, text.as_str())),
            GeneralName::UniformResourceIdentifier(text) => {
                Some(SignerName::new(NameType::Uri, text.as_str()))
            }
            _ => None,
        };
        let mut names: Vec<SignerName> = names.iter().filter_map(read).collect();
        names.sort();
        let control = |name: &SignerName| name.text.contains(char::is_control);
        let usable = (1..=MAX_ALTERNATIVE_NAMES).contains(&names.len()) && !names.iter().any(control);
        if usable { Ok(names) } else { Err(wrong()) }
    }

    /// Whether it says where it would be told to be revoked.
    pub(super) fn names_revocation(&self) -> bool {
        self.has_responder || self.points.is_some()
    }

    /// Where the lists are that would have it if it were revoked.
    pub(super) fn distribution_points(&self) -> Vec<String> {
        self.points.as_deref().map(points_of).unwrap_or_default()
    }

    /// Whether its name is that of its issuer and its own key signed it.
    pub(super) fn is_self_signed(&self) -> bool {
        self.check_issued_by(self).is_ok()
    }

    /// Whether `other` has the name of its issuer.
    pub(crate) fn names_as_issuer(&self, other: &Self) -> bool {
        self.issuer == other.subject
    }

    /// Checks the name of the issuer and its signature. Whether it is a CA is not checked.
    pub(super) fn check_issued_by(&self, issuer: &Self) -> Result<(), X509Error> {
        let wrong = || X509Error::NotIssuedBy { subject: self.name(), issuer: issuer.name() };
        if !self.names_as_issuer(issuer) {
            return Err(wrong());
        }
        let identifier = &self.signature_algorithm;
        let algorithm = algorithm::signature_algorithm(identifier, None, &issuer.key)
            .ok_or_else(|| X509Error::Algorithm { subject: self.name(), oid: identifier.oid })?;
        issuer.verify(algorithm, &self.signed, &self.signature).map(|_| ()).ok_or_else(wrong)
    }

    /// Verifies a signature over `message` with its key.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<Valid> {
        let key = PublicKey::from_der(&self.key, algorithm, PssSalt::default()).ok()?;
        key.verify(message, signature).ok()
    }

    /// Checks that it is valid from `from` to `until`, both inclusive.
    pub(super) fn check_validity(&self, from: Timestamp, until: Timestamp) -> Result<(), X509Error> {
        let side = if from < self.not_before {
            Outside::Early { from: self.not_before }
        } else if until > self.not_after {
            Outside::Late { until: self.not_after }
        } else {
            return Ok(());
        };
        Err(X509Error::Outside { subject: self.name(), side })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("subject", &self.name()).finish_non_exhaustive()
    }
}

/// The first of the three parts of a certificate or a list of revoked ones, with its header.
pub(super) fn signed_part(der: &[u8]) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(der).ok()?;
    let parts = |inner: &mut SliceReader<'_>| {
        let signed = inner.tlv_bytes()?.to_vec();
        inner.tlv_bytes()?;
        inner.tlv_bytes()?;
        Ok::<_, der::Error>(signed)
    };
    reader.sequence(parts).ok()
}
