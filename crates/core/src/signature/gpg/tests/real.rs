//! What the real gpg makes.

use super::*;

/// `cli/NAME.signature` by the keys of `cli/NAME.keyring.gpg`.
fn open(signature: &str, keyring: &str, now: &str) -> Result<String, OpenPgpError> {
    let set = keys(&[&format!("cli/{keyring}.keyring.gpg")]);
    let signed = set.open(&fixture(&format!("cli/{signature}.signature")), at(now))?;
    assert_eq!(signed.data, fixture("cli/payload.json"), "{signature}");
    Ok(signed.identity.to_string())
}

#[test]
fn signatures_of_gpg_count_by_what_they_are_made_with() {
    let mut rows: Vec<(&str, &str, &str)> =
        ["rsa2048", "rsa4096", "nistp256", "nistp384", "nistp521", "ed25519"]
            .map(|key| (key, key, "ok"))
            .into();
    rows.extend([
        // Other hashes.
        ("rsa2048-sha256", "rsa2048", "ok"),
        ("rsa2048-sha384", "rsa2048", "ok"),
        ("nistp256-sha512", "nistp256", "ok"),
        ("nistp384-sha512", "nistp384", "ok"),
        ("rsa2048-sha1", "rsa2048", "Hash"),
        ("rsa2048-sha224", "rsa2048", "Hash"),
        ("rsa2048-ripemd160", "rsa2048", "Hash"),
        // Forms of the message.
        ("uncompressed", "ed25519", "ok"),
        ("parts", "ed25519", "ok"),
        ("zip", "ed25519", "ok"),
        ("zlib", "ed25519", "ok"),
        ("bzip2", "ed25519", "Compression"),
        ("armored", "ed25519", "Malformed"),
        ("cleartext", "ed25519", "Malformed"),
        ("text", "ed25519", "Kind"),
        ("detached", "ed25519", "Form"),
        ("symmetric", "ed25519", "Form"),
        ("unsigned", "ed25519", "Form"),
        ("two-signers", "several", "Form"),
        ("notation", "ed25519", "ok"),
        ("critical-notation", "ed25519", "Critical"),
        // Keys.
        ("ed25519", "several", "ok"),
        ("nistp256", "several", "ok"),
        ("rsa2048", "several", "UnknownKey"),
        ("family-1", "family", "ok"),
        ("family-2", "family", "ok"),
        ("weakly-bound", "strongly-bound", "ok"),
        ("weakly-bound", "weakly-bound", "NotBound"),
        ("weak", "weak", "ok"),
        ("revoked", "not-yet-revoked", "ok"),
        ("revoked", "revoked", "Revoked"),
        ("revoked-subkey", "revoked-subkey", "SubKeyRevoked"),
        ("other-subkey", "revoked-subkey", "ok"),
        ("ending", "ending", "KeyExpired"),
        ("ending", "extended", "ok"),
        ("ending-subkey", "ending-subkey", "SubKeyExpired"),
        ("ending-signature", "ed25519", "ok"),
        ("future", "ed25519", "Future"),
    ]);
    for (signature, keyring, expected) in rows {
        assert_eq!(outcome(&open(signature, keyring, NOW)), expected, "{signature} by {keyring}");
    }
}

#[test]
fn what_ends_ends_at_its_second() {
    for (signature, keyring, now, expected) in [
        ("ending", "ending", "2020-01-01T23:59:59Z", "ok"),
        ("ending", "ending", "2020-01-02T00:00:00Z", "KeyExpired"),
        // What the owner says later did not hold then.
        ("ending", "extended", "2020-01-01T12:00:00Z", "NotYet"),
        ("ending-subkey", "ending-subkey", "2020-01-01T23:59:59Z", "ok"),
        ("ending-subkey", "ending-subkey", "2020-01-02T00:00:00Z", "SubKeyExpired"),
        ("ending-signature", "ed25519", "2026-11-02T11:59:59Z", "ok"),
        ("ending-signature", "ed25519", "2026-11-02T12:00:00Z", "Expired"),
        ("future", "ed25519", "2098-12-31T23:59:59Z", "Future"),
        ("future", "ed25519", "2099-01-01T00:00:00Z", "ok"),
        ("ed25519", "ed25519", "2026-11-01T11:59:59Z", "NotYet"),
        ("ed25519", "ed25519", "2026-11-01T12:00:00Z", "ok"),
    ] {
        assert_eq!(outcome(&open(signature, keyring, now)), expected, "{signature} by {keyring} at {now}");
    }
}

