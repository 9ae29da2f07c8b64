//! Why a document is not accepted. The messages contain no text of it that is not escaped.

use crate::json::JsonError;
use crate::reference::{Reference, ReferenceError};
use crate::signature::SignatureError;
use crate::untrusted::Quoted;

use super::limits::{MAX_DOCUMENT_BYTES, MAX_FILES, MAX_LABELS, MAX_REFERENCES};
use super::version::Version;

/// Why bytes are not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum DocumentError {
    #[error("document is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("document cannot be parsed: {0}")]
    Json(JsonError),
    #[error("document is not a JSON object")]
    NotAnObject,
    #[error("document has an unknown field {0}")]
    UnknownField(Quoted),
    #[error("document has no valid `{0}`")]
    Field(&'static str),
    #[error("document is a {found}, not a {expected}")]
    OtherKind { expected: &'static str, found: &'static str },
    #[error("`version` of the document is not a number from 1 to {}", Version::MAX)]
    Version,
    #[error("document names more than {MAX_REFERENCES} references in `for`, or none")]
    References,
    #[error("{found} in `for` is not a reference with a tag")]
    Reference {
        found: Quoted,
        #[source]
        cause: Option<ReferenceError>,
    },
    #[error("document has more than {MAX_LABELS} labels")]
    Labels,
    #[error("{0} is not a label such as pool=edge")]
    Label(Quoted),
    #[error("document has more than {MAX_FILES} files, or none")]
    Files,
    #[error("{0} is not a plain relative path")]
    Path(Quoted),
    #[error("document has two files {0}, or a file and a directory of this name")]
    SameFile(Quoted),
    #[error("content of the file {0} is neither text nor base64")]
    Content(Quoted),
    #[error("a deny list has exactly one file, `deny.toml`")]
    NotADenyList,
}

/// Why a node does not accept what it found under the reference that it follows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum FollowError {
    #[error("its manifest is not that of its document")]
    Manifest,
    #[error("it has no signature in a Sigstore bundle")]
    Unsigned,
    #[error("it has {found} signatures, none of them by the signer in [follow]")]
    Untrusted {
        found: usize,
        #[source]
        last: Box<SignatureError>,
    },
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("it is for other references than {expected}")]
    OtherReference { expected: Reference },
    #[error("version {version} is for nodes with other labels")]
    OtherLabels { version: Version },
    #[error("its version {offered} is lower than {highest}, which was seen before")]
    Rollback { offered: Version, highest: Version },
    #[error("its version {version} was seen before with another content")]
    Conflict { version: Version },
}
