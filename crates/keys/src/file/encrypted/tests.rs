use std::path::Path;
use std::process::Command;

use super::*;
use pullgate_core::trust::{Algorithm, PrivateKey, PssSalt};

fn given(text: &str) -> impl FnOnce() -> Result<Zeroizing<String>, PassphraseError> {
    let text = text.to_owned();
    move || Ok(Zeroizing::new(text))
}

/// An encrypted P-256 key, made by openssl.
fn by_openssl(directory: &Path, options: &[&str]) -> String {
    let (plain, file) = (directory.join("plain.pem"), directory.join("encrypted.pem"));
    let run = |command: &mut Command| assert!(command.output().unwrap().status.success(), "{command:?}");
    run(Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
        .arg(&plain));
    run(Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:hunter2", "-in"])
        .arg(&plain)
        .arg("-out")
        .arg(&file)
        .args(options));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn decrypts_what_openssl_encrypts() {
    let directory = tempfile::tempdir().unwrap();
    for options in [
        &["-v2", "aes256"][..],
        &["-v2", "aes128", "-v2prf", "hmacWithSHA512"],
        &["-v2", "aes256", "-iter", "10000"],
        &["-scrypt"],
    ] {
        let text = by_openssl(directory.path(), options);
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
        let plain = decrypt(&text, given("hunter2")).unwrap().unwrap();
        let key = PrivateKey::from_pem(&plain, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        assert!(key.public().verify(b"m", &key.sign(b"m").unwrap()).is_ok());
        let wrong = decrypt(&text, given("hunter3"));
        // A wrong passphrase mostly shows in the padding; otherwise the key does not parse.
        let read =
            |text: &str| PrivateKey::from_pem(text, Algorithm::EcdsaSha256, PssSalt::default()).is_ok();
        assert!(!wrong.is_ok_and(|plain| plain.is_some_and(|text| read(&text))), "{options:?}");
    }
}

#[test]
fn the_cost_of_key_derivation_is_limited() {
    let directory = tempfile::tempdir().unwrap();
    let none = || -> Result<Zeroizing<String>, PassphraseError> { panic!("the price comes first") };
    for (options, dear) in [
        (&["-scrypt", "-scrypt_N", "2", "-scrypt_r", "8", "-scrypt_p", "17"][..], true),
        (&["-v2", "des3"], false),
        (&["-v1", "PBE-SHA1-3DES"], false),
    ] {
        let text = by_openssl(directory.path(), options);
        if dear {
            assert!(matches!(decrypt(&text, none), Err(EncryptedError::TooExpensive)), "{options:?}");
        } else {
            assert!(matches!(decrypt(&text, given("hunter2")), Err(EncryptedError::Scheme)), "{options:?}");
        }
    }
    for (n, r, p, paid) in [
        (1 << 15, 8, 1, true),
        (1 << 16, 8, 1, true),
        (1 << 18, 8, 1, true),
        (1 << 19, 8, 1, false),
        (1 << 15, 8, 16, false),
        (1 << 10, 8, 16, true),
        (3, 8, 1, false),
        (1 << 15, 0, 1, false),
        (1 << 15, 8, 0, false),
        (0, 8, 1, false),
        (1 << 63, 1 << 20, 1, false),
    ] {
        assert_eq!(check_scrypt(n, r, p).is_ok(), paid, "{n} {r} {p}");
    }
}

#[test]
fn refuses_documents_that_cosign_does_not_write() {
    let pem = |text: &str| pem::write("ENCRYPTED SIGSTORE PRIVATE KEY", text.as_bytes());
    let box_of = |kdf: &str, n: u64, cipher: &str, nonce: &str| {
        format!(
            r#"{{"kdf":{{"name":"{kdf}","params":{{"N":{n},"r":8,"p":1}},"salt":"AAAA"}},"cipher":{{"name":"{cipher}","nonce":"{nonce}"}},"ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAA"}}"#
        )
    };
    let nonce = "A".repeat(32);
    for (text, expected) in [
        (box_of("scrypt", 2, "nacl/secretbox", &nonce), "the passphrase is wrong"),
        (box_of("scrypt", 1 << 30, "nacl/secretbox", &nonce), "exceeds the limit"),
        (box_of("scrypt", 12345, "nacl/secretbox", &nonce), "not supported"),
        (box_of("argon2", 2, "nacl/secretbox", &nonce), "not supported"),
        (box_of("scrypt", 2, "aes", &nonce), "not supported"),
        (box_of("scrypt", 2, "nacl/secretbox", "AAAA"), "not supported"),
        ("{}".to_owned(), "not supported"),
        ("[".repeat(1000), "not supported"),
    ] {
        let error = decrypt(&pem(&text), given("p")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(decrypt("no PEM", given("p")).unwrap().is_none());
    assert!(decrypt(&pem::write("PRIVATE KEY", b"x"), given("p")).unwrap().is_none());
}
