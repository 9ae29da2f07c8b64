//! Who signed.

use std::fmt;

use super::openpgp::Fingerprint;

/// Who made a signature. A quorum counts distinct identities, whichever authenticators recognise them: so an identity
/// has exactly one text, whatever spelling a policy or a signature has for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    is_key: bool,
    text: String,
}

impl Identity {
    /// The holder of the key with this fingerprint.
    pub fn key(fingerprint: &str) -> Self {
        Self { is_key: true, text: fingerprint.to_owned() }
    }

    /// The holder of a certificate with this subject, whom `issuer` knows. The issuer has no white space.
    pub fn certificate(subject: &str, issuer: &str) -> Self {
        Self { is_key: false, text: format!("{subject} by {issuer}") }
    }

    /// The holder of certificates with this subject, of any issuer and with any key.
    pub fn subject(name: &str) -> Self {
        Self { is_key: false, text: format!("x509.subject: {name}") }
    }

    /// The holder of the OpenPGP key with this fingerprint, which is that of the primary key.
    pub fn openpgp(fingerprint: &Fingerprint) -> Self {
        Self { is_key: true, text: format!("openpgp4fpr:{fingerprint}") }
    }

    /// The holder of certificates of a private PKI with this name.
    pub fn name(kind: &str, text: &str) -> Self {
        Self { is_key: false, text: format!("{kind}:{text}") }
    }

    /// Whether it is the holder of a key.
    pub fn is_key(&self) -> bool {
        self.is_key
    }

    /// Its one text. Identities of different kinds have different texts.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The identities whose signatures count for an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identities<'a> {
    /// These.
    Named(Vec<&'a str>),
    /// Any number of them: they are given by a pattern.
    Any,
}
