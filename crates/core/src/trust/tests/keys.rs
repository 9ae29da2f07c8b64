//! Which files are keys, and the errors for those that are not.

use super::*;

const P256: &str = fixture!("throw-away-p256.pub.pem");
const RSA: &str = fixture!("throw-away-rsa-2048.pub.pem");

#[test]
fn reads_one_public_key_and_names_what_was_found_instead() {
    let invalid = "-----BEGIN PUBLIC KEY-----\nMFkw*\n-----END PUBLIC KEY-----\n";
    let other_end = P256.replace("END PUBLIC", "END PRIVATE");
    let behind = |text: &str| format!("{P256}{text}");
    for (text, error) in [
        (P256.to_owned(), None),
        (P256.replace('\n', "\r\n"), None),
        (format!("# release key, 2026\n\n{P256}\n   \n# end\n"), None),
        (String::new(), Some(KeyError::Pem(PemError::NoBlock))),
        ("# only a comment\n".to_owned(), Some(KeyError::Pem(PemError::NoBlock))),
        (behind(P256), Some(KeyError::Pem(PemError::SeveralBlocks { line: 5 }))),
        (behind("x"), Some(KeyError::Pem(PemError::Stray { line: 5 }))),
        (format!("Bag Attributes\n{P256}"), Some(KeyError::Pem(PemError::Stray { line: 1 }))),
        (format!(" {P256}"), Some(KeyError::Pem(PemError::Stray { line: 1 }))),
        ("ssh-ed25519 AAAAC3NzaC1".to_owned(), Some(KeyError::Pem(PemError::Stray { line: 1 }))),
        (
            P256.replace("-----END PUBLIC KEY-----", ""),
            Some(KeyError::Pem(PemError::Unterminated { line: 1 })),
        ),
        (other_end, Some(KeyError::Private)),
        (invalid.to_owned(), Some(KeyError::Pem(PemError::Base64))),
        (invalid.replace("MFkw*", "MFkw"), Some(KeyError::Malformed)),
        (invalid.replace("MFkw*", ""), Some(KeyError::Malformed)),
        (fixture!("throw-away-p256.certificate.pem").to_owned(), Some(KeyError::Certificate)),
        (fixture!("throw-away-rsa-2048.pkcs1.pub.pem").to_owned(), Some(KeyError::Pkcs1)),
        (fixture!("throw-away-p256.key.pem").to_owned(), Some(KeyError::Private)),
        (fixture!("throw-away-p256.sec1.key.pem").to_owned(), Some(KeyError::Private)),
        (fixture!("throw-away-p256.encrypted.key.pem").to_owned(), Some(KeyError::Private)),
        (behind(fixture!("throw-away-p256.key.pem")), Some(KeyError::Private)),
        (fixture!("throw-away-p256.key.pem").replace("-----END", "----"), Some(KeyError::Private)),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(), Some(KeyError::Private)),
        (
            P256.replace("PUBLIC KEY", "PGP PUBLIC KEY BLOCK"),
            Some(KeyError::Other { found: "an OpenPGP key" }),
        ),
        (P256.replace("PUBLIC KEY", "X"), Some(KeyError::Other { found: "a PEM block of another type" })),
        (
            format!("{P256}{}", " ".repeat(MAX_PEM_BYTES)),
            Some(KeyError::TooLarge { found: MAX_PEM_BYTES + 178 }),
        ),
    ] {
        let found = PublicKey::from_pem(&text, Algorithm::EcdsaSha256, PssSalt::default());
        assert_eq!(found.err(), error, "{}", text.chars().take(200).collect::<String>());
    }
}

#[test]
fn no_error_repeats_a_private_key() {
    for text in [
        fixture!("throw-away-p256.key.pem"),
        fixture!("throw-away-rsa-2048.pkcs1.key.pem"),
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w\n",
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w",
    ] {
        let error = PublicKey::from_pem(text, Algorithm::EcdsaSha256, PssSalt::default()).unwrap_err();
        for body in text.lines().filter(|line| !line.starts_with('-')) {
            assert!(!format!("{error} {error:?}").contains(&body[..8]), "{error:?}");
        }
    }
    let key =
        PrivateKey::from_pem(fixture!("throw-away-p256.key.pem"), Algorithm::EcdsaSha256, PssSalt::default());
    assert!(format!("{key:?}").contains("<redacted>"));
}

