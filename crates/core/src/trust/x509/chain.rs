//! A chain of certificates, leaf first, whose issuance and usage were checked.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280 as oid;
use jiff::Timestamp;

use super::algorithm::leaf_algorithm;
use super::certificate::Certificate;
use super::error::X509Error;
use super::limits::MAX_CHAIN;
use crate::digest::Digest;

/// What the leaf of a chain must be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing artifacts.
    CodeSigning,
    /// Signing timestamps (RFC 3161 section 2.3).
    Timestamping,
    /// Signing artifacts, with a certificate of a PKI that need not keep the rules of the Notary Project: those of RFC 5280, and
    /// a leaf that is for some usages must be for code signing (containers/image `signature/pki_cert.go`).
    Signing,
}

/// A chain from a leaf to a self-signed root, each certificate issued by the next one, with the required usages. Neither
/// trust nor validity at a time is part of it.
#[derive(Clone, Debug)]
pub struct Chain {
    leaf: Certificate,
    /// From the issuer of the leaf to the root; empty when the leaf is self-signed.
    issuers: Vec<Certificate>,
}

impl Chain {
    /// Checks `certificates`, leaf first. All of a chain must be there, also the root; nothing may be left over.
    ///
    /// # Errors
    /// When the chain is empty or too long, does not end with a self-signed certificate, or breaks a rule.
    pub fn check(certificates: Vec<Certificate>, purpose: Purpose) -> Result<Self, X509Error> {
        if certificates.len() > MAX_CHAIN {
            return Err(X509Error::LongChain { found: certificates.len() });
        }
        let mut rest = certificates.into_iter();
        let leaf = rest.next().ok_or(X509Error::EmptyChain)?;
        let chain = Self { leaf, issuers: rest.collect() };
        chain.check_usages(purpose)?;
        let mut certificates = chain.certificates();
        let mut current = &chain.leaf;
        certificates.next();
        for issuer in certificates {
            // By name only: the holder of the key of a self-issued certificate can also make it self-signed.
            if current.is_self_issued() && current.is_self_signed() {
                return Err(X509Error::SelfSignedInside { subject: current.name() });
            }
            current.check_issued_by(issuer)?;
            current = issuer;
        }
        if !current.is_self_signed() {
            return Err(X509Error::NoRoot { subject: current.name() });
        }
        Ok(chain)
    }

    /// The chain from `leaf` up to the first certificate that is one of the `anchors`. Each issuer is an anchor or one of the
    /// `others`, found by its name and key, whatever their order. `None` if there is no such chain.
    ///
    /// # Errors
    /// When a certificate must not be used for its part.
    pub(crate) fn find(
        leaf: Certificate,
        others: &[Certificate],
        anchors: &[Certificate],
        purpose: Purpose,
    ) -> Result<Option<Self>, X509Error> {
        let mut chain = Self { leaf, issuers: Vec::new() };
        loop {
            let current = chain.issuers.last().unwrap_or(&chain.leaf);
            // A leaf is an anchor only if it is its own root.
            let is_anchor = anchors.contains(current);
            if is_anchor && (!chain.issuers.is_empty() || current.is_self_signed()) {
                break;
            }
            if current.is_self_issued() || chain.issuers.len() + 1 >= MAX_CHAIN {
                return Ok(None);
            }
            let mut known = anchors.iter().chain(others);
            let issuer = known.find(|other| current.check_issued_by(other).is_ok()).cloned();
            let Some(issuer) = issuer else { return Ok(None) };
            chain.issuers.push(issuer);
        }
        chain.check_usages(purpose)?;
        Ok(Some(chain))
    }

    fn check_usages(&self, purpose: Purpose) -> Result<(), X509Error> {
        check_leaf(&self.leaf, purpose)?;
        let mut issuers = self.issuers.iter().enumerate();
        issuers.try_for_each(|(below, issuer)| check_ca(issuer, below, purpose))
    }

    /// The certificate whose key signs.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// All certificates, leaf first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.issuers)
    }

    /// The certificates that may be an anchor: a leaf only if it is all of the chain.
    pub fn possible_anchors(&self) -> impl Iterator<Item = &Certificate> {
        let skipped = usize::from(!self.issuers.is_empty());
        self.certificates().skip(skipped)
    }

    /// The first certificate whose key is one of these, by fingerprint, and what is said about it.
    pub(super) fn denied<'a>(
        &'a self,
        keys: &'a BTreeMap<String, String>,
    ) -> Option<(&'a Certificate, &'a str)> {
        self.certificates().find_map(|certificate| {
            let own = Digest::of(certificate.key()).to_string();
            let others = certificate.public_key();
            let others = others.iter().flat_map(|key| key.all_fingerprints().map(str::to_owned));
            let reason = others.chain([own]).find_map(|fingerprint| keys.get(&fingerprint))?;
            Some((certificate, reason.as_str()))
        })
    }

    /// The last instant at which all certificates are valid.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        let of_issuers = self.issuers.iter().map(|issuer| issuer.not_after);
        of_issuers.fold(self.leaf.not_after, Timestamp::min)
    }

    /// Checks that every certificate is valid from `from` to `until`, both inclusive: at least the time of a signature,
    /// and its error.
    ///
    /// # Errors
    /// [`X509Error::Outside`] for the first that is not.
    pub fn check_validity(&self, from: Timestamp, until: Timestamp) -> Result<(), X509Error> {
        self.certificates().try_for_each(|certificate| certificate.check_validity(from, until))
    }
}

