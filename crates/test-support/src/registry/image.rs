//! Manifests and indexes.

use bytes::Bytes;
use pullgate::digest::Digest;
use serde_json::{Map, Value, json};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A layer: digest, size, media type, annotations.
pub type Layer<'a> = (&'a Digest, usize, &'a str, &'a [(&'a str, &'a str)]);

pub fn descriptor((digest, size, media_type, annotations): Layer<'_>) -> Value {
    let mut value = json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size });
    if !annotations.is_empty() {
        let annotations: Map<String, Value> =
            annotations.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        value["annotations"] = Value::Object(annotations);
    }
    value
}

/// An OCI manifest, with a subject if one is given.
pub fn manifest(layers: &[Layer<'_>], config: &Digest, subject: Option<&Digest>) -> Bytes {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(*layer)).collect();
    let mut value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.as_str(), "size": 2 },
        "layers": layers,
    });
    if let Some(subject) = subject {
        value["subject"] = json!({ "mediaType": MANIFEST, "digest": subject.as_str(), "size": 1 });
    }
    value.to_string().into()
}

/// An OCI index of descriptors.
pub fn index(manifests: &[Value]) -> Bytes {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string().into()
}
