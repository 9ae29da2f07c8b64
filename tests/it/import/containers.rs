//! policy.json of containers/image: generated policies decide as the original, or more strictly with a note.

use proptest::prelude::*;
use pullgate::trust::TrustedRoot;
use pullgate_import::{self as import, Imported, Options};

use super::policy_json::{self, PolicyJson, compare};
use super::{expect, gpg, key, load};

/// What is imported of a policy whose keys are in `/keys`.
fn imported(policy: &PolicyJson) -> Imported {
    let files = |path: &str| {
        Ok(match path {
            "/keys/one.pub" => key("p256").into_bytes(),
            "/keys/two.pub" => key("ed25519").into_bytes(),
            _ => return Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        })
    };
    import::containers(policy.document("/keys").as_bytes(), &files, None, Options::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_policy_is_never_wider_than_in_containers_image(
        original in policy_json::policies(),
        names in prop::collection::vec(policy_json::names(), 24),
    ) {
        let imported = imported(&original);
        let policy = load(&imported);
        for name in &names {
            compare(&original, &imported, &policy, name);
        }
    }
}

/// What containers/image does not load must not become a policy that admits.
#[test]
fn a_document_that_the_original_refuses_is_not_imported() {
    let accept = r#"{"type": "insecureAcceptAnything"}"#;
    let signed = |fields: &str| {
        format!(r#"{{"type": "sigstoreSigned", "signedIdentity": {{"type": "matchRepository"}}, {fields}}}"#)
    };
    let files = |_: &str| Ok(key("p256").into_bytes());
    for (requirement, is_imported) in [
        (accept.to_owned(), true),
        (signed(r#""keyPath": "/keys/one.pub""#), true),
        (r#"{"type": "insecureAcceptAnything", "more": 1}"#.to_owned(), false),
        (signed(r#""keyPath": "/keys/one.pub", "keyPaths": ["/keys/two.pub"]"#), false),
        (signed(r#""keyPath": "/keys/one.pub", "fulcio": null"#), false),
        (signed(r#""keyPaths": []"#), false),
        (signed(r#""keyPath": "/keys/one.pub", "more": 1"#), false),
    ] {
        for document in [
            format!(r#"{{"default": [{requirement}]}}"#),
            format!(
                r#"{{"default": [{accept}], "transports": {{"docker": {{"a.example": [{requirement}]}}}}}}"#
            ),
        ] {
            let imported = import::containers(document.as_bytes(), &files, None, Options::default());
            assert_eq!(imported.is_ok(), is_imported, "{document}: {imported:?}");
        }
        let other = format!(r#"{{"default": [{accept}], "transports": {{"dir": {{"/": []}}}}}}"#);
        assert!(import::containers(other.as_bytes(), &files, None, Options::default()).is_err());
    }
}

/// containers/image verifies with SHA-256 whatever the key is (`signature/internal/sigstore_payload.go`).
#[test]
fn every_curve_is_verified_with_sha_256() {
    let files = |path: &str| Ok(key(path).into_bytes());
    let document = |keys: &str| {
        format!(
            r#"{{"default": [{{"type": "sigstoreSigned", "keyPaths": [{keys}], "signedIdentity": {{"type": "matchRepository"}}}}]}}"#
        )
    };
    let document = document(r#""p256", "p384", "p521", "rsa-2048", "ed25519""#);
    let imported = import::containers(document.as_bytes(), &files, None, Options::default()).unwrap();
    let policy = load(&imported);
    assert_eq!(imported.notes(), []);
    let declared: Vec<&str> =
        policy.authenticators().flat_map(|it| it.keys()).map(|it| it.public.algorithm().name()).collect();
    assert_eq!(
        declared,
        ["ECDSA_SHA_256", "ECDSA_P384_SHA_256", "ECDSA_P521_SHA_256", "RSA_PKCS1_SHA_256", "ED25519"]
    );
}

/// The certificates of a private PKI, by one name.
#[test]
fn certificates_of_a_pki_are_imported() {
    let root = pullgate_test::repository().join("tests/fixtures/pki/ca.pem").display().to_string();
    let middle = pullgate_test::repository().join("tests/fixtures/pki/middle.pem").display().to_string();
    let files = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let import = |fields: &str, more: &str| {
        let document = format!(
            r#"{{"default": [{{"type": "sigstoreSigned", "pki": {{{fields}}}, "signedIdentity": {{"type": "matchRepository"}}{more}}}]}}"#
        );
        import::containers(document.as_bytes(), &files, None, Options::default())
    };
    let roots = format!(r#""caRootsPath": "{root}""#);
    let email = r#""subjectEmail": "release@example.com""#;
    let imported = import(&format!(r#"{roots}, "caIntermediatesPath": "{middle}", {email}"#), "").unwrap();
    assert_eq!(imported.notes(), []);
    let text = imported.policy();
    let expected = format!(
        "type = \"certificate\"\nca = [\"{root}\"]\nintermediates = [\"{middle}\"]\nnames = [\"email:release@example.com\"]\n"
    );
    assert!(text.contains(&expected), "{text}");
    load(&imported);
    for (fields, more, stricter) in [
        (format!(r#"{roots}, "subjectHostname": "build.example.com""#), "", Some(true)),
        (format!(r#"{roots}, {email}, "subjectHostname": "build.example.com""#), "", Some(true)),
        (format!(r#"{roots}, "subjectEmail": "*@example.com""#), "", Some(true)),
        (format!(r#""caRootsData": "LQ==", {email}"#), "", Some(true)),
        (roots.clone(), "", None),
        (email.to_owned(), "", None),
        (format!(r#"{roots}, "caRootsData": "LQ==", {email}"#), "", None),
        (format!(r#"{roots}, {email}, "more": 1"#), "", None),
        (format!("{roots}, {email}"), r#", "rekorPublicKeyPath": "/rekor.pub""#, None),
    ] {
        let imported = import(&fields, more);
        let found = imported.as_ref().ok().map(|it| it.notes().iter().any(|note| note.effect.differs()));
        assert_eq!(found, stricter, "{fields}: {imported:?}");
        if let Ok(imported) = imported {
            load(&imported);
        }
    }
}

/// A key that is revoked in one keyring does not count by another one. Only keyrings with the same packets are one.
#[test]
fn keyrings_are_one_authenticator_only_if_they_are_equal() {
    let armored = String::from_utf8(gpg("ed25519.keyring.asc")).unwrap();
    let commented = |comment: &[u8]| {
        let (first, rest) = armored.split_once('\n').unwrap();
        [first.as_bytes(), b"\nComment: ", comment, b"\n", rest.as_bytes()].concat()
    };
    let latin = [commented(b"caf\xe9"), b"\xe9\n".to_vec()].concat();
    let files = |path: &str| {
        Ok(match path {
            "/keys/1/old.gpg" => gpg("not-yet-revoked.keyring.gpg"),
            "/keys/2/new.gpg" => gpg("revoked.keyring.gpg"),
            "/keys/3/again.gpg" => gpg("not-yet-revoked.keyring.gpg"),
            "/keys/4/ed.asc" => armored.clone().into_bytes(),
            "/keys/5/utf-8.asc" => commented("é".as_bytes()),
            "/keys/6/latin.asc" => latin.clone(),
            _ => return Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        })
    };
    let names = ["1/old.gpg", "2/new.gpg", "3/again.gpg", "4/ed.asc", "5/utf-8.asc", "6/latin.asc"];
    let scopes: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                r#""{}.example": [{{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/keys/{name}", "signedIdentity": {{"type": "matchRepository"}}}}]"#,
                &name[..1]
            )
        })
        .collect();
    let document = format!(
        r#"{{"default": [{{"type": "reject"}}], "transports": {{"docker": {{{}}}}}}}"#,
        scopes.join(", ")
    );
    let imported = import::containers(document.as_bytes(), &files, None, Options::default()).unwrap();
    expect(
        &load(&imported),
        &[
            ("default", "1.example/app", "old"),
            ("default", "2.example/app", "new"),
            ("default", "3.example/app", "old"),
            ("default", "4.example/app", "ed"),
            ("default", "5.example/app", "ed"),
            ("default", "6.example/app", "ed"),
        ],
    );
}

/// Base64 of a trusted root as PEM.
fn pem(label: &str, base64: &serde_json::Value) -> String {
    let lines: Vec<&str> = base64
        .as_str()
        .unwrap()
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// `rekorPublicKey…` and `fulcio` need a trusted root with exactly what the document names.
#[test]
fn log_entries_and_certificates_of_fulcio_are_imported_with_a_trusted_root() {
    let roots = ["public-good", "production"].map(|name| {
        let path = pullgate_test::repository().join(format!("tests/fixtures/sigstore/roots/{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        (TrustedRoot::parse(path.display().to_string(), &text).unwrap(), document)
    });
    let [(root, document), (two_logs, _)] = &roots;
    let rekor = pem("PUBLIC KEY", &document["tlogs"][0]["publicKey"]["rawBytes"]);
    let authorities = document["certificateAuthorities"].as_array().unwrap();
    let ca_of = |authority: &serde_json::Value| {
        pem(
            "CERTIFICATE",
            &authority["certChain"]["certificates"].as_array().unwrap().last().unwrap()["rawBytes"],
        )
    };
    let files = |path: &str| {
        Ok(match path {
            "rekor" => rekor.clone(),
            "fulcio" => authorities.iter().map(ca_of).collect(),
            "one" => ca_of(&authorities[0]),
            "ca" => std::fs::read_to_string(pullgate_test::repository().join("tests/fixtures/pki/ca.pem"))
                .unwrap(),
            name => key(name),
        }
        .into_bytes())
    };
    let fulcio = |ca: &str, email: &str| {
        format!(
            r#""fulcio": {{"caPath": "{ca}", "oidcIssuer": "https://issuer.example", "subjectEmail": "{email}"}}"#
        )
    };
    let by_key = r#""keyPath": "p256""#;
    let email = "a@example.com";
    let (logged, keyless) = (
        format!("log = \"required\"\ntrust-root = \"{}\"\n", root.origin()),
        format!(
            "type = \"keyless\"\ntrust-root = \"{}\"\nissuer = \"https://issuer.example\"\nsubject = \"{email}\"\n",
            root.origin()
        ),
    );
    let rekor_path = r#""rekorPublicKeyPath": "rekor""#;
    let data = format!(r#""rekorPublicKeyDatas": ["{}"]"#, super::base64(&rekor));
    let log = "does not list its transparency log";
    // What is written, and the note; a note for images that are refused ends with it.
    for (name, signed, log_keys, root, written, note) in [
        ("its log", by_key, rekor_path, root, &logged[..], None),
        ("the log as data", by_key, &data, root, &logged, None),
        ("another log", by_key, r#""rekorPublicKeyPath": "p256""#, root, "deny = ", Some(log)),
        (
            "one of two logs",
            by_key,
            r#""rekorPublicKeyPaths": ["rekor", "p256"]"#,
            root,
            &logged,
            Some("every transparency log"),
        ),
        (
            "more logs in the root",
            by_key,
            rekor_path,
            two_logs,
            "deny = ",
            Some("lists another transparency log"),
        ),
        (
            "a key without entries",
            r#""keyPath": "p384""#,
            rekor_path,
            root,
            "deny = ",
            Some("ECDSA_P384_SHA_256"),
        ),
        ("fulcio", &fulcio("fulcio", email), rekor_path, root, &keyless, Some("also requires")),
        ("another CA", &fulcio("ca", email), rekor_path, root, "deny = ", Some("does not list its CA")),
        ("one of its CAs", &fulcio("one", email), rekor_path, root, "deny = ", Some("lists another CA")),
        (
            "another log of fulcio",
            &fulcio("fulcio", email),
            r#""rekorPublicKeyPath": "p256""#,
            root,
            "deny = ",
            Some(log),
        ),
        ("a wildcard", &fulcio("fulcio", "*@example.com"), rekor_path, root, "deny = ", Some("wildcard")),
    ] {
        let document = format!(
            r#"{{"default": [{{"type": "reject"}}], "transports": {{"docker": {{"r.example": [{{"type": "sigstoreSigned", {signed}, {log_keys}, "signedIdentity": {{"type": "matchRepository"}}}}]}}}}}}"#
        );
        let imported =
            import::containers(document.as_bytes(), &files, Some(root), Options::default()).unwrap();
        load(&imported);
        assert!(imported.policy().contains(written), "{name}: {}", imported.policy());
        let notes: Vec<String> = imported.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), usize::from(note.is_some()), "{name}: {notes:?}");
        assert!(note.is_none_or(|note| notes[0].contains(note)), "{name}: {notes:?}");
    }
    for refused in [
        fulcio("fulcio", email),
        format!(r#"{by_key}, {rekor_path}, {data}"#),
        format!(r#"{by_key}, "rekorPublicKeyPaths": []"#),
        format!(r#"{by_key}, "rekorPublicKeyData": "-""#),
        format!(r#"{rekor_path}, "fulcio": {{"caPath": "fulcio", "oidcIssuer": "https://issuer.example"}}"#),
    ] {
        let document = format!(
            r#"{{"default": [{{"type": "sigstoreSigned", {refused}, "signedIdentity": {{"type": "matchRepository"}}}}]}}"#
        );
        let imported = import::containers(document.as_bytes(), &files, Some(root), Options::default());
        assert!(imported.is_err(), "{document}");
    }
}

/// containers/image's own example (`signature/fixtures/policy.json`), whose keys do not exist.
#[test]
fn the_example_of_containers_image_is_not_wider() {
    let path = pullgate_test::repository().join("tests/fixtures/import/containers-image/policy.json");
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let files = |path: &str| {
        Ok(if path.contains("gpg") { gpg("ed25519.keyring.gpg") } else { key("p256").into_bytes() })
    };
    let import = |document: &serde_json::Value| {
        import::containers(document.to_string().as_bytes(), &files, None, Options::default())
    };
    let all = document["transports"]["docker"].as_object().unwrap().clone();
    let imported = import(&document).unwrap();
    let policy = load(&imported);
    let verdicts: Vec<String> = all
        .keys()
        .filter(|scope| !scope.starts_with('*'))
        .map(|scope| format!("{scope}: {}", super::verdict(&policy, &format!("{scope}/app"), "default")))
        .collect();
    let admitted: Vec<&String> = verdicts.iter().filter(|verdict| !verdict.ends_with(": deny")).collect();
    // The others need the tag in the signature, another name in it, or keys of types that containers/image does not verify.
    assert_eq!(
        admitted,
        ["example.com/playground: allow", "example.com/sigstore/key-path-example: public-key"]
    );
    assert_eq!(verdicts.len(), 11);
}
