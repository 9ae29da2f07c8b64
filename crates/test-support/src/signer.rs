//! Makes signatures, and attaches them to images of the test registry in cosign's two layouts.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::trust::{Algorithm, PrivateKey, PssSalt};
use serde_json::{Value, json};

use crate::registry::{MANIFEST, Registry, SIMPLE_SIGNING, descriptor, index, manifest};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT: &str = "application/vnd.in-toto+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// A key of `tests/fixtures/keys`.
pub struct Signer {
    key: PrivateKey,
}

impl Signer {
    /// `p256`, `rsa2048`, …, as in the names of the files.
    pub fn of(name: &str, algorithm: Algorithm) -> Self {
        Self::with_salt(name, algorithm, PssSalt::default())
    }

    pub fn with_salt(name: &str, algorithm: Algorithm, salt: PssSalt) -> Self {
        let pem = std::fs::read_to_string(key_file(name, "key")).unwrap();
        Self { key: PrivateKey::from_pem(&pem, algorithm, salt).unwrap() }
    }

    pub fn sign(&self, payload: &[u8]) -> Vec<u8> {
        self.key.sign(payload).unwrap()
    }
}

/// The file of a private or public key: `half` is `key` or `pub`.
pub fn key_file(name: &str, half: &str) -> PathBuf {
    let keys = crate::repository().join("tests/fixtures/keys");
    keys.join(format!("throw-away-{name}.{half}.pem"))
}

/// A copy of a private key in `directory` with mode 0600, which git does not store.
pub fn closed_key(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(format!("{name}.key"));
    if !path.exists() {
        std::fs::copy(key_file(name, "key"), &path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    path
}

/// cosign's payload for a digest in a repository.
pub fn payload(repository: &str, digest: &Digest) -> Bytes {
    payload_with(repository, digest, &Value::Null)
}

/// The same with an annotation: it cannot be built from repository and digest, so it has to be fetched.
pub fn annotated_payload(repository: &str, digest: &Digest) -> Bytes {
    payload_with(repository, digest, &json!({ "build": "42" }))
}

/// The same with this as `optional`.
pub fn payload_with(repository: &str, digest: &Digest, optional: &Value) -> Bytes {
    json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest.as_str() },
            "type": "cosign container image signature",
        },
        "optional": optional,
    })
    .to_string()
    .into()
}

/// Attaches these payloads and signatures under the `.sig` tag of the image.
pub fn attach_classic(registry: &Registry, path: &str, digest: &Digest, signatures: &[(Bytes, Vec<u8>)]) {
    let texts: Vec<_> =
        signatures.iter().map(|(payload, signature)| (payload.clone(), STANDARD.encode(signature))).collect();
    attach_classic_text(registry, path, digest, &texts);
}

/// As [`attach_classic`], with the text of each signature annotation.
pub fn attach_classic_text(registry: &Registry, path: &str, digest: &Digest, signatures: &[(Bytes, String)]) {
    let config = registry.blob(path, "{}");
    let layers: Vec<_> = signatures
        .iter()
        .map(|(payload, signature)| {
            let blob = registry.blob(path, payload.clone());
            (blob, payload.len(), [("dev.cosignproject.cosign/signature", signature.clone())])
        })
        .collect();
    let annotations: Vec<_> = layers.iter().map(|(_, _, [(name, text)])| [(*name, text.as_str())]).collect();
    let layers: Vec<_> = layers
        .iter()
        .zip(&annotations)
        .map(|((blob, length, _), annotations)| (blob, *length, SIMPLE_SIGNING, &annotations[..]))
        .collect();
    let manifest = registry.manifest(path, MANIFEST, manifest(&layers, &config, None));
    registry.tag(path, &format!("sha256-{}.sig", digest.hex()), &manifest);
}

/// Signs the image at `path` in the classic layout.
pub fn sign_classic(registry: &Registry, path: &str, digest: &Digest, signer: &Signer) {
    sign_payload(registry, path, digest, (payload(&format!("{}/{path}", registry.host()), digest), signer));
}

/// The same with [`annotated_payload`].
pub fn sign_annotated(registry: &Registry, path: &str, digest: &Digest, signer: &Signer) {
    let payload = annotated_payload(&format!("{}/{path}", registry.host()), digest);
    sign_payload(registry, path, digest, (payload, signer));
}

fn sign_payload(registry: &Registry, path: &str, digest: &Digest, (payload, signer): (Bytes, &Signer)) {
    let signature = signer.sign(&payload);
    attach_classic(registry, path, digest, &[(payload, signature)]);
}

/// Signs the image at `path` with a Sigstore bundle under the fallback tag.
pub fn sign_bundle(registry: &Registry, path: &str, digest: &Digest, signer: &Signer) {
    attach_bundle(registry, path, digest, &bundle(digest, SIGN, signer));
}

