//! Signing, and tampering with signatures.

use std::path::{Path, PathBuf};
use std::process::Command;

use ::pullgate::digest::Digest;
use ::pullgate::signature::BUNDLE_MEDIA_TYPE as BUNDLE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::images::{self, Image};
use super::keys::PrivateKey;
use super::notation::Signer;
use super::registry::Registry;
use super::{directory, environment, process};
use crate::programs;
use crate::registry::{INDEX, MANIFEST, SIMPLE_SIGNING};

/// The annotation with the signature of a layer's blob.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The passphrase of cosign's keys.
const PASSPHRASE: &str = "pg5ECRET-cosign";

/// The options for one signature.
pub(super) const CLASSIC: [&str; 2] = ["--layout", "classic"];

/// Signs with `pullgate-signer sign` in the classic layout. `reference` is `repository@digest`.
pub fn sign(reference: &str, key: &PrivateKey) {
    sign_by(Command::new(programs::signer()), reference, key);
}

/// As [`sign`], with a `pullgate-signer` that has options already.
pub fn sign_by(signer: Command, reference: &str, key: &PrivateKey) {
    sign_by_with(signer, reference, key, &CLASSIC);
}

/// Signs with `pullgate-signer sign` and more options, and returns its output.
pub fn sign_with(reference: &str, key: &PrivateKey, options: &[&str]) -> String {
    sign_by_with(Command::new(programs::signer()), reference, key, options)
}

/// As [`sign_with`], with a `pullgate-signer` that has options already.
pub fn sign_by_with(mut signer: Command, reference: &str, key: &PrivateKey, options: &[&str]) -> String {
    let sign = signer.args(["sign", reference, "--algorithm", key.kind.algorithm(), "--key"]);
    process::must_run(sign.arg(&key.file).args(options))
}

/// Makes a Notation signature with `pullgate-signer sign` and more options, and returns its output.
pub fn sign_notation(reference: &str, signer: &Signer, envelope: &str, options: &[&str]) -> String {
    let mut sign = Command::new(programs::signer());
    sign.args(["sign", reference, "--layout", "notation", "--envelope", envelope, "--key"]).arg(&signer.key);
    process::must_run(sign.arg("--certificate-chain").arg(&signer.chain).args(options))
}

/// A layout of cosign's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The tag `sha256-….sig` with simple-signing payloads.
    Classic,
    /// A Sigstore bundle that refers to the image.
    Bundle,
}

impl Layout {
    /// What `cosign verify` must be told.
    pub fn verify_options(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &["--new-bundle-format=false"],
            Self::Bundle => &[],
        }
    }
}

/// cosign, without transparency log or timestamp authority.
pub struct Cosign {
    home: PathBuf,
}

impl Cosign {
    pub fn new(home: PathBuf) -> Self {
        directory::make(&home);
        Self { home }
    }

    /// Signs `reference`, under the name `identity` if given.
    pub fn sign(&self, reference: &str, key: &PrivateKey, layout: Layout, identity: Option<&str>) {
        let identity = identity.map(|identity| ["--sign-container-identity", identity]);
        self.sign_with(reference, key, layout, identity.as_ref().map_or(&[], |options| options));
    }

    /// Signs `reference` with more options.
    pub fn sign_with(&self, reference: &str, key: &PrivateKey, layout: Layout, options: &[&str]) {
        let mut sign = self.signing(layout, &self.imported(&key.name, &key.file));
        process::must_run(sign.args(options).arg(reference));
    }

    /// Signs `reference` with a certificate of a private PKI. cosign puts the CA beside it only if both are valid now.
    pub fn sign_certified(&self, reference: &str, signer: &Signer, layout: Layout) {
        let mut sign = self.signing(layout, &self.imported(&signer.name, &signer.key));
        sign.arg("--certificate").arg(&signer.certificate);
        if !signer.expired {
            sign.arg("--certificate-chain").arg(&signer.authority);
        }
        process::must_run(sign.arg(reference));
    }

    /// Verifies `reference` with cosign: whether a signature by a certificate with this address counts below a CA of the root.
    ///
    /// # Errors
    /// cosign's output.
    pub fn verify_certified(
        &self,
        reference: &str,
        address: &str,
        root: &Value,
        layout: Layout,
    ) -> Result<String, String> {
        let file = self.home.join("certified-with.json");
        directory::write(&file, root.to_string());
        let mut verify = self.command();
        verify.args(["verify", "--insecure-ignore-tlog", "--insecure-ignore-sct", "--allow-http-registry"]);
        verify.args(["--certificate-identity", address, "--certificate-oidc-issuer-regexp", ".*"]);
        verify.args(["--private-infrastructure", "--trusted-root"]).arg(file);
        process::run(verify.args(layout.verify_options()).arg(reference))
    }

