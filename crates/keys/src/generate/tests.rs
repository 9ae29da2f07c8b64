use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use pullgate_core::trust::Algorithm;

#[tokio::test]
async fn makes_each_kind_once_and_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    // The larger RSA keys are slow to generate without optimisation; they differ by a number.
    for (kind, algorithm) in [
        (KeyKind::Rsa2048, Algorithm::RsaPssSha256),
        (KeyKind::P256, Algorithm::EcdsaSha256),
        (KeyKind::P384, Algorithm::EcdsaSha384),
        (KeyKind::P521, Algorithm::EcdsaSha512),
        (KeyKind::Ed25519, Algorithm::Ed25519),
    ] {
        let path = directory.path().join(kind.name());
        let location = Location::File(path.clone());
        let settings = KeySettings::default();
        generate(&location, kind, false, &settings).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = crate::open(&location, Some(algorithm), &settings).await.unwrap();
        let signature = key.sign(b"message").await.unwrap();
        assert!(key.public().verify(b"message", &signature).is_ok(), "{kind:?}");
        // OpenSSL reads it and computes the same public key.
        let read = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&path).output().unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), key.public().pem(), "{kind:?}");
        let before = fs::read(&path).unwrap();
        let again = generate(&location, kind, false, &settings).await;
        assert!(matches!(again, Err(KeysError::Exists { .. })), "{again:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn encrypts_so_that_openssl_and_we_decrypt() {
    let directory = tempfile::tempdir().unwrap();
    let (path, passphrase) = (directory.path().join("key"), directory.path().join("passphrase"));
    fs::write(&passphrase, "hunter2\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let settings = KeySettings { passphrase: Passphrase::File(passphrase.clone()), ..KeySettings::default() };
    let location = Location::File(path.clone());
    generate(&location, KeyKind::P256, true, &settings).await.unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let key = crate::open(&location, None, &settings).await.unwrap();
    let read = Command::new("openssl")
        .args(["pkey", "-pubout", "-passin", "pass:hunter2", "-in"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), key.public().pem());
    fs::write(&passphrase, "hunter3\n").unwrap();
    assert!(crate::open(&location, None, &settings).await.is_err());
}

#[tokio::test]
async fn a_failed_generation_leaves_no_key() {
    let directory = tempfile::tempdir().unwrap();
    // Without a passphrase there is no key, rather than an unencrypted one.
    let open = directory.path().join("passphrase");
    fs::write(&open, "hunter2\n").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let other = directory.path().join("other");
    for (passphrase, expected) in [("/nonexistent".into(), "cannot be read"), (open.clone(), "chmod 600 /")] {
        let settings = KeySettings { passphrase: Passphrase::File(passphrase), ..KeySettings::default() };
        let error =
            generate(&Location::File(other.clone()), KeyKind::P256, true, &settings).await.unwrap_err();
        assert!(matches!(error, KeysError::NoPassphrase { .. }), "{error:?}");
        let text = pullgate_core::untrusted::error_chain(&error);
        assert!(text.contains("was not created") && text.contains(expected), "{text}");
        assert!(!text.contains("is encrypted") && !text.contains("hunter2"), "{text}");
        assert!(!other.exists());
    }
    let nowhere = Location::File(directory.path().join("none/key"));
    let error = generate(&nowhere, KeyKind::P256, false, &KeySettings::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("none/key cannot be written"), "{error}");
}
