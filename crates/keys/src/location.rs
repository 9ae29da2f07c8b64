//! Where a private key is kept, as people write it.

mod file;
mod kms;
mod pkcs11;
mod transit;
mod uri;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use kms::KmsKey;
pub use pkcs11::{Module, TokenKey};
pub use transit::TransitKey;

/// How long the text of a location may be: 4 KiB, as a path.
pub const MAX_LOCATION_BYTES: usize = 4096;

/// Where a private key is kept. It holds no secret, only where one may be.
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

    /// Reads what a person wrote. What begins like a URI of another scheme is not taken for a path.
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
    /// Writes what [`Location::from_str`] reads as the same location.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => file::write(path, f),
            Self::Token(key) => key.fmt(f),
            Self::AlibabaKms(key) => key.fmt(f),
            Self::Transit(key) => key.fmt(f),
        }
    }
}

/// Why a text says no place where a key may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing at all.
    #[error("the place of the key is empty")]
    Empty,
    /// More than [`MAX_LOCATION_BYTES`].
    #[error("the place of the key has {found} bytes, at most {MAX_LOCATION_BYTES} are read")]
    Long {
        /// Its length in bytes.
        found: usize,
    },
    /// A line end, a tabulator or worse.
    #[error("the place of the key has a control character in it")]
    Control,
    /// A URI of a scheme that is not known.
    #[error(
        "no keys are kept in `{scheme}:`; write a path, file:, pkcs11:, alikms:// or vault:// (a file of such a name is \
         written `./{scheme}:…`)"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// A PIN or another secret where everybody can read it.
    #[error(
        "`{attribute}` would put a secret on a command line or into a configuration; write it into a file and name that \
         by `pin-source`"
    )]
    Secret {
        /// What holds it.
        attribute: &'static str,
    },
    /// A part is missing.
    #[error("{scheme} names no {part}; write {form}")]
    Missing {
        /// Which kind of location.
        scheme: &'static str,
        /// What is missing.
        part: &'static str,
        /// What the whole looks like.
        form: &'static str,
    },
    /// Something with no meaning there. Ignoring it could open another key than is meant.
    #[error("{scheme} has no `{name}`; it may have {known}")]
    Unknown {
        /// Which kind of location.
        scheme: &'static str,
        /// What was written.
        name: String,
        /// What is possible.
        known: &'static str,
    },
    /// The same thing twice.
    #[error("duplicate parameter `{name}`")]
    Twice {
        /// What.
        name: String,
    },
    /// A value that cannot be one.
    #[error("`{name}` is not {wanted}")]
    Value {
        /// Whose value.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A percent sign without two hexadecimal digits, or bytes that are no text.
    #[error("a percent escape is not two hexadecimal digits, or not text")]
    Escape,
}

#[cfg(test)]
mod tests;
