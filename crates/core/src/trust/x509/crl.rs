//! One certificate revocation list (RFC 5280 section 5), with what the rules look at.
//!
//! Only complete lists are read: a delta list says nothing without its base, an indirect one is about the certificates of
//! others, and one for some reasons leaves the others open.

use std::collections::BTreeSet;

use const_oid::AssociatedOid as _;
use const_oid::db::rfc5280 as oid;
use der::asn1::{BitStringRef, GeneralizedTime};
use der::{Decode as _, Reader as _, SliceReader};
use jiff::Timestamp;
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{CrlReason, IssuingDistributionPoint};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm;
use super::certificate::{Certificate, signed_part};
use super::crl_source::CrlSource;
use super::distribution_point::uris;
use super::limits::MAX_CRL_BYTES;
use super::revocation_error::{CrlError, Unknown};
use crate::digest::Digest;
use crate::trust::instant::instant;
use crate::trust::{PssSalt, PublicKey, pem};
use crate::untrusted::{Quoted, quoted};

/// A list that was parsed and not verified.
#[derive(Clone)]
pub struct Crl {
    digest: Digest,
    /// The signed part, as it was encoded.
    signed: Vec<u8>,
    signature: Vec<u8>,
    signature_algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Timestamp,
    scope: Scope,
    /// Sorted by serial number.
    entries: Vec<Entry>,
}

/// The certificates that a list is about, if not all of its issuer.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// The URIs of its distribution point.
    points: Option<Vec<String>>,
    only_users: bool,
    only_cas: bool,
}

/// A certificate that is revoked.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    serial: Vec<u8>,
    pub(super) since: Timestamp,
    reason: CrlReason,
    /// When it became unusable, if the issuer knows better than `since`.
    invalid_since: Option<Timestamp>,
}

impl Entry {
    /// On hold, so that a later list may not have it any more.
    pub(super) fn is_temporary(&self) -> bool {
        self.reason == CrlReason::CertificateHold
    }
}

impl Crl {
    /// Parses a file: one list in DER, or PEM with one or more.
    ///
    /// # Errors
    /// When it is neither, or as [`Crl::parse`].
    pub fn parse_file(file: &[u8]) -> Result<Vec<Self>, CrlError> {
        if file.first() == Some(&0x30) {
            return Ok(vec![Self::parse(file)?]);
        }
        let text = std::str::from_utf8(file).map_err(|_| CrlError::Malformed)?;
        let blocks = pem::read_all(text).map_err(CrlError::Pem)?;
        let parse = |block: pem::Block<'_>| match block.label {
            "X509 CRL" => Self::parse(&block.der),
            _ => Err(CrlError::OtherBlock),
        };
        blocks.into_iter().map(parse).collect()
    }

    /// Parses one list in DER that the issuer of a source signed. It is parsed only then: a list takes many times its size
    /// meanwhile.
    ///
    /// # Errors
    /// When the issuer did not sign it, or as [`Crl::parse`].
    pub fn parse_signed(der: &[u8], source: &CrlSource) -> Result<Self, CrlError> {
        Self::check_signed(der, source.key())?;
        Self::parse(der)
    }

    /// Parses one list in DER.
    ///
    /// # Errors
    /// When it is too large, not a list of version 2 in strict DER, has no next update, is not complete, or has a
    /// critical extension that is not evaluated.
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(CrlError::TooLarge { found: der.len() });
        }
        let parsed = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der);
        let CertificateList { tbs_cert_list: body, signature_algorithm, signature } =
            parsed.map_err(|_| CrlError::Malformed)?;
        if body.signature != signature_algorithm {
            return Err(CrlError::Malformed);
        }
        let name = || quoted(&body.issuer.to_string());
        let next_update = body.next_update.ok_or_else(|| CrlError::NoNextUpdate { issuer: name() })?;
        let scope = scope_of(body.crl_extensions.as_ref(), &name)?;
        let entries = body.revoked_certificates.into_iter().flatten().map(|entry| entry_of(entry, &name));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|one, other| one.serial.cmp(&other.serial));
        Ok(Self {
            digest: Digest::of(der),
            signed: signed_part(der).ok_or(CrlError::Malformed)?,
            signature: signature.as_bytes().ok_or(CrlError::Malformed)?.to_vec(),
            signature_algorithm,
            this_update: instant(body.this_update),
            next_update: instant(next_update),
            scope,
            entries,
            issuer: body.issuer,
        })
    }

    /// Its issuer, for messages.
    #[must_use]
    pub fn issuer(&self) -> Quoted {
        quoted(&self.issuer.to_string())
    }

    /// When it was made.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// The last instant at which it counts.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.signed.len() + self.entries.len() * (size_of::<Entry>() + 24)
    }

    /// Whether it is about `certificate`: by the same issuer, and with the certificate in its scope (RFC 5280 section
    /// 6.3.3 (b)).
    pub(super) fn covers(&self, certificate: &Certificate) -> bool {
        let kind = match certificate.is_ca() {
            true => !self.scope.only_users,
            false => !self.scope.only_cas,
        };
        let at_point = |points: &Vec<String>| {
            certificate.distribution_points().iter().any(|point| points.contains(point))
        };
        kind && certificate.is_issued_as(&self.issuer) && self.scope.points.as_ref().is_none_or(at_point)
    }

    /// Checks that `issuer` may sign lists, and signed this one.
    pub(super) fn check_issuer(&self, issuer: &Certificate) -> Result<(), Unknown> {
        if !issuer.may_sign_crls() {
            return Err(Unknown::NoCrlSigning);
        }
        let signature = (&self.signature_algorithm, self.signature.as_slice());
        if is_signed(&self.signed, signature, issuer.key()) { Ok(()) } else { Err(Unknown::OtherSigner) }
    }

    /// Checks that the holder of a key signed a list that is not parsed yet.
    fn check_signed(der: &[u8], key: &[u8]) -> Result<(), CrlError> {
        let (signed, algorithm, signature) = signed_parts(der).map_err(|_| CrlError::Malformed)?;
        let signature = (&algorithm, signature.raw_bytes());
        if is_signed(signed, signature, key) { Ok(()) } else { Err(CrlError::OtherSigner) }
    }

    /// The entry by which the certificate with this serial number was revoked when it signed, at `signed` if that is
    /// known. As notation-core-go `revocation/internal/crl/crl.go` `checkRevocation`: what was signed before the
    /// certificate became unusable counts, and so does a certificate that is no longer on hold.
    pub(super) fn revokes(&self, serial: &[u8], signed: Option<Timestamp>) -> Option<&Entry> {
        let begin = self.entries.partition_point(|entry| entry.serial.as_slice() < serial);
        let own = self.entries.iter().skip(begin).take_while(|entry| entry.serial == serial);
        let mut temporary: Option<&Entry> = None;
        for entry in own {
            if signed.zip(entry.invalid_since).is_some_and(|(signed, invalid)| signed < invalid) {
                return None;
            }
            match entry.reason {
                CrlReason::CertificateHold | CrlReason::RemoveFromCRL => {
                    if temporary.is_none_or(|other| other.since < entry.since) {
                        temporary = Some(entry);
                    }
                }
                _ => return Some(entry),
            }
        }
        temporary.filter(|entry| entry.is_temporary())
    }
}