#[test]
fn a_verdict_ends_with_the_signature_and_with_whatever_ends_of_its_key() {
    use crate::trust::SignerSet as _;
    let set = keys(&["cli/ed25519.keyring.gpg"]);
    let expires = |name: &str| set.open(&fixture(&format!("cli/{name}.signature")), at(NOW)).unwrap().expires;
    assert_eq!(expires("ed25519"), None);
    assert_eq!(expires("ending-signature"), Some(at("2026-11-02T12:00:00Z")));
    for (keyring, after, expected) in [
        ("ed25519", NOW, None),
        ("ending", "2020-01-01T00:00:00Z", Some("2020-01-02T00:00:00Z")),
        ("ending", NOW, None),
        ("ending", "2019-01-01T00:00:00Z", Some("2020-01-01T00:00:00Z")),
        ("ending-subkey", "2020-01-01T00:00:00Z", Some("2020-01-02T00:00:00Z")),
    ] {
        let end = keys(&[&format!("cli/{keyring}.keyring.gpg")]).first_end(at(after));
        assert_eq!(end, expected.map(at), "{keyring} after {after}");
    }
}

#[test]
fn a_sub_key_is_its_primary_key() {
    let primary = format!("openpgp4fpr:{}", key("cli/family.keyring.gpg"));
    for signature in ["family-1", "family-2"] {
        assert_eq!(open(signature, "family", NOW).unwrap(), primary, "{signature}");
    }
    let set = keys(&["cli/family.keyring.gpg", "cli/family.keyring.gpg"]);
    assert_eq!(set.counting().count(), 1);
}

#[test]
fn a_revocation_in_any_copy_of_a_key_counts() {
    let signature = fixture("cli/revoked.signature");
    for order in [["revoked", "not-yet-revoked"], ["not-yet-revoked", "revoked"]] {
        let set = keys(&order.map(|name| format!("cli/{name}.keyring.gpg")).each_ref().map(String::as_str));
        assert_eq!(outcome(&set.open(&signature, at(NOW))), "Revoked", "{order:?}");
    }
}

#[test]
fn only_accepted_keys_count() {
    let both = || vec![read_keyring(&fixture("cli/several.keyring.gpg")).unwrap()];
    let (first, second) = (key("cli/ed25519.keyring.gpg"), key("cli/nistp256.keyring.gpg"));
    let set = GpgSet::new(both(), vec![first]).unwrap();
    for (signature, expected) in [("ed25519", "ok"), ("nistp256", "NotAccepted")] {
        assert_eq!(outcome(&set.open(&fixture(&format!("cli/{signature}.signature")), at(NOW))), expected);
    }
    assert_eq!(set.counting().map(|it| *it.fingerprint()).collect::<Vec<_>>(), [first]);
    let unknown = key("cli/rsa2048.keyring.gpg");
    let refused = GpgSet::new(both(), vec![second, unknown]).unwrap_err();
    assert_eq!(refused, KeyringError::UnknownFingerprint { key: unknown });
    let family = read_keyring(&fixture("cli/family.keyring.gpg")).unwrap();
    let subkey = match keys(&["cli/several.keyring.gpg"]).open(&fixture("cli/family-1.signature"), at(NOW)) {
        Err(OpenPgpError::UnknownKey { issuer }) => Fingerprint::parse(&issuer).unwrap(),
        other => panic!("{other:?}"),
    };
    let refused = GpgSet::new(vec![family], vec![subkey]).unwrap_err();
    assert!(matches!(refused, KeyringError::SubKeyFingerprint { .. }), "{refused}");
}

