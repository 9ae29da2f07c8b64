//! Present images.

use std::fs;
use std::path::Path;

use pullgate::digest::Digest;
use serde_json::{Value, json};

use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{Node, directory};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The registry in the names of the images.
pub(crate) const HOST: &str = "registry.example.com";

/// The name of the image with this number.
pub(crate) fn name(number: usize) -> String {
    format!("{HOST}/team-{}/service-{number}:v1.{number}.0", number % 20)
}

/// Imports `count` images, each with a tag and a digest as if it had been pulled, and waits until the CRI lists them.
/// They share a layer, because they are never run.
pub(crate) fn import(node: &Node, count: usize) {
    let directory = tempfile::tempdir_in(node.directory()).expect("cannot make a temporary directory");
    write_layout(directory.path(), count);
    node.containerd.import_with(directory.path(), &["--no-unpack"]);
    let kubelet = node.kubelet_without_pullgate();
    let listed = process::wait(LIMIT, || {
        let images = kubelet.list_images().expect("containerd lists its images");
        let complete = images.iter().filter(|image| image.repo_tags.len() + image.repo_digests.len() == 2);
        (complete.count() >= count).then_some(())
    });
    listed.expect("containerd does not list what was imported");
}

fn write_layout(directory: &Path, count: usize) {
    directory::make(&directory.join("blobs/sha256"));
    // Two empty blocks: an empty tar archive.
    let layer = add(directory, LAYER, &[0; 1024]);
    let mut manifests = Vec::new();
    for number in 0..count {
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "User": "1000:1000", "Entrypoint": ["/app"], "Labels": { "number": number.to_string() } },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = add(directory, CONFIG, config.to_string().as_bytes());
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let manifest = add(directory, MANIFEST, manifest.to_string().as_bytes());
        let tagged = name(number);
        let (repository, _) = tagged.rsplit_once(':').expect("the name has a tag");
        let digest = manifest["digest"].as_str().expect("a descriptor has a digest");
        for name in [tagged.clone(), format!("{repository}@{digest}")] {
            let mut entry = manifest.clone();
            entry["annotations"] = json!({ "io.containerd.image.name": name });
            manifests.push(entry);
        }
    }
    directory::write(&directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    directory::write(
        &directory.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": manifests }).to_string(),
    );
}

/// Adds a blob and returns its descriptor.
fn add(directory: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes);
    fs::write(directory.join("blobs/sha256").join(digest.hex()), bytes).expect("cannot write a blob");
    json!({ "mediaType": media_type, "digest": digest.as_str(), "size": bytes.len() })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
