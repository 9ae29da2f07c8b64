//! Manifests and indexes: the kind of a document, and the parts of it that are used.
//!
//! Sources: the OCI image specification 1.1 (`manifest.md`, `image-index.md`, `descriptor.md`) and Docker's image manifest
//! V 2, schema 2. An ambiguous document is refused (CVE-2021-41190, GHSA-qq97-vm5h-rrhg).

use std::collections::BTreeMap;

use bytes::Bytes;
use pullgate_net::offload;
use serde_json::{Map, Value};

use super::error::RegistryError;
use super::platform::Platform;
use pullgate_core::digest::Digest;
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::untrusted::excerpt;

/// Image documents need six levels. Keys are compared as in containerd, which reads the same bytes.
const BOUNDS: Bounds = Bounds { depth: 24, values: 1 << 17, keys: Keys::AsGo };

/// The media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const SCHEMA_ONE: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// What a manifest or an index refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRefs {
    /// The digest of a manifest's configuration, which is the image id of runtimes.
    Image(Digest),
    /// The manifests of an index.
    Index(Vec<IndexEntry>),
}

/// A manifest in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub media_type: String,
}

impl IndexEntry {
    /// Whether its media type is that of an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

/// What the document `bytes` of type `media_type` refers to, checked as strictly as a registry's response. The caller must
/// verify the digest of the bytes first.
///
/// # Errors
/// When the kind of the document is ambiguous or not supported.
pub fn parse_refs(bytes: &[u8], media_type: &str) -> Result<ImageRefs, RegistryError> {
    let document = ParsedManifest::parse(bytes, Some(media_type), "document")?;
    document.reject_nested("document")?;
    Ok(match document.content {
        ManifestKind::Manifest(manifest) => ImageRefs::Image(manifest.config.digest),
        ManifestKind::Index(manifests) => {
            let listed = manifests.into_iter().map(|descriptor| IndexEntry {
                digest: descriptor.digest,
                size: descriptor.size,
                media_type: descriptor.media_type,
            });
            ImageRefs::Index(listed.collect())
        }
    })
}

/// As [`parse_refs`], with a large document on a thread of its own.
///
/// # Errors
/// As [`parse_refs`].
pub async fn read_refs(bytes: &Bytes, media_type: &str) -> Result<ImageRefs, RegistryError> {
    let (document, media_type) = (bytes.clone(), media_type.to_owned());
    let parse = move || parse_refs(&document, &media_type);
    offload::document(bytes.len(), parse).await.unwrap_or(Err(RegistryError::Lost))
}

/// What `pick` takes from the document `body`, which is parsed on a thread of its own if it is large. Only what is picked
/// stays in memory.
pub(super) async fn parsed<T: Send + 'static>(
    body: &Bytes,
    media_type: Option<&str>,
    what: &str,
    pick: impl FnOnce(ParsedManifest) -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let (document, media_type, what) = (body.clone(), media_type.map(str::to_owned), what.to_owned());
    let parse = move || ParsedManifest::parse(&document, media_type.as_deref(), &what).map(pick);
    offload::document(body.len(), parse).await.unwrap_or(Err(RegistryError::Lost))
}

/// Fields that Go would read in another case, too, and we would not.
const TOP_FIELDS: [&str; 11] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "subject",
    "artifactType",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
];
const DESCRIPTOR_FIELDS: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "data", "annotations", "platform", "artifactType"];

const PLATFORM_FIELDS: [&str; 5] = ["os", "architecture", "variant", "os.version", "os.features"];

/// A document of one unambiguous kind.
#[derive(Debug)]
pub(super) struct ParsedManifest {
    pub(super) media_type: String,
    pub(super) content: ManifestKind,
}

#[derive(Debug)]
pub(super) enum ManifestKind {
    Manifest(Box<Manifest>),
    Index(Vec<Descriptor>),
}

/// The manifest of an image or an artifact.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    pub(super) subject: Option<Descriptor>,
    /// What kind of artifact it is, if it says so and not by the type of its config.
    pub(super) artifact_type: Option<String>,
}

/// A descriptor. `urls` and `data` are never used: content is fetched from the registry of the image.
#[derive(Debug, Clone)]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) platform: Option<Platform>,
}

