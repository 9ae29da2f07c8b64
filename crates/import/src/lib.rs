//! Policies of other systems, written down as ours.
//!
//! What has no equivalent is never widened in silence: a demand that cannot be made becomes a refusal, a permission that
//! cannot be given as narrowly is left out, and each is noted. [`Options::widen`] gives the wider permission instead, and
//! that is noted too.

mod alternatives;
mod containers;
mod cosign;
mod draft;
mod kritis;
mod security_center;
mod write;

use std::fmt;

pub use containers::{Files, containers};
pub use cosign::cosign;
pub use kritis::kritis;
pub use security_center::{SecurityCenter, security_center};

use draft::Draft;
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::policy::ScopeError;
use pullgate_core::trust::{Algorithm, KeyError};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;

const BOUNDS: Bounds = Bounds { depth: 32, values: 200_000, keys: Keys::Exact };

/// How to read what the documents leave open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The algorithm of RSA keys, where the document does not say it; for cosign's keys also that of Ed25519 keys.
    pub algorithm: Option<Algorithm>,
    /// Whether a permission that we cannot give as narrowly as the original did is given more widely, and not left out.
    pub widen: bool,
}

/// What was read: a policy, and what the original said that it does not.
#[derive(Clone, Debug)]
pub struct Imported {
    draft: Draft,
}

impl Imported {
    /// The policy as `policy.toml`, with the notes as comments. It is complete: keys stand in it as PEM.
    #[must_use]
    pub fn policy(&self) -> String {
        write::policy(&self.draft)
    }

    /// Where the policy differs from the original.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.draft.notes
    }
}

/// A difference between the original and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What the difference does.
    pub effect: Effect,
    /// What of the original is meant.
    pub subject: String,
    /// What is different, and what to do.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.effect, self.subject, self.text)
    }
}

/// What a difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something that the original admits is refused.
    Stricter,
    /// Something that the original refuses may be admitted.
    Wider,
    /// Nothing that concerns images on a node.
    None,
}

impl Effect {
    /// Whether the policy decides otherwise than the original, which exit code 1 of `pullgate import` tells.
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

/// Why nothing was made of a document.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is too long.
    #[error("the document is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLong,
    /// It is not JSON.
    #[error("the document is not read as JSON")]
    Json(#[source] json::JsonError),
    /// It is not YAML.
    #[error("the document is not read as YAML: {0}")]
    Yaml(String),
    /// It is something else.
    #[error("{place}: {problem}")]
    Shape {
        /// Where in the document.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing in the documents asks for signatures.
    #[error("there is no {0}, so that everything would be admitted; are the documents complete?")]
    NothingRequired(String),
    /// The scope is none.
    #[error("{scope:?} is no scope")]
    Scope {
        /// As it was given.
        scope: String,
        /// What is wrong with it.
        #[source]
        error: ScopeError,
    },
    /// A key cannot be used.
    #[error("the key of {subject} cannot be used")]
    Key {
        /// Whose key.
        subject: String,
        /// Why.
        #[source]
        error: KeyError,
    },
    /// Nothing says by which algorithm an RSA key signs.
    #[error(
        "{subject} has an RSA key, and the document does not say how it signs; say --algorithm RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256"
    )]
    Algorithm {
        /// Whose key.
        subject: String,
    },
    /// The document names keys that it does not hold.
    #[error("the document names keys of a key management service and does not hold them:{}", list(.0))]
    PublicKeys(Vec<String>),
    /// A file that the document names cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Its name as the document writes it.
        path: String,
        /// Why.
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

/// Reads JSON of a shape.
fn read<T: serde::de::DeserializeOwned>(document: &[u8], what: &str) -> Result<T, ImportError> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(ImportError::TooLong);
    }
    let value = json::parse(document, BOUNDS).map_err(ImportError::Json)?;
    serde_json::from_value(value).map_err(|error| shape(what, error.to_string()))
}
