//! The document: versions, whom it is for, and files.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::artifact::Kind;
use super::error::DocumentError;
use super::file_path::FilePath;
use super::label::Label;
use super::limits::{MAX_DOCUMENT_BYTES, MAX_FILES, MAX_LABELS, MAX_REFERENCES};
use super::version::Version;
use crate::json::{self as strict_json, Bounds, Keys};
use crate::reference::Reference;
use crate::untrusted::quoted;

const BOUNDS: Bounds = Bounds { depth: 4, values: 4 * MAX_FILES, keys: Keys::Exact };
const FIELDS: [&str; 6] = ["kind", "version", "for", "labels", "expires", "files"];

/// A document. Its content is as the signer wrote it: whether the files are a policy is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    version: Version,
    references: BTreeSet<Reference>,
    labels: BTreeSet<Label>,
    expires: Option<Timestamp>,
    files: BTreeMap<FilePath, Vec<u8>>,
}

/// What a document is made of.
#[derive(Clone, Debug)]
pub struct Content {
    /// The version, higher than that of every document before.
    pub version: Version,
    /// The references under which nodes follow it.
    pub references: BTreeSet<Reference>,
    /// The labels that a node must have.
    pub labels: BTreeSet<Label>,
    /// When nodes should have another.
    pub expires: Option<Timestamp>,
    /// The files.
    pub files: BTreeMap<FilePath, Vec<u8>>,
}

impl Document {
    /// Parses a document of this kind, strictly: what is not known is an error.
    ///
    /// # Errors
    /// In all other cases.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let Value::Object(mut fields) = strict_json::parse(bytes, BOUNDS).map_err(DocumentError::Json)?
        else {
            return Err(DocumentError::NotAnObject);
        };
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(DocumentError::UnknownField(quoted(unknown)));
        }
        check_kind(kind, fields.get("kind"))?;
        let version = fields.get("version").and_then(Value::as_u64).and_then(Version::new);
        let version = version.ok_or(DocumentError::Version)?;
        let references = read_references(&texts(&fields, "for")?.unwrap_or_default())?;
        let labels = read_labels(&texts(&fields, "labels")?.unwrap_or_default())?;
        let expires = match fields.get("expires") {
            None => None,
            Some(Value::String(text)) => Some(text.parse().map_err(|_| DocumentError::Field("expires"))?),
            Some(_) => return Err(DocumentError::Field("expires")),
        };
        let Some(Value::Array(files)) = fields.remove("files") else {
            return Err(DocumentError::Field("files"));
        };
        let files = read_files(files)?;
        Self { version, references, labels, expires, files }.checked(kind)
    }

    /// Writes a document of this kind, as every node reads it.
    ///
    /// # Errors
    /// When no node would accept it.
    pub fn write(kind: Kind, content: Content) -> Result<Vec<u8>, DocumentError> {
        let Content { version, references, labels, expires, files } = content;
        let mut fields = Map::new();
        fields.insert("kind".to_owned(), json!(kind.name()));
        fields.insert("version".to_owned(), json!(version.number()));
        let references: Vec<_> = references.iter().map(ToString::to_string).collect();
        fields.insert("for".to_owned(), json!(references));
        if !labels.is_empty() {
            let labels: Vec<_> = labels.iter().map(Label::as_str).collect();
            fields.insert("labels".to_owned(), json!(labels));
        }
        if let Some(expires) = expires {
            fields.insert("expires".to_owned(), json!(expires.to_string()));
        }
        let files: Vec<_> = files
            .into_iter()
            .map(|(path, bytes)| match String::from_utf8(bytes) {
                Ok(text) => json!({ "path": path.as_str(), "text": text }),
                Err(error) => json!({ "path": path.as_str(), "base64": STANDARD.encode(error.as_bytes()) }),
            })
            .collect();
        fields.insert("files".to_owned(), Value::Array(files));
        let bytes = Value::Object(fields).to_string().into_bytes();
        Self::parse(kind, &bytes)?;
        Ok(bytes)
    }

    fn checked(self, kind: Kind) -> Result<Self, DocumentError> {
        let is_deny_list = || self.files.keys().eq([&FilePath::deny_list()]);
        if kind == Kind::DenyList && !is_deny_list() {
            return Err(DocumentError::NotADenyList);
        }
        Ok(self)
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it is for nodes that follow this reference.
    #[must_use]
    pub fn is_for(&self, reference: &Reference) -> bool {
        let same = |other: &Reference| {
            other.tag() == reference.tag()
                && other.repository().canonical() == reference.repository().canonical()
        };
        reference.tag().is_some() && self.references.iter().any(same)
    }

    /// The labels that a node must have.
    #[must_use]
    pub fn labels(&self) -> &BTreeSet<Label> {
        &self.labels
    }

    /// When nodes should have another.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<FilePath, Vec<u8>> {
        &self.files
    }

    /// The text of a deny list; `None` for a policy, and if it is not text.
    #[must_use]
    pub fn deny_list(&self) -> Option<&str> {
        self.files.get(&FilePath::deny_list()).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

fn check_kind(expected: Kind, found: Option<&Value>) -> Result<(), DocumentError> {
    let found = found.and_then(Value::as_str);
    let found = Kind::ALL.into_iter().find(|kind| Some(kind.name()) == found);
    let found = found.ok_or(DocumentError::Field("kind"))?;
    match found == expected {
        true => Ok(()),
        false => Err(DocumentError::OtherKind { expected: expected.words(), found: found.words() }),
    }
}

/// A list of texts, if there is one.
fn texts<'a>(
    fields: &'a Map<String, Value>,
    key: &'static str,
) -> Result<Option<Vec<&'a str>>, DocumentError> {
    let Some(value) = fields.get(key) else { return Ok(None) };
    let values = value.as_array().ok_or(DocumentError::Field(key))?;
    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    texts.map(Some).ok_or(DocumentError::Field(key))
}