#[test]
fn a_key_fits_its_algorithm() {
    let rsa = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_rsa()).collect();
    let p384 = vec![Algorithm::EcdsaSha384, Algorithm::EcdsaP384Sha256];
    let p521 = vec![Algorithm::EcdsaSha512, Algorithm::EcdsaP521Sha256];
    let fits = [
        (RSA, rsa, "RSA"),
        (P256, vec![Algorithm::EcdsaSha256], "P-256"),
        (fixture!("throw-away-p256-compressed.pub.pem"), vec![Algorithm::EcdsaSha256], "P-256"),
        (fixture!("throw-away-p384.pub.pem"), p384, "P-384"),
        (fixture!("throw-away-p521.pub.pem"), p521, "P-521"),
        (fixture!("throw-away-secp256k1.pub.pem"), vec![], "secp256k1"),
        (fixture!("throw-away-ed25519.pub.pem"), vec![Algorithm::Ed25519, Algorithm::Ed25519ph], "Ed25519"),
        (fixture!("throw-away-rsa-pss-only.pub.pem"), vec![], "restricted to RSASSA-PSS (id-RSASSA-PSS)"),
    ];
    for (pem, algorithms, found) in fits {
        for algorithm in Algorithm::ALL {
            let error = PublicKey::from_pem(pem, algorithm, PssSalt::default()).err();
            let wanted = (!algorithms.contains(&algorithm)).then_some(KeyError::Kind { found, algorithm });
            assert_eq!(error, wanted, "{found} and {algorithm}");
        }
    }
}

#[test]
fn weak_keys_are_refused() {
    for (pem, error) in [
        (fixture!("throw-away-rsa-1024.pub.pem"), Some(KeyError::Modulus { bits: 1024 })),
        (fixture!("throw-away-rsa-2050.pub.pem"), Some(KeyError::Modulus { bits: 2050 })),
        (fixture!("throw-away-rsa-4104.pub.pem"), Some(KeyError::Modulus { bits: 4104 })),
        (fixture!("throw-away-rsa-2048-exponent-1.pub.pem"), Some(KeyError::Exponent)),
        (fixture!("throw-away-rsa-2048-exponent-2.pub.pem"), Some(KeyError::Exponent)),
        (fixture!("throw-away-rsa-2048-exponent-huge.pub.pem"), Some(KeyError::Exponent)),
        (fixture!("throw-away-rsa-2056-exponent-3.pub.pem"), None),
        (fixture!("throw-away-rsa-3072.pub.pem"), None),
    ] {
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_rsa()) {
            assert_eq!(PublicKey::from_pem(pem, algorithm, PssSalt::default()).err(), error);
        }
    }
    for pem in [
        fixture!("throw-away-ed25519-small-order.pub.pem"),
        fixture!("throw-away-ed25519-not-canonical.pub.pem"),
    ] {
        for algorithm in [Algorithm::Ed25519, Algorithm::Ed25519ph] {
            let error = PublicKey::from_pem(pem, algorithm, PssSalt::default()).err();
            assert_eq!(error, Some(KeyError::WeakPoint));
        }
    }
}

#[test]
fn a_salt_fits_the_modulus_and_belongs_to_pss() {
    for (algorithm, salt, error) in [
        (Algorithm::RsaPssSha256, PssSalt::Length(222), None),
        (Algorithm::RsaPssSha256, PssSalt::Length(223), Some(KeyError::Salt { length: 223, longest: 222 })),
        (
            Algorithm::RsaPssSha256,
            PssSalt::Length(u16::MAX),
            Some(KeyError::Salt { length: u16::MAX, longest: 222 }),
        ),
        (Algorithm::RsaPssSha512, PssSalt::Length(190), None),
        (Algorithm::RsaPssSha512, PssSalt::Length(191), Some(KeyError::Salt { length: 191, longest: 190 })),
        (Algorithm::RsaPkcs1Sha256, PssSalt::Length(32), None),
        (
            Algorithm::RsaPkcs1Sha384,
            PssSalt::Length(48),
            Some(KeyError::SaltUnused { algorithm: Algorithm::RsaPkcs1Sha384 }),
        ),
        (
            Algorithm::RsaPkcs1Sha256,
            PssSalt::Maximum,
            Some(KeyError::SaltUnused { algorithm: Algorithm::RsaPkcs1Sha256 }),
        ),
    ] {
        assert_eq!(PublicKey::from_pem(RSA, algorithm, salt).err(), error, "{algorithm} with {salt}");
        let private = PrivateKey::from_pem(fixture!("throw-away-rsa-2048.key.pem"), algorithm, salt);
        assert_eq!(private.err(), error, "{algorithm} with {salt}");
    }
}

#[test]
fn fingerprints_match_sha256sum_in_every_encoding() {
    let compressed = fixture!("throw-away-p256-compressed.pub.pem");
    let one_line = {
        let body: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
        format!("# again\n-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----")
    };
    let private = PrivateKey::from_pem(
        fixture!("throw-away-p256.sec1.key.pem"),
        Algorithm::EcdsaSha256,
        PssSalt::default(),
    );
    let pem = private.unwrap().public_pem();
    assert_eq!(pem, P256);
    for text in [P256, compressed, &one_line, &pem] {
        assert_eq!(
            public(text, Algorithm::EcdsaSha256).fingerprint(),
            "sha256:32101e6b9499ba045234aca7583ccaaed71bab305063939bdc185224c0679d0b"
        );
    }
    for algorithm in [Algorithm::RsaPssSha256, Algorithm::RsaPkcs1Sha256] {
        assert_eq!(
            public(RSA, algorithm).fingerprint(),
            "sha256:68f42bd552718b16ed74928d9a46391deba5bf0c9f9d465e7f998213e24b1301"
        );
    }
    assert_eq!(
        public(fixture!("throw-away-ed25519.pub.pem"), Algorithm::Ed25519).fingerprint(),
        "sha256:5c55f212d2f59f7e2e324a738f9acf33a5da1c78239e992c4b658a211a34ddfb"
    );
}

