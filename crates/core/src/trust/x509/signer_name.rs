//! The name of a signer in a certificate that is not a distinguished name.

use std::fmt;

use crate::trust::Identity;

/// The types of names that a certificate has of its holder (RFC 5280 section 4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameType {
    /// An e-mail address.
    Email,
    /// A host name.
    Dns,
    /// A URI.
    Uri,
}

impl NameType {
    /// All, with the words in a policy.
    pub const ALL: [(&'static str, Self); 3] =
        [("email", Self::Email), ("dns", Self::Dns), ("uri", Self::Uri)];

    /// The word in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Dns => "dns",
            Self::Uri => "uri",
        }
    }
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignerName {
    /// Its type.
    pub kind: NameType,
    /// Host names are in lower case.
    pub text: String,
}

impl SignerName {
    /// A name as a certificate has it.
    pub(in crate::trust) fn new(kind: NameType, text: &str) -> Self {
        let text = if kind == NameType::Dns { text.to_ascii_lowercase() } else { text.to_owned() };
        Self { kind, text }
    }

    /// The identity of its holder. Spellings that differ by case are one, so that nobody counts twice.
    pub fn identity(&self) -> Identity {
        Identity::name(self.kind.name(), &self.text.to_lowercase())
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.text)
    }
}
