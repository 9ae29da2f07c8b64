//! Roots of Sigstore's repositories, and what no repository of the tests makes. The others are in tests/it/attacks/tuf.rs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

/// A file of `tests/fixtures/tuf`.
fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tuf").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The roots with which Sigstore's Rust libraries begin: of the public instance, of its staging, and of GitHub.
const ROOTS: [(&str, u64, &str); 3] = [
    ("public-good.root.json", 16, "2027-04-22T19:27:31Z"),
    ("staging.root.json", 15, "2027-03-13T01:31:42Z"),
    ("github.root.json", 9, "2027-01-28T20:18:53Z"),
];

#[test]
fn roots_of_sigstores_repositories_are_accepted() {
    for (file, version, expires) in ROOTS {
        let root = Trusted::pinned(&fixture(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((root.root_version(), root.root_expires().to_string().as_str()), (version, expires));
        assert!(root.has_consistent_snapshots());
        let expires = root.root_expires();
        assert_eq!(root.check_root(expires), Err(TufError::Expired { role: Role::Root, expires }), "{file}");
        assert_eq!(root.check_root(expires - jiff::SignedDuration::from_secs(1)), Ok(()), "{file}");
    }
}

/// Each change of the signed part, and each signature less than the threshold.
#[test]
fn roots_that_were_changed_are_refused() {
    for (file, ..) in ROOTS {
        let original: Value = serde_json::from_slice(&fixture(file)).unwrap();
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut root = original.clone();
            change(&mut root);
            Trusted::pinned(root.to_string().as_bytes()).expect_err(file)
        };
        let threshold = original["signed"]["roles"]["root"]["threshold"].as_u64().unwrap();
        let signed = |error: &TufError, found| {
            let threshold = usize::try_from(threshold).unwrap();
            assert_eq!(*error, TufError::Threshold { role: Role::Root, found, threshold }, "{file}");
        };
        signed(&refused(&|root| root["signed"]["version"] = json!(100)), 0);
        signed(&refused(&|root| root["signed"]["expires"] = json!("2099-01-01T00:00:00Z")), 0);
        signed(&refused(&|root| root["signed"]["x"] = json!(1)), 0);
        signed(&refused(&|root| root["signatures"] = json!([])), 0);
        // One signature as often as you like is one.
        signed(
            &refused(&|root| {
                let signatures = root["signatures"].as_array().unwrap();
                let one = signatures.iter().find(|one| one["sig"] != "").unwrap().clone();
                root["signatures"] = json!(vec![one; 10]);
            }),
            1,
        );
        for (pointer, value, why) in [
            ("/signed/roles/root/threshold", json!(0), "a threshold is 0"),
            ("/signed/roles/root", json!(null), "a field of the role is missing or has the wrong type"),
            ("/signed/spec_version", json!("2.0.0"), "`spec_version` is not 1"),
            ("/signed/version", json!(0), "`version` is 0"),
            ("/signed/version", json!(1.5), "a field of `signed` is missing or has the wrong type"),
            ("/signed/expires", json!("tomorrow"), "`expires` is not a time"),
            ("/signed/x", json!(1.5), "a number is not an integer"),
            ("/signatures", json!({}), "`signed` or `signatures` is missing"),
            ("/signatures", json!(vec![json!({ "keyid": "a", "sig": "" }); 65]), "more than 64 signatures"),
        ] {
            let error = refused(&|root| {
                let (parent, field) = pointer.rsplit_once('/').unwrap();
                root.pointer_mut(parent).unwrap()[field] = value.clone();
            });
            assert_eq!(error, TufError::Malformed { why }, "{file} {pointer}");
        }
        let error = refused(&|root| root["signed"]["_type"] = json!("targets"));
        assert_eq!(error, TufError::OtherRole { expected: Role::Root });
    }
}

/// Written by python-tuf; of its files, those that no delegated role lists.
#[test]
fn a_repository_of_the_reference_implementation_is_accepted() {
    let file = |name: &str| fixture(&format!("reference/{name}"));
    let now: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let mut trusted = Trusted::pinned(&file("1.root.json")).unwrap();
    trusted.check_root(now).unwrap();
    assert!(!trusted.has_consistent_snapshots());
    trusted.timestamp(&file("timestamp.json"), now).unwrap();
    trusted.snapshot(&file("snapshot.json"), now).unwrap();
    trusted.targets(&file("targets.json"), now).unwrap();
    trusted.target("file1.txt").unwrap().check(&file("file1.txt")).unwrap();
    assert!(matches!(trusted.target("file3.txt"), Err(TufError::NoTarget { .. })), "of a delegated role");
}

#[test]
fn roots_that_others_refuse_are_refused() {
    for (name, found) in
        [("no-root-json-signatures", 0), ("invalid-root-json-signature", 0), ("duplicate-sigs", 1)]
    {
        let error = Trusted::pinned(&fixture(&format!("negative/{name}.root.json"))).expect_err(name);
        assert!(
            matches!(error, TufError::Threshold { role: Role::Root, found: it, .. } if it == found),
            "{name}: {error}"
        );
    }
}

/// A root whose only key has two identifiers, with `public` as its value, and both signatures.
fn root_of_one_key(public: impl Fn(&rcgen::KeyPair) -> String, threshold: usize) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let entry =
        json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": public(&key) } });
    let role = json!({ "keyids": ["a", "b"], "threshold": threshold });
    let signed = json!({
        "_type": "root", "spec_version": "1.0", "version": 1, "expires": "2099-01-01T00:00:00Z",
        "keys": { "a": entry, "b": entry },
        "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
    });
    let mut bytes = Vec::new();
    canonical::write(&signed, &mut bytes).unwrap();
    let signature = {
        use p256::ecdsa::signature::Signer as _;
        use p256::pkcs8::DecodePrivateKey as _;
        let signing = p256::ecdsa::SigningKey::from_pkcs8_der(key.serialized_der()).unwrap();
        let signature: p256::ecdsa::Signature = signing.sign(&bytes);
        crate::digest::hex(signature.to_der().as_bytes())
    };
    let by = |id: &str| json!({ "keyid": id, "sig": signature });
    json!({ "signatures": [by("a"), by("b")], "signed": signed }).to_string()
}