    /// `cosign sign` in a layout, with a key in cosign's own format; the caller adds options and a reference.
    fn signing(&self, layout: Layout, key: &Path) -> Command {
        let mut sign = self.command();
        sign.args([
            "sign",
            "-y",
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--allow-http-registry",
        ]);
        if layout == Layout::Classic {
            sign.arg("--new-bundle-format=false");
        }
        sign.arg("--key").arg(key);
        sign
    }

    /// Attests `predicate`, of a type as cosign names it (`--type`).
    pub fn attest(&self, reference: &str, key: &PrivateKey, layout: Layout, (kind, predicate): (&str, &str)) {
        let file = self.home.join("predicate");
        directory::write(&file, predicate);
        let mut attest = self.command();
        attest.args(["attest", "-y", "--use-signing-config=false", "--tlog-upload=false"]);
        attest.args(["--allow-http-registry", "--type", kind, "--predicate"]).arg(file);
        if layout == Layout::Classic {
            attest.arg("--new-bundle-format=false");
        }
        process::must_run(attest.arg("--key").arg(self.imported(&key.name, &key.file)).arg(reference));
    }

    /// Signs the image of that name with skopeo, which takes cosign's encrypted keys.
    pub fn sign_by_skopeo(&self, reference: &str, key: &PrivateKey) {
        let attachments = self.home.join("registries.d");
        directory::make(&attachments);
        let text = "default-docker:\n  use-sigstore-attachments: true\n";
        directory::write(&attachments.join("default.yaml"), text);
        let passphrase = self.home.join("passphrase");
        directory::write(&passphrase, PASSPHRASE);
        let mut skopeo = images::copying();
        skopeo.arg("--registries.d").arg(attachments).arg("--sign-passphrase-file").arg(passphrase);
        skopeo.arg("--sign-by-sigstore-private-key").arg(self.imported(&key.name, &key.file));
        let name = format!("docker://{reference}");
        process::must_run(skopeo.args([&name, &name]));
    }

    /// The key in cosign's own format.
    pub(super) fn imported(&self, name: &str, file: &Path) -> PathBuf {
        let imported = self.home.join(format!("{name}.key"));
        if !imported.exists() {
            let mut import = self.command();
            import.args(["import-key-pair", "-y", "--key"]).arg(file);
            process::must_run(import.arg("--output-key-prefix").arg(self.home.join(name)));
        }
        imported
    }

    /// Verifies the signatures of `reference` with cosign.
    ///
    /// # Errors
    /// cosign's output.
    pub fn verify(&self, reference: &str, key: &PrivateKey, options: &[&str]) -> Result<String, String> {
        let mut verify = verify_command(&self.home, &key.public_file);
        process::run(verify.args(options).arg(reference))
    }

    fn command(&self) -> Command {
        command(&self.home)
    }
}

/// `cosign verify` with the public key file `key`; the caller adds options and a reference.
pub fn verify_command(home: &Path, key: &Path) -> Command {
    let mut verify = command(home);
    verify.args(["verify", "--insecure-ignore-tlog", "--private-infrastructure", "--allow-http-registry"]);
    verify.arg("--key").arg(key);
    verify
}

/// cosign with this home directory.
pub(super) fn command(home: &Path) -> Command {
    let mut command = Command::new(environment::tool("cosign"));
    // cosign writes to the home directory, which must not be the user's.
    command.env("HOME", home).env("COSIGN_PASSWORD", PASSPHRASE);
    command
}

/// The number of signatures of `image` in cosign's classic layout.
pub fn count(registry: &Registry, image: &Image) -> usize {
    let found = registry.find_manifest(&image.repository, &image.signature_tag());
    let manifest: Option<Value> = found.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    manifest.and_then(|manifest| Some(manifest["layers"].as_array()?.len())).unwrap_or_default()
}

/// Changes one bit in each signature of `image`, and no payload.
pub fn tamper_with_signature(registry: &Registry, image: &Image) {
    edit(registry, image, |_, layer| {
        let signature = layer["annotations"][SIGNATURE].as_str().expect("a signature is an annotation");
        let mut bytes = STANDARD.decode(signature).expect("a signature is base64");
        *bytes.last_mut().expect("a signature is not empty") ^= 1;
        layer["annotations"][SIGNATURE] = STANDARD.encode(bytes).into();
    });
}

/// Changes the name in each payload of `image`, and no signature.
pub fn tamper_with_payload(registry: &Registry, image: &Image, name: &str) {
    edit(registry, image, |registry, layer| {
        let digest = layer["digest"].as_str().expect("a layer has a digest");
        let blob = registry.blob(&image.repository, digest);
        let mut payload: Value = serde_json::from_slice(&blob).expect("a payload is JSON");
        payload["critical"]["identity"]["docker-reference"] = name.into();
        let blob = payload.to_string();
        layer["digest"] = registry.put_blob(&image.repository, blob.as_bytes()).into();
        layer["size"] = blob.len().into();
    });
}