/// A bundle with a statement of this type about a digest.
pub fn bundle(digest: &Digest, predicate_type: &str, signer: &Signer) -> String {
    bundle_with(&json!({ "digest": { "sha256": digest.hex() } }), predicate_type, signer)
}

/// A bundle that signs an image with these annotations of it.
pub fn annotated_bundle(digest: &Digest, annotations: &Value, signer: &Signer) -> String {
    let subject = json!({ "digest": { "sha256": digest.hex() }, "annotations": annotations });
    bundle_with(&subject, SIGN, signer)
}

fn bundle_with(subject: &Value, predicate_type: &str, signer: &Signer) -> String {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": predicate_type,
        "predicate": {},
    })
    .to_string();
    attestation_bundle(&statement, signer)
}

/// A bundle with a signed statement.
pub fn attestation_bundle(statement: &str, signer: &Signer) -> String {
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": "none" } },
        "dsseEnvelope": envelope(statement, signer),
    })
    .to_string()
}

/// A DSSE envelope with a signed statement.
pub fn envelope(statement: &str, signer: &Signer) -> Value {
    envelope_by(statement, |message| signer.sign(message))
}

/// A DSSE envelope with a statement that `sign` signs.
pub fn envelope_by(statement: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Value {
    let message = format!("DSSEv1 {} {STATEMENT} {} {statement}", STATEMENT.len(), statement.len());
    json!({
        "payload": STANDARD.encode(statement),
        "payloadType": STATEMENT,
        "signatures": [{ "sig": STANDARD.encode(sign(message.as_bytes())) }],
    })
}

/// The payload of an attestation of Binary Authorization, as gcloud writes it.
pub fn attestor_payload(repository: &str, digest: &Digest) -> String {
    let critical = json!({
        "identity": { "docker-reference": repository },
        "image": { "docker-manifest-digest": digest.as_str() },
        "type": "Google cloud binauthz container signature",
    });
    format!("{:#}\n", json!({ "critical": critical }))
}

/// An occurrence of Grafeas with an attestation of a digest.
pub fn occurrence(repository: &str, digest: &Digest, signer: &Signer) -> Value {
    let payload = attestor_payload(repository, digest);
    occurrence_of(repository, digest, (&payload, &signer.sign(payload.as_bytes())))
}

/// The same with this payload and signature.
pub fn occurrence_of(repository: &str, digest: &Digest, (payload, signature): (&str, &[u8])) -> Value {
    json!({
        "name": "projects/p/occurrences/1",
        "resourceUri": format!("https://{repository}@{digest}"),
        "noteName": "projects/p/notes/attestor",
        "kind": "ATTESTATION",
        "attestation": {
            "serializedPayload": STANDARD.encode(payload),
            "signatures": [{ "signature": STANDARD.encode(signature), "publicKeyId": "anything" }],
        },
    })
}

/// A DSSE envelope with an attestation of Binary Authorization.
pub fn attestor_envelope(repository: &str, digest: &Digest, signer: &Signer) -> Value {
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    let payload = attestor_payload(repository, digest);
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    json!({
        "payload": STANDARD.encode(&payload),
        "payloadType": kind,
        "signatures": [{ "sig": STANDARD.encode(signer.sign(message.as_bytes())) }],
    })
}

/// A statement about an image, as cosign writes it.
pub fn statement(digest: &Digest, predicate_type: &str, predicate: &Value) -> String {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{ "name": "app", "digest": { "sha256": digest.hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
    .to_string()
}

/// Attaches envelopes under the tag `.att` of the image.
pub fn attach_envelopes(registry: &Registry, path: &str, digest: &Digest, envelopes: &[String]) {
    let annotated: Vec<_> = envelopes
        .iter()
        .map(|text| (text.clone(), vec![("dev.cosignproject.cosign/signature", String::new())]))
        .collect();
    attach_annotated_envelopes(registry, path, digest, &annotated);
}

/// As [`attach_envelopes`], each with its annotations.
pub fn attach_annotated_envelopes(
    registry: &Registry,
    path: &str,
    digest: &Digest,
    envelopes: &[(String, Vec<(&'static str, String)>)],
) {
    let layers: Vec<Annotated<'_>> =
        envelopes.iter().map(|(text, annotations)| (text.as_bytes(), annotations.as_slice())).collect();
    attach_tagged(registry, path, digest, ("att", ENVELOPE), &layers);
}

/// The bytes of a layer, and its annotations.
pub type Annotated<'a> = (&'a [u8], &'a [(&'a str, String)]);

/// Attaches layers of one media type under a tag of cosign, which ends in `suffix`.
pub fn attach_tagged(
    registry: &Registry,
    path: &str,
    digest: &Digest,
    (suffix, media_type): (&str, &str),
    layers: &[Annotated<'_>],
) {
    let config = registry.blob(path, "{}");
    let blobs: Vec<_> =
        layers.iter().map(|(bytes, _)| (registry.blob(path, bytes.to_vec()), bytes.len())).collect();
    let annotations: Vec<Vec<_>> = layers
        .iter()
        .map(|(_, annotations)| annotations.iter().map(|(name, text)| (*name, text.as_str())).collect())
        .collect();
    let layers: Vec<_> = blobs
        .iter()
        .zip(&annotations)
        .map(|((blob, length), annotations)| (blob, *length, media_type, annotations.as_slice()))
        .collect();
    let manifest = registry.manifest(path, MANIFEST, manifest(&layers, &config, None));
    registry.tag(path, &format!("sha256-{}.{suffix}", digest.hex()), &manifest);
}

/// Signs statements with `signer`, and attaches them under the tag `.att` of the image.
pub fn attest(registry: &Registry, path: &str, digest: &Digest, statements: &[String], signer: &Signer) {
    let envelopes: Vec<_> =
        statements.iter().map(|statement| envelope(statement, signer).to_string()).collect();
    attach_envelopes(registry, path, digest, &envelopes);
}

/// Attaches a bundle under the fallback tag of the image.
pub fn attach_bundle(registry: &Registry, path: &str, digest: &Digest, bundle: &str) {
    refer(registry, path, digest, bundle_manifest(registry, path, digest, bundle));
}

/// The manifest of a bundle, with the bundle at `path`.
pub fn bundle_manifest(registry: &Registry, path: &str, subject: &Digest, bundle: &str) -> Bytes {
    let blob = registry.blob(path, bundle.to_owned());
    let config = registry.blob(path, "{}");
    manifest(&[(&blob, bundle.len(), BUNDLE, &[])], &config, Some(subject))
}

/// The manifest of a Notary signature as notation 1.3 writes it, with its envelope at `path`.
pub fn notation_manifest(registry: &Registry, path: &str, subject: &Digest, envelope: &[u8]) -> Bytes {
    let media_type =
        if envelope.first() == Some(&0xd2) { "application/cose" } else { "application/jose+json" };
    let blob = registry.blob(path, envelope.to_vec());
    let config = registry.blob(path, "{}");
    let manifest = manifest(&[(&blob, envelope.len(), media_type, &[])], &config, Some(subject));
    let text = String::from_utf8(manifest.to_vec()).expect("a manifest is JSON");
    text.replace("application/vnd.oci.image.config.v1+json", "application/vnd.cncf.notary.signature").into()
}

/// Attaches an envelope of the Notary Project under the fallback tag of the image.
pub fn attach_notation(registry: &Registry, path: &str, digest: &Digest, envelope: &[u8]) {
    refer(registry, path, digest, notation_manifest(registry, path, digest, envelope));
}

/// Lists a referrer under the fallback tag of the image.
pub fn refer(registry: &Registry, path: &str, digest: &Digest, referrer: Bytes) {
    refer_all(registry, path, digest, [referrer]);
}

/// Lists these referrers under the fallback tag of the image.
pub fn refer_all(
    registry: &Registry,
    path: &str,
    digest: &Digest,
    referrers: impl IntoIterator<Item = Bytes>,
) {
    // cosign 3.1.1 does not write the real artifact type into the index.
    let described = referrers.into_iter().map(|referrer| {
        let length = referrer.len();
        descriptor((&registry.manifest(path, MANIFEST, referrer), length, MANIFEST, &[]))
    });
    let index = index(&described.collect::<Vec<_>>());
    let index = registry.manifest(path, "application/vnd.oci.image.index.v1+json", index);
    registry.tag(path, &format!("sha256-{}", digest.hex()), &index);
}

/// A file of `tests/fixtures/notation/cli`: by notation, about [`notation_image`].
pub fn notation_file(name: &str) -> std::path::PathBuf {
    crate::repository().join("tests/fixtures/notation/cli").join(name)
}

/// The content of [`notation_file`].
pub fn notation(name: &str) -> Vec<u8> {
    std::fs::read(notation_file(name)).expect("the fixture exists")
}

/// Stores the image that the envelopes in the fixtures are about, with the tag `1`.
pub fn notation_image(registry: &Registry, path: &str) -> Digest {
    let digest = registry.manifest(path, MANIFEST, notation("manifest.json"));
    registry.tag(path, "1", &digest);
    digest
}

/// A keyring or a message of the real gpg, over a payload for `registry.example/team/app` and the image of
/// [`notation_image`].
pub fn gpg_file(name: &str) -> std::path::PathBuf {
    crate::repository().join("tests/fixtures/gpg/cli").join(name)
}

/// The content of [`gpg_file`].
pub fn gpg(name: &str) -> Vec<u8> {
    std::fs::read(gpg_file(name)).expect("the fixture exists")
}