#[test]
fn reads_private_keys_of_openssl() {
    let p256 = fixture!("throw-away-p256.key.pem");
    for (text, algorithm, error) in [
        (p256, Algorithm::EcdsaSha256, None),
        (fixture!("throw-away-p256.sec1.key.pem"), Algorithm::EcdsaSha256, None),
        (fixture!("throw-away-p384.key.pem"), Algorithm::EcdsaSha384, None),
        (fixture!("throw-away-p384.key.pem"), Algorithm::EcdsaP384Sha256, None),
        (fixture!("throw-away-p521.key.pem"), Algorithm::EcdsaSha512, None),
        (fixture!("throw-away-rsa-2048.key.pem"), Algorithm::RsaPkcs1Sha256, None),
        (fixture!("throw-away-rsa-2048.pkcs1.key.pem"), Algorithm::RsaPssSha256, None),
        (fixture!("throw-away-ed25519.key.pem"), Algorithm::Ed25519ph, None),
        (
            p256,
            Algorithm::EcdsaSha384,
            Some(KeyError::Kind { found: "P-256", algorithm: Algorithm::EcdsaSha384 }),
        ),
        (p256, Algorithm::Ed25519, Some(KeyError::Kind { found: "P-256", algorithm: Algorithm::Ed25519 })),
        (fixture!("throw-away-p256.sec1.key.pem"), Algorithm::EcdsaSha384, Some(KeyError::Malformed)),
        (
            fixture!("throw-away-rsa-1024.key.pem"),
            Algorithm::RsaPkcs1Sha256,
            Some(KeyError::Modulus { bits: 1024 }),
        ),
        (fixture!("throw-away-p256.encrypted.key.pem"), Algorithm::EcdsaSha256, Some(KeyError::Encrypted)),
        (P256, Algorithm::EcdsaSha256, Some(KeyError::Public)),
        ("", Algorithm::EcdsaSha256, Some(KeyError::Pem(PemError::NoBlock))),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            Algorithm::RsaPkcs1Sha256,
            Some(KeyError::Pem(PemError::Encrypted)),
        ),
    ] {
        assert_eq!(
            PrivateKey::from_pem(text, algorithm, PssSalt::default()).err(),
            error,
            "{text} {algorithm}"
        );
    }
}

#[test]
fn b18_a_key_has_the_fingerprints_of_its_encodings() {
    // sha256sum of `openssl pkey -pubin -outform DER`, and of `openssl ec -pubin -conv_form compressed -outform DER`.
    for (pem, algorithm, canonical, compressed) in [
        (
            P256,
            Algorithm::EcdsaSha256,
            "sha256:32101e6b9499ba045234aca7583ccaaed71bab305063939bdc185224c0679d0b",
            "sha256:7686e06c35167851cefbf0e658333783cc3c0f6ff3675d3f7d5b43f7c08012b3",
        ),
        (
            fixture!("throw-away-p256-compressed.pub.pem"),
            Algorithm::EcdsaSha256,
            "sha256:32101e6b9499ba045234aca7583ccaaed71bab305063939bdc185224c0679d0b",
            "sha256:7686e06c35167851cefbf0e658333783cc3c0f6ff3675d3f7d5b43f7c08012b3",
        ),
        (
            fixture!("throw-away-p384.pub.pem"),
            Algorithm::EcdsaSha384,
            "sha256:627aeedfaa7155fc975847ae456fa9c6f6b88faee14bbd6c63f1373843b85d8e",
            "sha256:5ce44c8e4950ba07752b9bf2e6509410a5a596d86f03bc48c6e2bac6af196c8d",
        ),
        (
            fixture!("throw-away-p521.pub.pem"),
            Algorithm::EcdsaP521Sha256,
            "sha256:bbca04ad803702568824e02bb0f8c27c18c3ca2ef31398ac9e08cd6ab2fffafa",
            "sha256:afefc129f2cd161dd3867a3fdd1ab5062dfcc1ba67693fc704dfba458f600c20",
        ),
    ] {
        let key = PublicKey::from_pem(pem, algorithm, PssSalt::default()).unwrap();
        assert_eq!(key.fingerprint(), canonical);
        assert_eq!(key.all_fingerprints().collect::<Vec<_>>(), [canonical, compressed]);
    }
    let rsa = PublicKey::from_pem(RSA, Algorithm::RsaPssSha256, PssSalt::default()).unwrap();
    assert_eq!(rsa.all_fingerprints().collect::<Vec<_>>(), [rsa.fingerprint()]);
}
