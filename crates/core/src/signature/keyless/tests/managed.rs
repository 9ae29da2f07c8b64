//! Log entries of signatures by keys: the bundle of a managed key of sigstore-verify's test data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::trust::{Algorithm, Key, KeySet, KeylessSetError, PssSalt, PublicKey};

/// The bundle, and its key, which the log entry has.
fn managed() -> (Value, PublicKey) {
    let bundle: Value = serde_json::from_slice(&fixture("bundles/managed-key.sigstore.json")).unwrap();
    let body = bundle["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"].as_str().unwrap();
    let body: Value = serde_json::from_slice(&STANDARD.decode(body).unwrap()).unwrap();
    let pem = STANDARD.decode(body["spec"]["signature"]["publicKey"]["content"].as_str().unwrap()).unwrap();
    let pem = String::from_utf8(pem).unwrap();
    (bundle, PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap())
}

fn check(bundle: &Value, key: &PublicKey, root_name: &str, now: Timestamp) -> Result<(), KeylessError> {
    let text = bundle.to_string();
    let digest = suite::message_digest(text.as_bytes());
    Logged { roots: &[root(root_name)], key, now }.check(&text, &Artifact::Digest(digest))
}

#[test]
fn an_entry_must_be_by_a_trusted_log_and_about_this_key() {
    let (bundle, key) = managed();
    check(&bundle, &key, "production", now()).unwrap();
    let mut donor = bundle.clone();
    let entry = "/verificationMaterial/tlogEntries/0";
    let other: Value = serde_json::from_slice(&fixture("bundles/cosign-v3-blob.sigstore.json")).unwrap();
    *donor.pointer_mut(entry).unwrap() = other.pointer(entry).unwrap().clone();
    let mut without_promise = bundle.clone();
    without_promise.pointer_mut(entry).unwrap()["inclusionProof"] = json!(null);
    let stranger = rcgen::KeyPair::generate().unwrap().public_key_pem();
    let stranger = PublicKey::from_pem(&stranger, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    for (about, result, expected) in [
        ("other root", check(&bundle, &key, "staging", now()), "UntrustedLog"),
        ("other entry", check(&donor, &key, "production", now()), "OtherLogEntry"),
        ("no proof", check(&without_promise, &key, "production", now()), "NoLogEntry"),
        ("other key", check(&bundle, &stranger, "production", now()), "Mismatch"),
        ("before it", check(&bundle, &key, "production", Timestamp::UNIX_EPOCH), "Future"),
    ] {
        let error = format!("{:?}", result.unwrap_err());
        assert!(error.starts_with(expected), "{about}: {error}");
    }
}

#[test]
fn only_keys_and_roots_with_entries_that_are_read_are_accepted() {
    let (_, public) = managed();
    let set = |algorithm| {
        let public = match algorithm {
            Algorithm::EcdsaSha256 => public.clone(),
            _ => PublicKey::from_pem(&test_key("ed25519"), algorithm, PssSalt::default()).unwrap(),
        };
        let key = Key { public, not_before: None, not_after: None, origin: "a".to_owned(), remote: None };
        KeySet::new("a".to_owned(), vec![key]).unwrap()
    };
    let logged = set(Algorithm::EcdsaSha256).logged(vec![root("production")]).unwrap();
    assert_eq!(logged.log_roots().len(), 1);
    assert!(set(Algorithm::Ed25519).logged(vec![root("production")]).is_ok());
    let refused = |algorithm, roots| set(algorithm).logged(roots).unwrap_err();
    let error = refused(Algorithm::Ed25519ph, vec![root("production")]);
    assert_eq!(error, KeylessSetError::Algorithm(Algorithm::Ed25519ph));
    assert_eq!(refused(Algorithm::EcdsaSha256, vec![]), KeylessSetError::NoRoots);
    let error = refused(Algorithm::EcdsaSha256, vec![root("github")]).to_string();
    assert_eq!(error, "trusted root roots/github.json has no transparency log, which `log` requires");
}

fn test_key(name: &str) -> String {
    let file = format!("../../tests/fixtures/keys/throw-away-{name}.pub.pem");
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}
