//! The OCI artifact of a document. Its manifest follows from the document, so that it needs no parser.

use serde_json::json;

use crate::digest::Digest;

/// The media type of an empty configuration, and its content (OCI image specification 1.1, `manifest.md`).
pub const EMPTY_CONFIG: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A whole policy, with the files that it names.
    Policy,
    /// A deny list alone.
    DenyList,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Policy, Self::DenyList];

    /// The word in the document, in metrics and in the names of files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::DenyList => "deny-list",
        }
    }

    /// The words in messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::DenyList => "deny list",
        }
    }

    /// The media type of the document, and the type of the artifact.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Policy => "application/vnd.pullgate.policy.v1+json",
            Self::DenyList => "application/vnd.pullgate.deny-list.v1+json",
        }
    }
}

/// The bytes of the manifest of a document: always the same for the same document.
#[must_use]
pub fn manifest(kind: Kind, document: &[u8]) -> Vec<u8> {
    let (config_type, config) = EMPTY_CONFIG;
    let descriptor = |media_type: &str, content: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(content).as_str(), "size": content.len() });
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind.media_type(),
        "config": descriptor(config_type, config),
        "layers": [descriptor(kind.media_type(), document)],
    })
    .to_string()
    .into_bytes()
}
