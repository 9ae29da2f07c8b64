//! Who signed.

use std::fmt;

/// Who made a signature. A quorum counts distinct identities, whichever authenticators recognise them: so an identity
/// has exactly one text, whatever spelling a policy or a signature has for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    noun: &'static str,
    text: String,
}

impl Identity {
    /// The holder of the key with this fingerprint.
    pub fn key(fingerprint: &str) -> Self {
        Self { noun: "key", text: fingerprint.to_owned() }
    }

    /// What kind of identity it is, for messages.
    pub fn noun(&self) -> &'static str {
        self.noun
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