#[test]
fn a_denied_key_does_not_count_by_any_of_its_names() {
    use crate::trust::SignerSet as _;
    let set = keys(&["cli/family.keyring.gpg"]);
    let names: Vec<String> = set.deniable().collect();
    // A primary key, two sub-keys that sign, and one that encrypts, which has only a fingerprint.
    assert_eq!(names.len(), 7, "{names:?}");
    let mut refused = 0;
    for name in &names {
        let mut set = set.clone();
        set.deny(&BTreeMap::from([(name.clone(), "lost".to_owned())]));
        for signature in ["family-1", "family-2"] {
            match outcome(&set.open(&fixture(&format!("cli/{signature}.signature")), at(NOW))).as_str() {
                "Denied" => refused += 1,
                other => assert_eq!(other, "ok", "{name} {signature}"),
            }
        }
    }
    // The two names of the primary key for both signatures, and the two of each sub-key for one.
    assert_eq!(refused, 2 * 2 + 2 * 2);
}

#[test]
fn a_signature_is_of_one_digest_in_one_repository() {
    let set = keys(&["cli/ed25519.keyring.gpg"]);
    let document = fixture("cli/ed25519.signature");
    let text = String::from_utf8(fixture("cli/payload.json")).unwrap();
    let signed = text.split('"').find(|part| part.starts_with("sha256:")).unwrap();
    let none = BTreeMap::new();
    for (digest, repository, expected) in [
        (signed, "registry.example/team/app", None),
        (signed, "registry.example/team/other", Some("signature is for another repository")),
        (
            &Digest::of(b"other").to_string(),
            "registry.example/team/app",
            Some("signature is for another digest"),
        ),
    ] {
        let digest = Digest::parse(digest).unwrap();
        let repositories = [repository.to_owned()];
        let subject = Subject {
            digest: &digest,
            repositories: &repositories,
            content: ("", 0),
            annotations: &none,
            identity: RepositoryIdentity::Optional,
        };
        let verified = verify(&document, &set, &subject, at(NOW)).map(|signed| signed.identity);
        let error = verified.err().map(|error| error.to_string());
        assert_eq!(error.is_none(), expected.is_none(), "{error:?}");
        assert!(error.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{repository}");
    }
}

#[test]
fn keyrings_are_read_in_every_form_and_nothing_else_is() {
    let armored = read_keyring(&fixture("cli/ed25519.keyring.asc")).unwrap();
    assert_eq!(armored[0].fingerprint(), &key("cli/ed25519.keyring.gpg"));
    let text = String::from_utf8(fixture("cli/ed25519.keyring.asc")).unwrap();
    let twice = format!("A comment.\n{text}\nAnother one.\n{text}");
    assert_eq!(read_keyring(twice.as_bytes()).unwrap().len(), 1);
    let binary = fixture("cli/ed25519.keyring.gpg");
    let written = crate::trust::openpgp::armor::encode(&binary);
    assert_eq!(read_keyring(written.as_bytes()).unwrap()[0].fingerprint(), armored[0].fingerprint());
    let (begin, _) = text.split_once("-----END").unwrap();
    let secret = text.replace("PUBLIC", "PRIVATE");
    let changed = text.replacen("mDM", "m!M", 1);
    for (name, file, expected) in [
        ("nothing", &b""[..], "Malformed"),
        ("a text", b"hello", "Malformed"),
        ("a message", &fixture("cli/ed25519.signature"), "Packet"),
        ("a signature alone", &fixture("cli/detached.signature"), "Packet"),
        ("no end", begin.as_bytes(), "Armor"),
        ("not base64", changed.as_bytes(), "Armor"),
        ("a secret key", secret.as_bytes(), "Secret"),
        ("a keybox", b"\0\0\0\x20\x01\x01\0\x02KBXf\0\0\0\0", "Keybox"),
        ("cut", &binary[..binary.len() - 1], "Malformed"),
        ("no self-signature", &binary[..53], "NoSelfSignature"),
        ("too large", &vec![b'x'; 2 << 20], "TooLarge"),
    ] {
        let error = read_keyring(file).map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{name}: {error:?}");
    }
}