/// A key that has two identifiers signs once.
#[test]
fn a_key_counts_once() {
    let root = root_of_one_key(rcgen::KeyPair::public_key_pem, 2);
    let error = Trusted::pinned(root.as_bytes()).unwrap_err();
    assert_eq!(error, TufError::Threshold { role: Role::Root, found: 1, threshold: 2 });
}

/// The first roots of Sigstore have the points of their keys in hexadecimal.
#[test]
fn a_key_can_be_a_point_in_hexadecimal() {
    for (public, found) in [
        (|key: &rcgen::KeyPair| crate::digest::hex(key.public_key_raw()), 1),
        (|key: &rcgen::KeyPair| crate::digest::hex(&key.public_key_raw()[1..]), 0),
        (|key: &rcgen::KeyPair| crate::digest::hex(key.public_key_raw()).replacen("04", "05", 1), 0),
    ] as [(fn(&rcgen::KeyPair) -> String, usize); 3]
    {
        let trusted = Trusted::pinned(root_of_one_key(public, 1).as_bytes()).map(drop);
        let threshold = TufError::Threshold { role: Role::Root, found, threshold: 1 };
        assert_eq!(trusted, if found == 1 { Ok(()) } else { Err(threshold) });
    }
}

#[test]
fn nothing_is_trusted_before_what_vouches_for_it() {
    let mut trusted = Trusted::pinned(&fixture("public-good.root.json")).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(trusted.wanted_snapshot(), Err(TufError::Order));
    assert_eq!(trusted.snapshot(b"{}", now), Err(TufError::Order));
    assert_eq!(trusted.wanted_targets(), Err(TufError::Order));
    assert_eq!(trusted.targets(b"{}", now), Err(TufError::Order));
    assert_eq!(trusted.target("trusted_root.json"), Err(TufError::Order));
}

#[test]
fn canonical_json_escapes_two_characters() {
    let value = json!({ "b": [1, -2, true, null], "a": "line\nquote\" \\ \u{e9}", "A": {} });
    let mut bytes = Vec::new();
    canonical::write(&value, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "{\"A\":{},\"a\":\"line\nquote\\\" \\\\ \u{e9}\",\"b\":[1,-2,true,null]}");
}

proptest::proptest! {
    /// No bytes make it panic.
    #[test]
    fn arbitrary_metadata_is_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
        proptest::prop_assert!(Trusted::pinned(&bytes).is_err());
    }
}
