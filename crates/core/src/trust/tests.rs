use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

mod keys;
mod malleable;
pub(super) mod wycheproof;

/// The test keys of the integration tests.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/keys/", $name))
    };
}
use fixture;

const MESSAGE: &[u8] = fixture!("message").as_bytes();

/// A signature over [`MESSAGE`] by OpenSSL.
fn by_openssl(name: &str) -> Vec<u8> {
    let line = fixture!("signatures").lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    STANDARD.decode(line.unwrap()).unwrap()
}

fn public(pem: &str, algorithm: Algorithm) -> PublicKey {
    PublicKey::from_pem(pem, algorithm, PssSalt::default()).unwrap()
}

fn rsa_pss(salt: PssSalt) -> PublicKey {
    PublicKey::from_pem(fixture!("throw-away-rsa-2048.pub.pem"), Algorithm::RsaPssSha256, salt).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn algorithms_have_exact_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
    }
    let names = Algorithm::ALL.map(Algorithm::name).join(", ");
    assert_eq!(UnknownAlgorithm.to_string(), format!("unknown algorithm; write one of {names}"));
    for name in
        ["", "rsa_pss_sha_256", "RSA_PSS_SHA_256 ", "RSA_PSS_SHA_224", "ECDSA_P256_SHA_256", "ES256", "none"]
    {
        assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
    }
}

/// The public and the private key that an algorithm is tested with.
fn pair(algorithm: Algorithm) -> (&'static str, &'static str) {
    match algorithm.key_kind() {
        "RSA" => (fixture!("throw-away-rsa-2048.pub.pem"), fixture!("throw-away-rsa-2048.key.pem")),
        "P-256" => (fixture!("throw-away-p256.pub.pem"), fixture!("throw-away-p256.key.pem")),
        "P-384" => (fixture!("throw-away-p384.pub.pem"), fixture!("throw-away-p384.key.pem")),
        "P-521" => (fixture!("throw-away-p521.pub.pem"), fixture!("throw-away-p521.key.pem")),
        "Ed25519" => (fixture!("throw-away-ed25519.pub.pem"), fixture!("throw-away-ed25519.key.pem")),
        other => panic!("{other}"),
    }
}

/// The signature by OpenSSL that an algorithm accepts with its usual salt.
fn made_for(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RsaPssSha256 => "pss-32",
        Algorithm::RsaPssSha384 => "pss-sha384-48",
        Algorithm::RsaPssSha512 => "pss-sha512-64",
        Algorithm::RsaPkcs1Sha256 => "pkcs1",
        Algorithm::RsaPkcs1Sha384 => "pkcs1-sha384",
        Algorithm::RsaPkcs1Sha512 => "pkcs1-sha512",
        Algorithm::EcdsaSha256 => "p256",
        Algorithm::EcdsaSha384 => "p384",
        Algorithm::EcdsaSha512 => "p521",
        Algorithm::EcdsaP384Sha256 => "p384-sha256",
        Algorithm::EcdsaP521Sha256 => "p521-sha256",
        Algorithm::Ed25519 => "ed25519",
        // OpenSSL 3.0 does not make these; see the vector of RFC 8032 below.
        Algorithm::Ed25519ph => "",
    }
}

/// The file also has signatures with other hashes by each key: P-384 with SHA-512, P-521 with SHA-384, …
#[test]
fn verifies_openssl_by_the_pinned_algorithm_alone() {
    for algorithm in Algorithm::ALL {
        let key = public(pair(algorithm).0, algorithm);
        for line in fixture!("signatures").lines() {
            let name = line.split(' ').next().unwrap();
            let verified = key.verify(MESSAGE, &by_openssl(name)).is_ok();
            assert_eq!(verified, name == made_for(algorithm), "{algorithm} and {name}");
            assert!(key.verify(b"another message", &by_openssl(name)).is_err(), "{algorithm} and {name}");
        }
    }
}

#[test]
fn pss_salt_is_exactly_what_was_declared() {
    for (salt, accepted) in [
        (PssSalt::default(), "pss-32"),
        (PssSalt::Length(32), "pss-32"),
        (PssSalt::Length(0), "pss-0"),
        (PssSalt::Length(20), "pss-20"),
        (PssSalt::Length(222), "pss-max"),
        (PssSalt::Maximum, "pss-max"),
        (PssSalt::Length(221), ""),
    ] {
        assert_eq!(salt.is_of(HashFunction::Sha256), accepted == "pss-32", "{salt}");
        for made in ["pss-32", "pss-0", "pss-20", "pss-max", "pss-sha512-32"] {
            let verified = rsa_pss(salt).verify(MESSAGE, &by_openssl(made)).is_ok();
            assert_eq!(verified, made == accepted, "salt {salt} and {made}");
        }
    }
    let rsa = fixture!("throw-away-rsa-2048.pub.pem");
    for (algorithm, salt, accepted) in [
        (Algorithm::RsaPssSha384, PssSalt::Maximum, "pss-sha384-max"),
        (Algorithm::RsaPssSha384, PssSalt::Length(206), "pss-sha384-max"),
        (Algorithm::RsaPssSha384, PssSalt::Length(48), "pss-sha384-48"),
        (Algorithm::RsaPssSha512, PssSalt::Length(32), "pss-sha512-32"),
        (Algorithm::RsaPssSha512, PssSalt::Length(64), "pss-sha512-64"),
    ] {
        let key = PublicKey::from_pem(rsa, algorithm, salt).unwrap();
        for made in ["pss-32", "pss-sha384-48", "pss-sha384-max", "pss-sha512-32", "pss-sha512-64"] {
            let verified = key.verify(MESSAGE, &by_openssl(made)).is_ok();
            assert_eq!(verified, made == accepted, "{algorithm} with salt {salt} and {made}");
        }
    }
}