impl ParsedManifest {
    /// Parses a document with the header Content-Type `header`. `what` names it in errors.
    pub(super) fn parse(bytes: &[u8], header: Option<&str>, what: &str) -> Result<Self, RegistryError> {
        let malformed =
            |reason: &str| RegistryError::Malformed { what: what.to_owned(), reason: reason.to_owned() };
        let value = json::parse(bytes, BOUNDS).map_err(|error| malformed(&error.to_string()))?;
        let Value::Object(fields) = value else { return Err(malformed("it is not an object")) };
        exact_spelling(&fields, &TOP_FIELDS).map_err(|reason| malformed(&reason))?;
        let body = match fields.get("mediaType") {
            None => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => return Err(malformed("its mediaType is not a string")),
        };
        let version = fields.get("schemaVersion").and_then(Value::as_u64);
        if version == Some(1) || [header, body].into_iter().flatten().any(|found| SCHEMA_ONE.contains(&found))
        {
            return Err(RegistryError::SchemaOne { what: what.to_owned() });
        }
        let media_type = match (header, body) {
            (Some(header), Some(body)) if header != body => {
                return Err(RegistryError::MediaTypeMismatch {
                    what: what.to_owned(),
                    header: excerpt(header),
                    body: excerpt(body),
                });
            }
            (found @ Some(_), _) | (None, found) => found.unwrap_or("(none)"),
        };
        let index = match media_type {
            OCI_MANIFEST | DOCKER_MANIFEST => false,
            other if is_index(other) => true,
            other => {
                return Err(RegistryError::Unsupported { what: what.to_owned(), media_type: excerpt(other) });
            }
        };
        if version != Some(2) {
            return Err(malformed("its schemaVersion is not 2"));
        }
        let has = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
        if has(&["manifests"]) && has(&["config", "layers"]) || has(&["fsLayers"]) {
            return Err(RegistryError::Ambiguous { what: what.to_owned() });
        }
        let media_type = media_type.to_owned();
        let content = if index { self::index(&fields) } else { manifest(&fields) };
        Ok(Self { media_type, content: content.map_err(|reason| malformed(&reason))? })
    }
}

impl ParsedManifest {
    /// Refuses an image index that lists an index: which image it means depends on who reads it.
    pub(super) fn reject_nested(&self, what: &str) -> Result<(), RegistryError> {
        let ManifestKind::Index(listed) = &self.content else { return Ok(()) };
        if !listed.iter().any(|descriptor| is_index(&descriptor.media_type)) {
            return Ok(());
        }
        let reason = "it lists another index, which is not supported".to_owned();
        Err(RegistryError::Malformed { what: what.to_owned(), reason })
    }
}

fn index(fields: &Map<String, Value>) -> Result<ManifestKind, String> {
    descriptors(fields, "manifests").map(ManifestKind::Index)
}

fn manifest(fields: &Map<String, Value>) -> Result<ManifestKind, String> {
    let config = descriptor(fields.get("config").ok_or("it has no config")?)?;
    let layers = descriptors(fields, "layers")?;
    let subject = match fields.get("subject") {
        None | Some(Value::Null) => None,
        Some(value) => Some(descriptor(value)?),
    };
    let artifact_type = fields.get("artifactType").and_then(Value::as_str).map(str::to_owned);
    Ok(ManifestKind::Manifest(Box::new(Manifest { config, layers, subject, artifact_type })))
}

fn descriptors(fields: &Map<String, Value>, name: &str) -> Result<Vec<Descriptor>, String> {
    match fields.get(name) {
        Some(Value::Array(values)) => values.iter().map(descriptor).collect(),
        // What Go writes for a list that was never filled.
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(format!("its {name} are not a list")),
    }
}

fn descriptor(value: &Value) -> Result<Descriptor, String> {
    let Value::Object(fields) = value else { return Err("a descriptor is not an object".to_owned()) };
    exact_spelling(fields, &DESCRIPTOR_FIELDS)?;
    let text = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("the {name} of a descriptor is not a string")),
    };
    let digest = text("digest")?.ok_or("a descriptor has no digest")?;
    let digest = Digest::parse(digest).map_err(|error| format!("a descriptor's {error}"))?;
    let size = fields.get("size").and_then(Value::as_u64);
    let size = size.filter(|size| i64::try_from(*size).is_ok()).ok_or("a descriptor has no valid size")?;
    let mut annotations = BTreeMap::new();
    match fields.get("annotations") {
        None | Some(Value::Null) => {}
        Some(Value::Object(found)) => {
            for (name, value) in found {
                let value = value.as_str().ok_or("an annotation is not a string")?;
                annotations.insert(name.clone(), value.to_owned());
            }
        }
        Some(_) => return Err("the annotations of a descriptor are not an object".to_owned()),
    }
    Ok(Descriptor {
        media_type: text("mediaType")?.unwrap_or_default().to_owned(),
        digest,
        size,
        artifact_type: text("artifactType")?.map(str::to_owned),
        annotations,
        platform: platform(fields.get("platform"))?,
    })
}

fn platform(value: Option<&Value>) -> Result<Option<Platform>, String> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("the platform of a descriptor is not an object".to_owned()),
    };
    exact_spelling(fields, &PLATFORM_FIELDS)?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("the {name} of a platform is not a string")),
    };
    Ok(Some(Platform::of(text("os")?, text("architecture")?, text("variant")?)))
}

