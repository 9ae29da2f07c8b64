use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use super::*;
use crate::digest::Digest;
use crate::signature::{Attachment, Fault, RepositoryIdentity, Subject};
use crate::trust::openpgp::read_keyring;
use crate::trust::x509::FetchedCrls;
use crate::trust::{Algorithm, Authenticator, Key, KeySet, PrivateKey, PssSalt, SignerSet as _, Signers};

mod forms;
mod openpgp;

const GCLOUD: &str = "Google cloud binauthz container signature";
const KRITIS: &str = "atomic container signature";
/// What gpg signed in the fixtures.
const DIGEST: &str = "sha256:f20c43161d73848408ef247f0ec7111b19fe58ffebc0cbcaa0d2c8bda4967268";
const REPOSITORY: &str = "registry.example/team/app";

fn fixture(path: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fs::read(fixtures.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn gpg(name: &str) -> Vec<u8> {
    fixture(&format!("gpg/cli/{name}"))
}

fn private(name: &str, algorithm: Algorithm, salt: PssSalt) -> PrivateKey {
    let pem = String::from_utf8(fixture(&format!("keys/throw-away-{name}.key.pem"))).unwrap();
    PrivateKey::from_pem(&pem, algorithm, salt).unwrap()
}

fn p256() -> PrivateKey {
    private("p256", Algorithm::EcdsaSha256, PssSalt::default())
}

/// An attestor with these keys, and the OpenPGP keys of these keyrings.
fn attestor(keys: &[&PrivateKey], keyrings: &[&str]) -> AttestorSet {
    let key = |key: &&PrivateKey| Key {
        public: key.public(),
        not_before: None,
        not_after: None,
        origin: "attestor.pem".to_owned(),
        remote: None,
    };
    let keys = (!keys.is_empty())
        .then(|| KeySet::new("attestor".to_owned(), keys.iter().map(key).collect()).unwrap());
    let read = keyrings.iter().map(|name| read_keyring(&gpg(&format!("{name}.keyring.gpg"))).unwrap());
    let openpgp = (!keyrings.is_empty()).then(|| GpgSet::new(read.collect(), Vec::new()).unwrap());
    AttestorSet::new(keys, openpgp).unwrap()
}

/// A payload as gcloud writes it.
fn payload(reference: &str, digest: &str, kind: &str) -> String {
    let critical = json!({
        "identity": { "docker-reference": reference },
        "image": { "docker-manifest-digest": digest },
        "type": kind,
    });
    serde_json::to_string_pretty(&json!({ "critical": critical })).unwrap() + "\n"
}

fn good() -> String {
    payload(REPOSITORY, DIGEST, GCLOUD)
}

/// An occurrence of v1 with one signature.
fn occurrence(payload: &str, signature: &[u8]) -> Value {
    json!({
        "name": "projects/p/occurrences/1",
        "resourceUri": format!("https://{REPOSITORY}@{DIGEST}"),
        "noteName": "projects/p/notes/n",
        "kind": "ATTESTATION",
        "attestation": {
            "serializedPayload": STANDARD.encode(payload),
            "signatures": [{ "signature": STANDARD.encode(signature), "publicKeyId": "anything" }],
        },
    })
}

fn signed(key: &PrivateKey, payload: &str) -> Value {
    occurrence(payload, &key.sign(payload.as_bytes()).unwrap())
}

/// Who signed, or the kind of the error.
fn outcome(document: impl AsRef<[u8]>, set: &AttestorSet) -> String {
    let digest = Digest::parse(DIGEST).unwrap();
    let subject = Subject {
        digest: &digest,
        repositories: &[REPOSITORY.to_owned()],
        content: ("", 0),
        annotations: &BTreeMap::new(),
        identity: RepositoryIdentity::Optional,
    };
    let attachment =
        Attachment::Grafeas { place: "file".to_owned(), document: document.as_ref().to_vec().into() };
    let authenticator = Authenticator::of("attestor".to_owned(), Signers::Attestor(Box::new(set.clone())));
    let now = "2026-11-02T00:00:00Z".parse().unwrap();
    match crate::signature::verify(&attachment, &authenticator, &subject, now) {
        Ok(proof) => proof.identity().to_string(),
        Err(error) => {
            let message = crate::untrusted::error_chain(&error);
            assert!(!message.contains(char::is_control), "{message:?}");
            let debug = format!("{error:?}");
            let mut words = debug.split([' ', '(', '{', ')']).filter(|word| !word.is_empty());
            let first = words.next().unwrap_or_default().to_owned();
            let inner = words.next().filter(|_| ["Attestor", "Gpg"].contains(&first.as_str()));
            inner.map_or(first, str::to_owned)
        }
    }
}

#[test]
fn every_algorithm_of_binary_authorization_verifies_with_its_own_key_only() {
    let hash = PssSalt::default();
    let keys = [
        ("rsa-2048", Algorithm::RsaPssSha256, hash),
        ("rsa-2048", Algorithm::RsaPssSha256, PssSalt::Maximum),
        ("rsa-3072", Algorithm::RsaPssSha256, hash),
        ("rsa-2048", Algorithm::RsaPssSha512, hash),
        ("rsa-2048", Algorithm::RsaPkcs1Sha256, hash),
        ("rsa-3072", Algorithm::RsaPkcs1Sha256, hash),
        ("rsa-2048", Algorithm::RsaPkcs1Sha512, hash),
        ("p256", Algorithm::EcdsaSha256, hash),
        ("p384", Algorithm::EcdsaSha384, hash),
        ("p521", Algorithm::EcdsaSha512, hash),
    ]
    .map(|(name, algorithm, salt)| private(name, algorithm, salt));
    for (signer_at, signer) in keys.iter().enumerate() {
        let document = signed(signer, &good()).to_string();
        for (verifier_at, verifier) in keys.iter().enumerate() {
            let expected = match signer_at == verifier_at {
                true => verifier.public().fingerprint().to_owned(),
                false => "Untrusted".to_owned(),
            };
            let found = outcome(&document, &attestor(&[verifier], &[]));
            assert_eq!(found, expected, "{signer_at} by {verifier_at}");
        }
    }
}

#[test]
fn what_is_signed_must_be_about_the_image() {
    let key = p256();
    let set = attestor(&[&key], &[]);
    let other = DIGEST.replace("f20c", "020c");
    let changed = |from: &str, to: &str| {
        assert!(good().contains(from), "{from}");
        good().replacen(from, to, 1)
    };
    for (name, payload, expected) in [
        ("gcloud", good(), key.public().fingerprint()),
        ("kritis", payload(REPOSITORY, DIGEST, KRITIS), key.public().fingerprint()),
        (
            "the documentation",
            payload(REPOSITORY, DIGEST, "Google Cloud BinAuthz container signature"),
            key.public().fingerprint(),
        ),
        ("another digest", payload(REPOSITORY, &other, GCLOUD), "OtherDigest"),
        ("another repository", payload("registry.example/team/other", DIGEST, GCLOUD), "OtherRepository"),
        ("a scheme", payload("https://registry.example/team/app", DIGEST, GCLOUD), "OtherRepository"),
        (
            "a digest in the name",
            payload(&format!("{REPOSITORY}@{DIGEST}"), DIGEST, GCLOUD),
            "OtherRepository",
        ),
        ("of cosign", payload(REPOSITORY, DIGEST, "cosign container image signature"), "Type"),
        ("no type", payload(REPOSITORY, DIGEST, ""), "Type"),
        ("another field", changed("\"type\"", "\"more\": 1, \"type\""), "Malformed"),
        ("a field twice", changed("\"type\"", "\"type\": \"x\", \"type\""), "Malformed"),
        ("two documents", good() + "{}", "Malformed"),
        ("not JSON", "x".to_owned(), "Malformed"),
    ] {
        assert_eq!(outcome(signed(&key, &payload).to_string(), &set), expected, "{name}");
    }
}

#[test]
fn any_signature_by_any_key_counts_and_the_identity_is_the_key() {
    let (one, two) = (p256(), private("p384", Algorithm::EcdsaSha384, PssSalt::default()));
    let payload = good();
    let signature =
        |key: &PrivateKey| json!({ "signature": STANDARD.encode(key.sign(payload.as_bytes()).unwrap()) });
    let mut document = signed(&one, &payload);
    document["attestation"]["signatures"] = json!([signature(&two), signature(&one)]);
    for (set, expected) in [
        (attestor(&[&one], &[]), one.public()),
        (attestor(&[&two], &[]), two.public()),
        (attestor(&[&one, &two], &["ed25519"]), two.public()),
    ] {
        assert_eq!(outcome(document.to_string(), &set), expected.fingerprint());
    }
    document["attestation"]["signatures"] = Value::Array(vec![signature(&two); 5]);
    assert_eq!(outcome(document.to_string(), &attestor(&[&two], &[])), "Count");
}

#[test]
fn an_attestor_has_the_keys_of_both_kinds() {
    let key = p256();
    let set = attestor(&[&key], &["ed25519"]);
    let crate::trust::Identities::Named(named) = set.identities() else { panic!("a pattern") };
    assert_eq!(named.len(), 2);
    assert_eq!(
        set.entries().len(),
        attestor(&[&key], &[]).entries().len() + attestor(&[], &["ed25519"]).entries().len()
    );
    assert!(AttestorSet::new(None, None).is_none());
    let authenticator = Authenticator::of("attestor".to_owned(), Signers::Attestor(Box::new(set)));
    let denied = authenticator.clone().without(&|_| Some("lost".to_owned()));
    let Signers::Attestor(set) = denied.signers() else { panic!("another kind") };
    assert_eq!(outcome(signed(&key, &good()).to_string(), set), "Untrusted");
    let denied = authenticator.denying(&deny_all());
    let Signers::Attestor(set) = denied.signers() else { panic!("another kind") };
    let document = openpgp::occurrence_of(&gpg("armored.signature"), None).to_string();
    assert_eq!(outcome(document, set), "Denied");
}

/// Every name of the key of gpg.
fn deny_all() -> BTreeMap<String, String> {
    let set = attestor(&[], &["ed25519"]);
    set.openpgp().unwrap().deniable().map(|name| (name, "lost".to_owned())).collect()
}

/// 64 attestations with four signatures, 16 keys: else 8192 verifications.
#[test]
fn the_verifications_for_one_image_are_bounded() {
    let (wrong, right) = (p256(), private("p384", Algorithm::EcdsaSha384, PssSalt::default()));
    let set = attestor(&[&right], &[]);
    let digest = Digest::parse(DIGEST).unwrap();
    let annotations = BTreeMap::new();
    let subject = Subject {
        digest: &digest,
        repositories: &[REPOSITORY.to_owned()],
        content: ("application/vnd.oci.image.manifest.v1+json", 2),
        annotations: &annotations,
        identity: RepositoryIdentity::default(),
    };
    let (attempts, crls) = (Attempts::default(), FetchedCrls::default());
    let known = Known { now: "2026-11-02T00:00:00Z".parse().unwrap(), crls: &crls, attempts: &attempts };
    let payload = good();
    let mut four = signed(&wrong, &payload);
    let signature = four["attestation"]["signatures"][0].clone();
    four["attestation"]["signatures"] = json!([signature, signature, signature, signature]);
    let (four, right) = (four.to_string(), signed(&right, &payload).to_string());
    let judge = |document: &str| verify(document.as_bytes(), &set, &subject, known);
    // Four signatures over the payload or its encoding: eight.
    for number in 1..64 {
        assert_ne!(judge(&four).err().unwrap().fault(), Some(Fault::TooManyAttempts), "{number}");
    }
    assert!(judge(&right).is_ok());
    assert_eq!(judge(&four).err().unwrap().fault(), Some(Fault::TooManyAttempts));
    assert_eq!(judge(&right).err().unwrap().fault(), Some(Fault::TooManyAttempts));
}
