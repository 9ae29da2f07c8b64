//! Converts the policies of other systems to pullgate's format.
//!
//! Nothing becomes wider without a note. A requirement without an equivalent becomes a refusal, and a permission that cannot
//! be written as narrowly is left out; both are noted. With [`Options::widen`] the wider permission is written instead, and
//! noted as such.

mod allowlists;
mod alternatives;
mod binauthz;
mod config_part;
mod containers;
mod cosign;
mod credential_providers;
mod draft;
mod grafeas_keys;
mod kritis;
mod notation;
mod registries_d;
mod security_center;
mod write;

use std::fmt;

pub use binauthz::{BinaryAuthorization, binauthz};
pub use config_part::ConfigPart;
pub use containers::{Files, containers};
pub use cosign::cosign;
pub use credential_providers::credential_providers;
pub use kritis::kritis;
pub use notation::{TrustStores, notation};
pub use registries_d::registries_d;
pub use security_center::{SecurityCenter, security_center};

use draft::Draft;
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::policy::{Pods, ScopeError};
use pullgate_core::trust::openpgp::KeyringError;
use pullgate_core::trust::{Algorithm, KeyError};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;

const BOUNDS: Bounds = Bounds { depth: 32, values: 200_000, keys: Keys::Exact };

/// Settings for what the documents leave open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The algorithm of keys that it fits, where the document does not name one.
    pub algorithm: Option<Algorithm>,
    /// Whether to write a permission more widely when it cannot be written as narrowly as in the original. Otherwise it is
    /// left out.
    pub widen: bool,
}

/// A converted policy, and its differences from the original.
#[derive(Clone, Debug)]
pub struct Imported {
    draft: Draft,
}

impl Imported {
    /// The text of `policy.toml`, with the notes as comments. It is complete: keys are in it as PEM.
    #[must_use]
    pub fn policy(&self) -> String {
        write::policy(&self.draft)
    }

    /// The differences between the policy and the original.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.draft.notes
    }
}

/// A difference between the original and the converted policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The effect of the difference.
    pub effect: Effect,
    /// The part of the original.
    pub subject: String,
    /// The difference, and what to do about it.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.effect, self.subject, self.text)
    }
}

/// The effect of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Refuses something that the original admits.
    Stricter,
    /// May admit something that the original refuses.
    Wider,
    /// No effect on the images of a node.
    None,
}

impl Effect {
    /// Whether the policy decides differently from the original. `pullgate-signer import` then ends with exit code 1.
    #[must_use]
    pub fn differs(self) -> bool {
        match self {
            Self::Stricter | Self::Wider => true,
            Self::None => false,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stricter => "stricter",
            Self::Wider => "wider",
            Self::None => "not imported",
        })
    }
}

/// Why a document was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The document is too long.
    #[error("the document is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLong,
    /// The document is not valid JSON.
    #[error("invalid JSON")]
    Json(#[source] json::JsonError),
    /// The document is not valid YAML.
    #[error("invalid YAML: {0}")]
    Yaml(String),
    /// The document does not have the published shape.
    #[error("{place}: {problem}")]
    Shape {
        /// The place in the document.
        place: String,
        /// The problem.
        problem: String,
    },
    /// Nothing in the documents requires signatures.
    #[error("no {0} found, so every image would be admitted; check that the documents are complete")]
    NothingRequired(String),
    /// The scope is invalid.
    #[error("invalid scope {scope:?}")]
    Scope {
        /// The scope as given.
        scope: String,
        /// The cause.
        #[source]
        error: ScopeError,
    },
    /// A key is invalid.
    #[error("invalid key of {subject}")]
    Key {
        /// The owner of the key.
        subject: String,
        /// The cause.
        #[source]
        error: KeyError,
    },
    /// A keyring is invalid.
    #[error("invalid keyring of {subject}")]
    Keyring {
        /// The owner of the keyring.
        subject: String,
        /// The cause.
        #[source]
        error: KeyringError,
    },
    /// The algorithm of an RSA key is unknown.
    #[error(
        "{subject} has an RSA key, but the document does not name its algorithm; add --algorithm with an RSA algorithm, such as RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256"
    )]
    Algorithm {
        /// The owner of the key.
        subject: String,
    },
    /// The document names keys that it does not contain. The texts are the commands that fetch them.
    #[error("the document names keys in KMS, but does not contain the public keys; for each key, run the command and add the option:{}", list(.0))]
    PublicKeys(Vec<String>),
    /// A file that the document names cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The path in the document.
        path: String,
        /// The cause.
        #[source]
        error: std::io::Error,
    },
}

fn list(commands: &[String]) -> String {
    commands.iter().map(|command| format!("\n  {command}")).collect()
}

fn shape(place: impl Into<String>, problem: impl Into<String>) -> ImportError {
    ImportError::Shape { place: place.into(), problem: problem.into() }
}

/// Checks the name of a Kubernetes namespace. `pods` of a rule has patterns, so a `*` in a name would reach further than in the
/// original.
fn check_namespace(place: &str, name: &str) -> Result<(), ImportError> {
    if name.contains('*') || Pods::new(&[name]).is_err() {
        return Err(shape(place, format!("{name:?} is not a valid name of a Kubernetes namespace")));
    }
    Ok(())
}

/// The documents of a YAML text.
fn yaml(text: &str) -> Result<Vec<serde_json::Value>, ImportError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(ImportError::TooLong);
    }
    let first_line = |error: serde_saphyr::Error| {
        ImportError::Yaml(error.to_string().lines().next().unwrap_or_default().to_owned())
    };
    let values: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).map_err(first_line)?;
    Ok(values.into_iter().filter(|value| !value.is_null()).collect())
}

/// Parses JSON of the shape `T`.
fn read<T: serde::de::DeserializeOwned>(document: &[u8], what: &str) -> Result<T, ImportError> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(ImportError::TooLong);
    }
    let value = json::parse(document, BOUNDS).map_err(ImportError::Json)?;
    serde_json::from_value(value).map_err(|error| shape(what, error.to_string()))
}
