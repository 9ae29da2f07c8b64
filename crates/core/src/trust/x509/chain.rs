//! A chain of certificates, leaf first, whose issuance and usage were checked.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280 as oid;
use jiff::Timestamp;

use super::algorithm::leaf_algorithm;
use super::certificate::Certificate;
use super::error::X509Error;
use super::limits::MAX_CHAIN;

/// What the leaf of a chain must be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing artifacts.
    CodeSigning,
    /// Signing timestamps (RFC 3161 section 2.3).
    Timestamping,
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
        check_leaf(&chain.leaf, purpose)?;
        for (below, issuer) in chain.issuers.iter().enumerate() {
            check_ca(issuer, below, purpose)?;
        }
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
    let wrong = |wanted| Err(X509Error::KeyUsage { subject: ca.name(), wanted });
    match &ca.key_usage {
        None => wrong("it has none"),
        Some((false, _)) if purpose == Purpose::CodeSigning => wrong("it must be critical"),
        Some((_, usage)) if !usage.key_cert_sign() => wrong("it must have certificate signing"),
        Some(_) => Ok(()),
    }
}
