//! Many signed images, each one different, made with as few requests as can be.

use std::thread;

use ::pullgate::digest::Digest;
use ::pullgate::trust::{Algorithm, PrivateKey, PssSalt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::node::images::Image;
use crate::support::node::{Node, http};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// How many are made at the same time.
const AT_ONCE: usize = 4;

/// Pushes `count` images that share their layers to repositories of their own below `path`, signed with the release key in
/// cosign's classic layout. Gives their names, which say `host`.
pub(crate) fn grow(node: &Node, host: &str, path: &str, count: usize) -> Vec<String> {
    let template = node.push(&format!("{path}/template:1"));
    let key = std::fs::read_to_string(&node.release.file).expect("a key is a file");
    let key =
        PrivateKey::from_pem(&key, Algorithm::EcdsaSha256, PssSalt::default()).expect("a key of openssl");
    let seed = Seed { node, host, path, template: &template, key: &key };
    thread::scope(|scope| {
        for lane in 0..AT_ONCE {
            let seed = &seed;
            scope.spawn(move || (lane..count).step_by(AT_ONCE).for_each(|number| seed.sow(number)));
        }
    });
    (0..count).map(|number| format!("{host}/{path}/service-{number}:1")).collect()
}

struct Seed<'a> {
    node: &'a Node,
    host: &'a str,
    path: &'a str,
    template: &'a Image,
    key: &'a PrivateKey,
}

impl Seed<'_> {
    fn sow(&self, number: usize) {
        let registry = &self.node.registry;
        let from = &self.template.repository;
        let repository = format!("{}/service-{number}", self.path);
        let mut manifest = object(&registry.manifest(from, &self.template.digest));
        let mut config = object(&registry.blob(from, text(&manifest["config"]["digest"])));
        config["config"]["Labels"] = json!({ "number": format!("{} {number}", self.path) });
        for layer in manifest["layers"].as_array().expect("a manifest has layers") {
            let mount =
                format!("/v2/{repository}/blobs/uploads/?mount={}&from={from}", text(&layer["digest"]));
            let mounted = http::send("POST", registry.host(), &mount, &[], &[]);
            assert_eq!(mounted.status, 201, "{}", mounted.text());
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

    /// Uploads a blob and gives its descriptor.
    fn blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.node.registry.put_blob(repository, bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }
}

fn object(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}
