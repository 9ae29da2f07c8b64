//! The location of a private key, as it is written in configuration and on the command line.

mod file;
mod kms;
mod pkcs11;
mod transit;
mod uri;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use kms::KmsKey;
pub use pkcs11::{Module, TokenKey, TokenMake};
pub use transit::TransitKey;

/// Bytes of a location: 4 KiB, as a path.
pub const MAX_LOCATION_BYTES: usize = 4096;

/// The location of a private key. Contains no secret, only the path of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A PEM file: a path, or `file:` with a path (RFC 8089).
    File(PathBuf),
    /// A key in a PKCS#11 token: `pkcs11:token=…;object=…?module-path=…` (RFC 7512).
    Token(TokenKey),
    /// A key of Alibaba Cloud KMS: `alikms://KEY/VERSION?region=…`.
    AlibabaKms(KmsKey),
    /// A key of HashiCorp Vault's or OpenBao's transit engine: `vault://KEY?mount=…`.
    Transit(TransitKey),
}

impl FromStr for Location {
    type Err = LocationError;

    /// Parses a location. A URI of an unknown scheme is not a path.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        if text.len() > MAX_LOCATION_BYTES {
            return Err(LocationError::Long { found: text.len() });
        }
        if text.contains(char::is_control) {
            return Err(LocationError::Control);
        }
        match text.split_once(':') {
            Some(("file", rest)) => file::parse(rest).map(Self::File),
            Some(("pkcs11", rest)) => TokenKey::parse(rest).map(Self::Token),
            Some(("alikms", rest)) => KmsKey::parse(rest).map(Self::AlibabaKms),
            Some(("vault" | "openbao", rest)) => TransitKey::parse(rest).map(Self::Transit),
            Some((scheme, rest)) if rest.starts_with("//") && uri::is_scheme(scheme) => {
                Err(LocationError::Scheme { scheme: scheme.to_owned() })
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for Location {
    /// Writes a text that [`Location::from_str`] reads as the same location.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => file::write(path, f),
            Self::Token(key) => key.fmt(f),
            Self::AlibabaKms(key) => key.fmt(f),
            Self::Transit(key) => key.fmt(f),
        }
    }
}

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// An empty text.
    #[error("the location of the key is empty")]
    Empty,
    /// More than [`MAX_LOCATION_BYTES`].
    #[error("the location of the key has {found} bytes, more than {MAX_LOCATION_BYTES}")]
    Long {
        /// In bytes.
        found: usize,
    },
    /// A line break, a tab or another control character.
    #[error("the location of the key contains a control character")]
    Control,
    /// A URI of an unknown scheme.
    #[error(
        "`{scheme}:` is not a supported kind of location; write a path, file:, pkcs11:, alikms:// or vault:// (for a file of \
         this name, write `./{scheme}:…`)"
    )]
    Scheme { scheme: String },
    /// A PIN or another secret in the location itself.
    #[error(
        "`{attribute}` would put a secret on a command line or into a configuration; write the secret into a file, and name \
         this file in `pin-source`"
    )]
    Secret {
        /// The attribute with the secret.
        attribute: &'static str,
    },
    /// A part is missing.
    #[error("the {scheme} location has no {part}; write {form}")]
    Missing {
        /// The kind of location.
        scheme: &'static str,
        /// The missing part.
        part: &'static str,
        /// The format of the whole location.
        form: &'static str,
    },
    /// An unknown attribute. Ignoring it could open another key.
    #[error("unknown parameter `{name}` in the {scheme} location; known are {known}")]
    Unknown {
        /// The kind of location.
        scheme: &'static str,
        /// The unknown attribute.
        name: String,
        /// The known attributes.
        known: &'static str,
    },
    /// A duplicate attribute.
    #[error("parameter `{name}` occurs more than once in the location of the key")]
    Twice { name: String },
    /// An invalid value.
    #[error("`{name}` is not {wanted}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// The expected value.
        wanted: &'static str,
    },
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error(
        "the location of the key has a percent escape that is not `%` and two hexadecimal digits, or not UTF-8"
    )]
    Escape,
}

#[cfg(test)]
mod tests;