fn check_leaf(leaf: &Certificate, purpose: Purpose) -> Result<(), X509Error> {
    let subject = || leaf.name();
    if leaf.is_ca() {
        return Err(X509Error::CaLeaf { subject: subject() });
    }
    let wrong = |wanted| Err(X509Error::KeyUsage { subject: subject(), wanted });
    if purpose == Purpose::Signing {
        // Without the extension, all usages are allowed (RFC 5280 section 4.2.1.3).
        return match &leaf.key_usage {
            Some((_, usage)) if !usage.digital_signature() => wrong("it must have digital signature"),
            _ => check_extended_usage(leaf, purpose),
        };
    }
    let Some((critical, usage)) = &leaf.key_usage else { return wrong("it has none") };
    if purpose == Purpose::CodeSigning && !critical {
        return wrong("it must be critical");
    }
    let others = usage.key_encipherment()
        || usage.data_encipherment()
        || usage.key_agreement()
        || usage.key_cert_sign()
        || usage.crl_sign();
    if !usage.digital_signature() || others {
        return wrong("it must be digital signature only");
    }
    check_extended_usage(leaf, purpose)?;
    if leaf_algorithm(leaf.key()).is_none() && purpose == Purpose::CodeSigning {
        let wanted = "RSA with 2048, 3072 or 4096 bits, P-256, P-384 or P-521";
        return Err(X509Error::Key { subject: subject(), wanted });
    }
    Ok(())
}

/// Usages that a leaf for code signing must not have.
const OTHER_PURPOSES: [ObjectIdentifier; 6] = [
    oid::ANY_EXTENDED_KEY_USAGE,
    oid::ID_KP_SERVER_AUTH,
    oid::ID_KP_CLIENT_AUTH,
    oid::ID_KP_EMAIL_PROTECTION,
    oid::ID_KP_TIME_STAMPING,
    oid::ID_KP_OCSP_SIGNING,
];

fn check_extended_usage(leaf: &Certificate, purpose: Purpose) -> Result<(), X509Error> {
    let wrong = |wanted| Err(X509Error::ExtendedKeyUsage { subject: leaf.name(), wanted });
    match (purpose, &leaf.extended_key_usage) {
        (Purpose::CodeSigning, None) => Ok(()),
        (Purpose::CodeSigning, Some((_, usages))) => {
            if usages.iter().any(|usage| OTHER_PURPOSES.contains(usage)) {
                return wrong("it must not be for TLS, e-mail, timestamps, OCSP or anything");
            }
            Ok(())
        }
        // RFC 3161 section 2.3: only this usage, and critical.
        (Purpose::Timestamping, Some((true, usages))) if *usages == [oid::ID_KP_TIME_STAMPING] => Ok(()),
        (Purpose::Timestamping, _) => wrong("it must be time stamping only, and critical"),
        (Purpose::Signing, Some((_, usages))) if !usages.contains(&oid::ID_KP_CODE_SIGNING) => {
            wrong("it must be for code signing")
        }
        (Purpose::Signing, _) => Ok(()),
    }
}

/// Checks a CA that has `below` certificates of other CAs between itself and the leaf.
fn check_ca(ca: &Certificate, below: usize, purpose: Purpose) -> Result<(), X509Error> {
    if !ca.is_ca() {
        return Err(X509Error::NotCa { subject: ca.name() });
    }
    let limit = ca.constraints.as_ref().and_then(|constraints| constraints.path_len_constraint);
    if limit.is_some_and(|limit| usize::from(limit) < below) {
        return Err(X509Error::PathLength { subject: ca.name(), below });
    }
    check_limits(ca, purpose)?;
    let wrong = |wanted| Err(X509Error::KeyUsage { subject: ca.name(), wanted });
    match &ca.key_usage {
        None if purpose == Purpose::Signing => Ok(()),
        None => wrong("it has none"),
        Some((false, _)) if purpose == Purpose::CodeSigning => wrong("it must be critical"),
        Some((_, usage)) if !usage.key_cert_sign() => wrong("it must have certificate signing"),
        Some(_) => Ok(()),
    }
}

/// A CA may be limited to other purposes, as Go's `crypto/x509` has it, or to names, which are not evaluated here.
/// tspclient-go asks Go for chains that are for timestamps; notation's chains of signers are not limited so.
fn check_limits(ca: &Certificate, purpose: Purpose) -> Result<(), X509Error> {
    let (purpose, wanted) = match purpose {
        Purpose::CodeSigning => return Ok(()),
        Purpose::Signing => (oid::ID_KP_CODE_SIGNING, "its CA is not for code signing"),
        Purpose::Timestamping => (oid::ID_KP_TIME_STAMPING, "its CA is not for time stamping"),
    };
    let purposes = [oid::ANY_EXTENDED_KEY_USAGE, purpose];
    let limited =
        |(_, usages): &(bool, Vec<ObjectIdentifier>)| !usages.iter().any(|usage| purposes.contains(usage));
    if ca.extended_key_usage.as_ref().is_some_and(limited) {
        return Err(X509Error::ExtendedKeyUsage { subject: ca.name(), wanted });
    }
    if ca.limits_names { Err(X509Error::NameConstraints { subject: ca.name() }) } else { Ok(()) }
}
