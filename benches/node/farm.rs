//! Many different signed images, made with as few requests as possible.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use ::pullgate::digest::Digest;
use ::pullgate::trust::{Algorithm, PrivateKey, PssSalt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use pullgate_test::node::images::Image;
use pullgate_test::node::{Node, http};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// How many are made concurrently.
const AT_ONCE: usize = 4;

/// Pushes `count` images that share one layer of 300 kB, each to its own repository below `path`, signed with the release
/// key in cosign's classic layout. Returns their names, with `host`.
pub(crate) fn grow(node: &Node, host: &str, path: &str, count: usize) -> Vec<String> {
    plant(node, host, path, count, Layers::Shared)
}

/// The same with a separate tiny layer for each: a pull that waits in containerd for a layer of another pull polls,
/// so that hundreds of them would measure nothing else.
pub(crate) fn grow_apart(node: &Node, host: &str, path: &str, count: usize) -> Vec<String> {
    plant(node, host, path, count, Layers::Own)
}

fn plant(node: &Node, host: &str, path: &str, count: usize, layers: Layers) -> Vec<String> {
    let template = node.push(&format!("{path}/template:1"));
    let key = fs::read_to_string(&node.release.file).expect("a key is a file");
    let key =
        PrivateKey::from_pem(&key, Algorithm::EcdsaSha256, PssSalt::default()).expect("a key of openssl");
    let seed = Seed { node, host, path, layers, template: &template, key: &key };
    thread::scope(|scope| {
        for lane in 0..AT_ONCE {
            let seed = &seed;
            scope.spawn(move || (lane..count).step_by(AT_ONCE).for_each(|number| seed.sow(number)));
        }
    });
    (0..count).map(|number| format!("{host}/{path}/service-{number}:1")).collect()
}

#[derive(Clone, Copy)]
enum Layers {
    Shared,
    Own,
}

struct Seed<'a> {
    node: &'a Node,
    host: &'a str,
    path: &'a str,
    layers: Layers,
    template: &'a Image,
    key: &'a PrivateKey,
}

impl Seed<'_> {
    fn sow(&self, number: usize) {
        let registry = &self.node.registry;
        let repository = format!("{}/service-{number}", self.path);
        let mut manifest = object(&registry.manifest(&self.template.repository, &self.template.digest));
        let mut config =
            object(&registry.blob(&self.template.repository, text(&manifest["config"]["digest"])));
        config["config"]["Labels"] = json!({ "number": format!("{} {number}", self.path) });
        match self.layers {
            Layers::Shared => self.mount(&repository, &manifest),
            Layers::Own => {
                let layer =
                    archive(self.node.directory(), &format!("{}-{number}", self.path.replace('/', "-")));
                let layer = self.blob(&repository, LAYER, &layer);
                config["rootfs"]["diff_ids"] = json!([layer["digest"]]);
                config["history"] = json!([]);
                manifest["layers"] = json!([layer]);
            }
        }
        manifest["config"] = self.blob(&repository, CONFIG, config.to_string().as_bytes());
        let manifest = manifest.to_string();
        registry.put_manifest(&repository, "1", manifest.as_bytes());
        let digest = Digest::of(manifest.as_bytes());
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": format!("{}/{repository}", self.host) },
                "image": { "docker-manifest-digest": digest.as_str() },
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string();
        let signature = self.key.sign(payload.as_bytes()).expect("a key signs");
        let mut layer = self.blob(&repository, PAYLOAD, payload.as_bytes());
        layer["annotations"] = json!({ SIGNATURE: STANDARD.encode(signature) });
        let config = self.blob(&repository, CONFIG, b"{}");
        let signatures =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let tag = format!("sha256-{}.sig", digest.hex());
        registry.put_manifest(&repository, &tag, signatures.to_string().as_bytes());
    }

    /// Mounts the layers of the template in the registry.
    fn mount(&self, repository: &str, manifest: &Value) {
        for layer in manifest["layers"].as_array().expect("a manifest has layers") {
            let (digest, from) = (text(&layer["digest"]), &self.template.repository);
            let mount = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
            let mounted = http::send("POST", self.node.registry.host(), &mount, &[], &[]);
            assert_eq!(mounted.status, 201, "{}", mounted.text());
        }
    }

    /// Uploads a blob and returns its descriptor.
    fn blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.node.registry.put_blob(repository, bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }
}

/// A layer with one file, which contains only its name.
fn archive(directory: &Path, name: &str) -> Vec<u8> {
    fs::write(directory.join(name), name).expect("a file can be written");
    let made =
        Command::new("tar").arg("-C").arg(directory).args(["-cf", "-", name]).output().expect("tar starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::remove_file(directory.join(name)).expect("a file can be removed");
    made.stdout
}

fn object(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}