#[test]
fn ed25519ph_is_that_of_rfc_8032() {
    // Section 7.3; the key has the encoding of RFC 8410.
    let key = "MCowBQYDK2VwAyEA7Bcrk61eVjv0kyxw4SRQNMNUZ+8u/U1k6/gZaDRn4r8=";
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    let vector = concat!(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    );
    let signature: Vec<u8> =
        (0..64).map(|i| u8::from_str_radix(&vector[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert!(public(&pem, Algorithm::Ed25519ph).verify(b"abc", &signature).is_ok());
    assert!(public(&pem, Algorithm::Ed25519ph).verify(b"abd", &signature).is_err());
    assert!(public(&pem, Algorithm::Ed25519).verify(b"abc", &signature).is_err());
}

#[test]
fn signs_what_its_public_half_alone_verifies() {
    let rsa = fixture!("throw-away-rsa-2048.key.pem");
    let unusual = fixture!("throw-away-rsa-2056-exponent-3.key.pem");
    let usual = Algorithm::ALL.map(|algorithm| (pair(algorithm).1, algorithm, PssSalt::default()));
    let others = [
        (rsa, Algorithm::RsaPssSha256, PssSalt::Maximum),
        (rsa, Algorithm::RsaPssSha256, PssSalt::Length(0)),
        (rsa, Algorithm::RsaPssSha512, PssSalt::Maximum),
        (unusual, Algorithm::RsaPssSha256, PssSalt::default()),
        (unusual, Algorithm::RsaPkcs1Sha512, PssSalt::default()),
    ];
    let keys = usual.into_iter().chain(others);
    let keys = keys.map(|(pem, algorithm, salt)| PrivateKey::from_pem(pem, algorithm, salt).unwrap());
    let keys: Vec<PrivateKey> = keys.collect();
    for (signer, key) in keys.iter().enumerate() {
        let signature = key.sign(MESSAGE).unwrap();
        for (verifier, other) in keys.iter().enumerate() {
            let verified = other.public().verify(MESSAGE, &signature).is_ok();
            assert_eq!(verified, signer == verifier, "{key:?} and {other:?}");
        }
    }
}

fn key(public: PublicKey, not_before: Option<i64>, not_after: Option<i64>, origin: &str) -> Key {
    let (not_before, not_after) = (not_before.map(at), not_after.map(at));
    Key { public, not_before, not_after, origin: origin.to_owned(), remote: None }
}

#[test]
fn a_key_is_valid_from_not_before_until_just_before_not_after() {
    let p256 = || public(fixture!("throw-away-p256.pub.pem"), Algorithm::EcdsaSha256);
    let window = KeySet::new("release".into(), vec![key(p256(), Some(100), Some(200), "p256.pem")]).unwrap();
    for (now, side) in [
        (99, Some(Outside::Early { from: at(100) })),
        (100, None),
        (199, None),
        (200, Some(Outside::Late { until: at(200) })),
        (201, Some(Outside::Late { until: at(200) })),
    ] {
        let answer = window.verify(MESSAGE, &by_openssl("p256"), at(now));
        match (answer, side) {
            (Ok(valid), None) => assert_eq!(valid.fingerprint(), p256().fingerprint()),
            (Err(TrustError::OutsideWindow { side: found, origin, .. }), Some(side)) => {
                assert_eq!((found, origin.as_str()), (side, "p256.pem"), "{now}");
            }
            (answer, _) => panic!("{now}: {answer:?}"),
        }
    }
    let result = window.verify(MESSAGE, &by_openssl("ed25519"), at(99));
    assert_eq!(result, Err(TrustError::NoKeyNow { authenticator: "release".into(), now: at(99) }));
    let result = window.verify(MESSAGE, &by_openssl("ed25519"), at(150));
    assert_eq!(result, Err(TrustError::Untrusted { authenticator: "release".into() }));
    for (from, until) in [(5, 5), (6, 5)] {
        let empty = KeySet::new("release".into(), vec![key(p256(), Some(from), Some(until), "p256.pem")]);
        assert_eq!(empty.unwrap_err(), TrustError::EmptyWindow { origin: "p256.pem".into() });
    }
}

#[test]
fn any_key_that_is_valid_now_satisfies_its_authenticator() {
    let old =
        key(public(fixture!("throw-away-p256.pub.pem"), Algorithm::EcdsaSha256), None, Some(200), "old.pem");
    let new =
        key(public(fixture!("throw-away-ed25519.pub.pem"), Algorithm::Ed25519), Some(100), None, "new.pem");
    for keys in [vec![old.clone(), new.clone()], vec![new.clone(), old.clone()]] {
        let rotating = KeySet::new("release".into(), keys).unwrap();
        for (now, by, trusted) in [
            (50, "p256", true),
            (50, "ed25519", false),
            (150, "p256", true),
            (150, "ed25519", true),
            (150, "p384", false),
            (250, "p256", false),
            (250, "ed25519", true),
        ] {
            let answer = rotating.verify(MESSAGE, &by_openssl(by), at(now));
            assert_eq!(answer.is_ok(), trusted, "{by} at {now}");
        }
    }
}

#[test]
fn an_authenticator_has_one_to_sixteen_different_keys() {
    let pem = fixture!("throw-away-p256.pub.pem");
    let same = |origin| key(public(pem, Algorithm::EcdsaSha256), None, None, origin);
    let none = KeySet::new("release".into(), Vec::new()).unwrap_err();
    assert_eq!(none, TrustError::NoKeys { authenticator: "release".into() });
    let twice = KeySet::new("release".into(), vec![same("a.pem"), same("b.pem")]).unwrap_err();
    assert!(
        matches!(twice, TrustError::SameKeyTwice { first, second, .. } if (first.as_str(), second.as_str()) == ("a.pem", "b.pem"))
    );
    let many = KeySet::new("release".into(), vec![same("a.pem"); 17]).unwrap_err();
    assert_eq!(many, TrustError::TooManyKeys { authenticator: "release".into(), found: 17 });
}

/// One key may sign with two hashes, but is one entry: two periods would keep a retired key valid.
#[test]
fn a_key_has_several_algorithms_only_in_one_entry() {
    let p384 = |algorithm| public(fixture!("throw-away-p384.pub.pem"), algorithm);
    let entry = |algorithm| key(p384(algorithm), None, Some(200), "p384.pem");
    let both = [Algorithm::EcdsaSha384, Algorithm::EcdsaP384Sha256].map(entry);
    let release = KeySet::new("release".into(), both.to_vec()).unwrap();
    for (made, trusted) in [("p384", true), ("p384-sha256", true), ("p384-sha512", false)] {
        let answer = release.verify(MESSAGE, &by_openssl(made), at(100));
        let fingerprint = answer.as_ref().map(|valid| valid.fingerprint().to_owned());
        assert_eq!(fingerprint.ok(), trusted.then(|| both[0].public.fingerprint().to_owned()), "{made}");
        assert!(release.verify(MESSAGE, &by_openssl(made), at(200)).is_err(), "{made}");
    }
    let [first, second] = both;
    for (what, second) in [
        ("the same algorithm", first.clone()),
        ("another file", Key { origin: "other.pem".into(), ..second.clone() }),
        ("another end", Key { not_after: None, ..second.clone() }),
        ("another beginning", Key { not_before: Some(at(1)), ..second.clone() }),
    ] {
        let made = KeySet::new("release".into(), vec![first.clone(), second]);
        assert!(matches!(made, Err(TrustError::SameKeyTwice { .. })), "{what}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_not_a_signature(signature in proptest::collection::vec(any::<u8>(), 0..1100)) {
        for algorithm in Algorithm::ALL {
            prop_assert!(public(pair(algorithm).0, algorithm).verify(MESSAGE, &signature).is_err());
        }
    }

    #[test]
    fn a_signature_with_a_flipped_bit_is_not_valid(of in 0..Algorithm::ALL.len() - 1, position in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let algorithm = Algorithm::ALL[of];
        let mut signature = by_openssl(made_for(algorithm));
        let at = position.index(signature.len());
        signature[at] ^= 1_u8 << bit;
        prop_assert!(public(pair(algorithm).0, algorithm).verify(MESSAGE, &signature).is_err());
    }

    #[test]
    fn arbitrary_text_does_not_panic_a_key_parser(text in "(-----BEGIN (PUBLIC|PRIVATE) KEY-----\n)?[ -~\n]{0,200}(-----END PUBLIC KEY-----)?") {
        for algorithm in Algorithm::ALL {
            prop_assert!(PublicKey::from_pem(&text, algorithm, PssSalt::default()).is_err());
            prop_assert!(PrivateKey::from_pem(&text, algorithm, PssSalt::default()).is_err());
        }
    }

    #[test]
    fn a_mutated_key_does_not_panic_a_key_parser(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for algorithm in Algorithm::ALL {
            let mut der = pem::read_one(pair(algorithm).0).unwrap().der.to_vec();
            let at = position.index(der.len());
            der[at] = byte;
            let _ = PublicKey::from_der(&der, algorithm, PssSalt::default());
        }
    }
}
