//! GPG authenticators: the OpenPGP keys whose signatures count.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::openpgp::{Certificate, Fingerprint, KeyringError, Message, OpenPgpError, merge};
use super::{Identities, Identity, PublicKey, SignerSet, TrustKind};

/// The signers of a GPG authenticator. A signer is a primary key: whichever of its sub-keys signs, it is one.
#[derive(Clone, Debug)]
pub struct GpgSet {
    certificates: Vec<Certificate>,
    /// The primary keys that count, if not all.
    accepted: Vec<Fingerprint>,
    /// The text of each identity that counts.
    identities: Vec<String>,
    /// Denied keys, each with the reason.
    denied: BTreeMap<String, String>,
}

/// What a message signs, after everything about its signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedData {
    /// The signed bytes.
    pub data: Vec<u8>,
    /// The primary key of the signer.
    pub identity: Identity,
    /// The fingerprints of that key and of the sub-key that signed, as SHA-256 of their SubjectPublicKeyInfo.
    pub keys: Vec<String>,
    /// The first instant at which the signature is not valid any more, if it has one.
    pub expires: Option<Timestamp>,
}

impl GpgSet {
    /// The keys of several keyrings, or of them only those with the fingerprints in `accepted` if there are any.
    ///
    /// # Errors
    /// When there are too many keys, or none has an accepted fingerprint.
    pub fn new(keyrings: Vec<Vec<Certificate>>, accepted: Vec<Fingerprint>) -> Result<Self, KeyringError> {
        let mut certificates: Vec<Certificate> = Vec::new();
        for keyring in keyrings {
            merge(&mut certificates, keyring)?;
        }
        if certificates.is_empty() {
            return Err(KeyringError::Empty);
        }
        for key in &accepted {
            if certificates.iter().any(|certificate| certificate.fingerprint() == key) {
                continue;
            }
            return Err(match certificates.iter().find(|certificate| certificate.has_subkey(key)) {
                Some(above) => KeyringError::SubKeyFingerprint { subkey: *key, key: *above.fingerprint() },
                None => KeyringError::UnknownFingerprint { key: *key },
            });
        }
        let mut set = Self { certificates, accepted, identities: Vec::new(), denied: BTreeMap::new() };
        set.identities =
            set.counting().map(|it| Identity::openpgp(it.fingerprint()).as_str().to_owned()).collect();
        Ok(set)
    }

    /// The keys that count.
    pub fn counting(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter().filter(|certificate| self.accepts(certificate))
    }

    /// Whether one of its keys may sign at `now`.
    pub fn may_sign(&self, now: Timestamp) -> bool {
        self.counting().any(|certificate| certificate.may_sign(now))
    }

    /// Opens a signed message: verifies its signature, and that its key counts at `now`.
    ///
    /// # Errors
    /// In all other cases.
    pub fn open(&self, document: &[u8], now: Timestamp) -> Result<SignedData, OpenPgpError> {
        self.accept(Message::open(document)?, now)
    }

    /// As [`GpgSet::open`], of a detached signature over `data`.
    ///
    /// # Errors
    /// As [`GpgSet::open`].
    pub fn open_detached(
        &self,
        signature: &[u8],
        data: &[u8],
        now: Timestamp,
    ) -> Result<SignedData, OpenPgpError> {
        self.accept(Message::detached(signature, data.to_vec())?, now)
    }

    fn accept(&self, message: Message, now: Timestamp) -> Result<SignedData, OpenPgpError> {
        let (signature, data, seconds) = (message.signature(), message.data(), now.as_second());
        let issuer = message.issuer().ok_or(OpenPgpError::NoIssuer)?;
        let mut candidates = self.certificates.iter().filter(|it| it.may_have_made(signature)).peekable();
        if candidates.peek().is_none() {
            return Err(OpenPgpError::UnknownKey { issuer });
        }
        let signer = candidates.find_map(|it| it.signer_of(signature, data).map(|key| (it, key)));
        let (certificate, key) = signer.ok_or(OpenPgpError::Untrusted { issuer })?;
        if !self.accepts(certificate) {
            return Err(OpenPgpError::NotAccepted { key: *certificate.fingerprint() });
        }
        if let Some(why) = self.denial(certificate, &key) {
            return Err(OpenPgpError::Denied { key, why: why.to_owned() });
        }
        certificate.check(&key, message.made(), seconds)?;
        let made = super::openpgp::instant(message.made().into());
        if made > now {
            return Err(OpenPgpError::Future { at: made });
        }
        let expires = message.end().map(super::openpgp::instant);
        if let Some(at) = expires.filter(|at| now >= *at) {
            return Err(OpenPgpError::Expired { at });
        }
        let identity = Identity::openpgp(certificate.fingerprint());
        let keys = certificate.digests_of(key);
        Ok(SignedData { data: message.into_data(), identity, keys, expires })
    }

    /// The names by which a deny list can have its keys.
    pub fn deniable(&self) -> impl Iterator<Item = String> {
        self.certificates.iter().flat_map(Certificate::deniable)
    }

    fn accepts(&self, certificate: &Certificate) -> bool {
        self.accepted.is_empty() || self.accepted.contains(certificate.fingerprint())
    }

    /// Why a key of a certificate, or its primary key, is denied.
    fn denial(&self, certificate: &Certificate, key: &Fingerprint) -> Option<&str> {
        certificate.names_of(*key).find_map(|text| self.denied.get(&text)).map(String::as_str)
    }
}

impl SignerSet for GpgSet {
    fn kind(&self) -> &'static str {
        "gpg"
    }

    fn identities(&self) -> Identities<'_> {
        Identities::Named(self.identities.iter().map(String::as_str).collect())
    }

    /// Whatever begins or ends: another self-signature may say that a key is valid no longer.
    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        let all = self.counting().flat_map(Certificate::boundaries).map(super::openpgp::instant);
        all.filter(|at| *at > after).min()
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        let second = SignedDuration::from_secs(1);
        let last = |certificate: &Certificate| {
            let all = certificate.boundaries().map(super::openpgp::instant);
            let ends = all.filter(|at| {
                let before = at.checked_sub(second).unwrap_or(Timestamp::MIN);
                certificate.may_sign(before) && !certificate.may_sign(*at)
            });
            ends.max()
        };
        self.counting().filter_map(last).map(|end| (TrustKind::Key, end)).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        self.counting().flat_map(Certificate::entries).collect()
    }

    /// See [`SignerSet::deny`]: the keys are no [`PublicKey`]s with one algorithm.
    fn revoke(&mut self, _: &dyn Fn(&PublicKey) -> Option<String>) {}

    fn deny(&mut self, keys: &BTreeMap<String, String>) {
        self.denied.clone_from(keys);
    }
}