/// Attaches the signatures of `signed` in cosign's classic layout to `other`: the same image in another repository, or another.
pub fn copy_signatures(signed: &Image, other: &Image) {
    let at =
        |image: &Image| format!("docker://{}/{}:{}", image.host, image.repository, image.signature_tag());
    images::copy(&at(signed), &at(other));
}

/// Attaches the signature of `signed` in this layout to `other`: another image, or the same in another repository.
pub fn copy_signature(registry: &Registry, layout: Layout, signed: &Image, other: &Image) {
    match layout {
        Layout::Classic => copy_signatures(signed, other),
        Layout::Bundle => graft_referrer(registry, signed, other),
    }
}

/// Attaches a signature in cosign's classic layout with these annotations to an image, as its only one.
pub fn attach_annotated(registry: &Registry, image: &Image, payload: &[u8], annotations: &[(&str, String)]) {
    let [blob, config] = [payload, b"{}"].map(|bytes| registry.put_blob(&image.repository, bytes));
    let annotations: Map<String, Value> =
        annotations.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{
            "mediaType": SIMPLE_SIGNING,
            "digest": blob,
            "size": payload.len(),
            "annotations": annotations,
        }],
    });
    registry.put_manifest(&image.repository, &image.signature_tag(), manifest.to_string().as_bytes());
}

/// Attaches any bundle to an image, as its only referrer.
pub fn attach_bundle(registry: &Registry, image: &Image, bundle: &Value) {
    let repository = &image.repository;
    let (bundle, config) = (bundle.to_string(), "{}");
    let [blob, config_blob] =
        [bundle.as_str(), config].map(|it| registry.put_blob(repository, it.as_bytes()));
    let referrer = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config_blob, "size": config.len() },
        "layers": [{ "mediaType": BUNDLE, "digest": blob, "size": bundle.len() }],
        "subject": { "mediaType": MANIFEST, "digest": image.digest, "size": 0 },
        "artifactType": BUNDLE,
    })
    .to_string();
    let digest = Digest::of(referrer.as_bytes()).to_string();
    registry.put_manifest(repository, &digest, referrer.as_bytes());
    let entry = json!({ "mediaType": MANIFEST, "digest": digest, "size": referrer.len() });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    registry.put_manifest(repository, &image.referrers_tag(), index.to_string().as_bytes());
}

/// The only bundle of an image.
pub fn bundle_of(registry: &Registry, image: &Image) -> Value {
    let parse = |bytes: Vec<u8>| -> Value { serde_json::from_slice(&bytes).expect("it is JSON") };
    let index = parse(registry.manifest(&image.repository, &image.referrers_tag()));
    let entry = index["manifests"][0]["digest"].as_str().expect("an index entry has a digest");
    let referrer = parse(registry.manifest(&image.repository, entry));
    let layer = referrer["layers"][0]["digest"].as_str().expect("a layer has a digest");
    parse(registry.blob(&image.repository, layer))
}

/// Attaches the first referrer of `signed`, a signature, to `other`: another image, or the same in another repository.
pub fn graft_referrer(registry: &Registry, signed: &Image, other: &Image) {
    let index = registry.manifest(&signed.repository, &signed.referrers_tag());
    let mut index: Value = serde_json::from_slice(&index).expect("an index is JSON");
    let entry = index["manifests"][0]["digest"].as_str().expect("an index entry has a digest");
    let referrer = registry.manifest(&signed.repository, entry);
    let referrer =
        String::from_utf8(referrer).expect("a manifest is JSON").replace(&signed.digest, &other.digest);
    let parsed: Value = serde_json::from_str(&referrer).expect("a manifest is JSON");
    let layers = parsed["layers"].as_array().expect("a manifest has layers");
    for blob in layers.iter().chain([&parsed["config"]]).filter_map(|blob| blob["digest"].as_str()) {
        registry.put_blob(&other.repository, &registry.blob(&signed.repository, blob));
    }
    let digest = Digest::of(referrer.as_bytes()).to_string();
    registry.put_manifest(&other.repository, &digest, referrer.as_bytes());
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = referrer.len().into();
    registry.put_manifest(&other.repository, &other.referrers_tag(), index.to_string().as_bytes());
}

/// Changes each layer of the signatures of `image` in cosign's classic layout.
pub fn edit(registry: &Registry, image: &Image, change: impl Fn(&Registry, &mut Value)) {
    let tag = image.signature_tag();
    let before = registry.manifest(&image.repository, &tag);
    let mut manifest: Value = serde_json::from_slice(&before).expect("a manifest is JSON");
    let layers = manifest["layers"].as_array_mut().expect("a manifest has layers");
    assert!(!layers.is_empty(), "there is no signature to change");
    layers.iter_mut().for_each(|layer| change(registry, layer));
    let after = manifest.to_string();
    assert_ne!(before, after.as_bytes());
    registry.put_manifest(&image.repository, &tag, after.as_bytes());
}