/// Whether a media type is that of an index.
pub(super) fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Refuses keys that only Go would read as one of `names`.
fn exact_spelling(fields: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    for key in fields.keys() {
        let folded = json::folded(key);
        if let Some(name) = names.iter().find(|name| name.to_ascii_lowercase() == folded && *name != key) {
            return Err(format!("it has a key that differs from {name} only in upper and lower case"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(text: &str, header: Option<&str>) -> Result<ParsedManifest, RegistryError> {
        let expanded = text.replace("%D", &format!(r#"{{"mediaType":"x","digest":"{D}","size":1}}"#));
        ParsedManifest::parse(expanded.as_bytes(), header, "manifest")
    }

    #[test]
    fn the_four_kinds_are_read() {
        for (text, header, media_type) in [
            (r#"{"schemaVersion":2,"config":%D,"layers":[%D]}"#, Some(OCI_MANIFEST), OCI_MANIFEST),
            (
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%D,"layers":[]}"#,
                None,
                OCI_MANIFEST,
            ),
            (
                r#"{"schemaVersion":2,"config":%D,"layers":[%D],"subject":null}"#,
                Some(DOCKER_MANIFEST),
                DOCKER_MANIFEST,
            ),
            (r#"{"schemaVersion":2,"manifests":[%D,%D],"unknown":{"deep":[1]}}"#, Some(OCI_INDEX), OCI_INDEX),
            (r#"{"schemaVersion":2,"manifests":[]}"#, Some(DOCKER_LIST), DOCKER_LIST),
            (r#"{"schemaVersion":2,"manifests":null}"#, Some(OCI_INDEX), OCI_INDEX),
            (r#"{"schemaVersion":2,"config":%D,"layers":null}"#, Some(OCI_MANIFEST), OCI_MANIFEST),
        ] {
            assert_eq!(parse(text, header).unwrap().media_type, media_type, "{text}");
        }
    }

    #[test]
    fn an_ambiguous_document_is_refused() {
        let good = r#"{"schemaVersion":2,"config":%D,"layers":[]}"#;
        for (text, header, code) in [
            (
                r#"{"schemaVersion":2,"config":%D,"layers":[],"manifests":[]}"#,
                Some(OCI_MANIFEST),
                "ambiguous",
            ),
            (r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#, Some(OCI_INDEX), "ambiguous"),
            (r#"{"schemaVersion":2,"config":null,"manifests":[]}"#, Some(OCI_INDEX), "ambiguous"),
            (
                r#"{"schemaVersion":2,"config":%D,"layers":[],"manifests":null}"#,
                Some(OCI_MANIFEST),
                "ambiguous",
            ),
            (r#"{"schemaVersion":2,"config":%D,"layers":[],"fsLayers":[]}"#, Some(OCI_MANIFEST), "ambiguous"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, Some(OCI_MANIFEST), "schema-1"),
            (good, Some(SCHEMA_ONE[1]), "schema-1"),
            (good, None, "media-type"),
            (good, Some("application/json"), "media-type"),
            (good, Some("text/html"), "media-type"),
            (
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":%D,"layers":[]}"#,
                Some(OCI_MANIFEST),
                "media-type-mismatch",
            ),
            (good, Some(OCI_INDEX), "malformed"),
            (r#"{"config":%D,"layers":[]}"#, Some(OCI_MANIFEST), "malformed"),
            (r#"{"schemaVersion":"2","config":%D,"layers":[]}"#, Some(OCI_MANIFEST), "malformed"),
            (r#"{"schemaVersion":2.0,"config":%D,"layers":[]}"#, Some(OCI_MANIFEST), "malformed"),
            (
                r#"{"schemaVersion":2,"config":%D,"layers":[],"Manifests":[]}"#,
                Some(OCI_MANIFEST),
                "malformed",
            ),
            (r#"{"schemaVersion":2,"mediaType":5,"config":%D,"layers":[]}"#, Some(OCI_MANIFEST), "malformed"),
            (r#"{"schemaVersion":2,"layers":[]}"#, Some(OCI_MANIFEST), "malformed"),
            (r#"{"schemaVersion":2,"config":%D}"#, Some(OCI_MANIFEST), "malformed"),
            (r#"{"schemaVersion":2,"manifests":{}}"#, Some(OCI_INDEX), "malformed"),
            (
                r#"{"schemaVersion":2,"manifests":[{"digest":"sha1:00","size":1}]}"#,
                Some(OCI_INDEX),
                "malformed",
            ),
            (r#"{"schemaVersion":2,"manifests":[{"size":1}]}"#, Some(OCI_INDEX), "malformed"),
            (r#"[]"#, Some(OCI_INDEX), "malformed"),
            (r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#, Some(OCI_INDEX), "malformed"),
        ] {
            let error = parse(text, header).unwrap_err();
            assert_eq!(error.code(), format!("registry-{code}"), "{text}: {error}");
        }
        for size in ["-1", "1.5", "9223372036854775808", "\"1\"", "1e400", "null"] {
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{D}","size":{size}}}]}}"#);
            assert_eq!(parse(&text, Some(OCI_INDEX)).unwrap_err().code(), "registry-malformed", "{size}");
        }
    }
}