impl std::fmt::Debug for Crl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.entries.len();
        f.debug_struct("Crl")
            .field("issuer", &self.issuer())
            .field("entries", &entries)
            .finish_non_exhaustive()
    }
}

fn is_signed(signed: &[u8], (algorithm, signature): (&AlgorithmIdentifierOwned, &[u8]), key: &[u8]) -> bool {
    let algorithm = algorithm::signature_algorithm(algorithm, None, key);
    let key = algorithm.and_then(|algorithm| PublicKey::from_der(key, algorithm, PssSalt::default()).ok());
    key.is_some_and(|key| key.verify(signed, signature).is_ok())
}

/// The signed part with its header, the algorithm, and the signature.
fn signed_parts(der: &[u8]) -> der::Result<(&[u8], AlgorithmIdentifierOwned, BitStringRef<'_>)> {
    SliceReader::new(der)?.sequence(|inner| {
        let parts = (inner.tlv_bytes()?, inner.decode()?, inner.decode()?);
        Ok::<_, der::Error>(parts)
    })
}

fn scope_of(extensions: Option<&Extensions>, issuer: &dyn Fn() -> Quoted) -> Result<Scope, CrlError> {
    let (mut scope, mut seen) = (Scope::default(), BTreeSet::new());
    for extension in extensions.into_iter().flatten() {
        let oid = extension.extn_id;
        if !seen.insert(oid) {
            return Err(CrlError::Malformed);
        }
        match oid {
            oid::ID_CE_DELTA_CRL_INDICATOR => return Err(CrlError::Delta { issuer: issuer() }),
            oid::ID_CE_ISSUING_DISTRIBUTION_POINT => {
                let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes())
                    .map_err(|_| CrlError::Malformed)?;
                if point.indirect_crl {
                    return Err(CrlError::Indirect { issuer: issuer() });
                }
                if point.only_some_reasons.is_some() || point.only_contains_attribute_certs {
                    return Err(CrlError::Partial { issuer: issuer() });
                }
                scope = Scope {
                    points: point.distribution_point.as_ref().map(uris),
                    only_users: point.only_contains_user_certs,
                    only_cas: point.only_contains_ca_certs,
                };
            }
            oid if extension.critical => return Err(CrlError::CriticalExtension { issuer: issuer(), oid }),
            _ => {}
        }
    }
    Ok(scope)
}

fn entry_of(entry: RevokedCert, issuer: &dyn Fn() -> Quoted) -> Result<Entry, CrlError> {
    let mut read = Entry {
        serial: entry.serial_number.as_bytes().to_vec(),
        since: instant(entry.revocation_date),
        reason: CrlReason::Unspecified,
        invalid_since: None,
    };
    for extension in entry.crl_entry_extensions.into_iter().flatten() {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            CrlReason::OID => read.reason = CrlReason::from_der(value).map_err(|_| CrlError::Malformed)?,
            oid::ID_CE_INVALIDITY_DATE => {
                let date = GeneralizedTime::from_der(value).map_err(|_| CrlError::Malformed)?;
                read.invalid_since = Some(instant(date.into()));
            }
            oid::ID_CE_CERTIFICATE_ISSUER => return Err(CrlError::Indirect { issuer: issuer() }),
            oid if extension.critical => return Err(CrlError::CriticalExtension { issuer: issuer(), oid }),
            _ => {}
        }
    }
    Ok(read)
}