fn read_references(texts: &[&str]) -> Result<BTreeSet<Reference>, DocumentError> {
    if texts.is_empty() || texts.len() > MAX_REFERENCES {
        return Err(DocumentError::References);
    }
    let read = |text: &&str| {
        let wrong = |cause| DocumentError::Reference { found: quoted(text), cause };
        let reference = Reference::parse(text).map_err(|error| wrong(Some(error)))?;
        // Not `latest` for what names no tag, and no other spelling of a name.
        if reference.tag().is_none() || reference.to_string() != **text {
            return Err(wrong(None));
        }
        Ok(reference)
    };
    texts.iter().map(read).collect()
}

fn read_labels(texts: &[&str]) -> Result<BTreeSet<Label>, DocumentError> {
    if texts.len() > MAX_LABELS {
        return Err(DocumentError::Labels);
    }
    texts.iter().map(|text| Label::parse(text).ok_or_else(|| DocumentError::Label(quoted(text)))).collect()
}

fn read_files(values: Vec<Value>) -> Result<BTreeMap<FilePath, Vec<u8>>, DocumentError> {
    if values.is_empty() || values.len() > MAX_FILES {
        return Err(DocumentError::Files);
    }
    let mut files = BTreeMap::new();
    for value in values {
        let (path, bytes) = read_file(value)?;
        if files.contains_key(&path) {
            return Err(DocumentError::SameFile(quoted(path.as_str())));
        }
        files.insert(path, bytes);
    }
    let directories: BTreeSet<&str> = files.keys().flat_map(FilePath::directories).collect();
    if let Some(both) = files.keys().find(|path| directories.contains(path.as_str())) {
        return Err(DocumentError::SameFile(quoted(both.as_str())));
    }
    Ok(files)
}

fn read_file(value: Value) -> Result<(FilePath, Vec<u8>), DocumentError> {
    let Value::Object(mut fields) = value else { return Err(DocumentError::Field("files")) };
    let Some(Value::String(path)) = fields.remove("path") else { return Err(DocumentError::Field("files")) };
    let path = FilePath::parse(&path).ok_or_else(|| DocumentError::Path(quoted(&path)))?;
    let wrong = || DocumentError::Content(quoted(path.as_str()));
    let bytes = match (fields.remove("text"), fields.remove("base64")) {
        (Some(Value::String(text)), None) => text.into_bytes(),
        (None, Some(Value::String(text))) => STANDARD.decode(text).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    match fields.keys().next() {
        Some(unknown) => Err(DocumentError::UnknownField(quoted(unknown))),
        None => Ok((path, bytes)),
    }
}
